"""Options that commands share, and where their spans come from."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from tracelab.diagnostics import Diagnostics
from tracelab.errors import UsageError
from tracelab.times import parse_time_ns
from tracelab.window import Window

if TYPE_CHECKING:  # loaded when they are needed: --help must be there at once
    from tracelab.lake import Lake
    from tracelab.traceset import TraceSet

_F = TypeVar("_F", bound=Callable[..., Any])


def lake_option(function: _F) -> _F:
    return click.option(
        "--lake",
        "lake_path",
        type=click.Path(path_type=Path, file_okay=False),
        default=None,
        help="Folder of the lake. [env TRACELAB_LAKE; default: your data folder]",
    )(function)


def json_option(function: _F) -> _F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON (shapes: docs/reference/json.md).")(
        function
    )


def reading_options(function: _F) -> _F:
    """What every command that reads traces takes; the command gets it as `src` (a Source) and `as_json`."""

    @functools.wraps(function)
    def with_source(
        *arguments: Any,
        files: tuple[Path, ...],
        lake_path: Path | None,
        since: str | None,
        until: str | None,
        service: str | None,
        no_skew_correction: bool,
        **options: Any,
    ) -> Any:
        window = window_of(since, until, "--since", "--until")
        src = Source(files, lake_path, window, service, not no_skew_correction)
        return function(*arguments, src=src, **options)

    decorators = [
        click.argument("files", nargs=-1, type=click.Path(path_type=Path)),
        lake_option,
        click.option("--since", help="Start of the window: 15m (ago), or an ISO time. [default: everything]"),
        click.option("--until", help="End of the window, as --since. [default: now]"),
        click.option("--service", help="Only what this service takes part in."),
        click.option("--no-skew-correction", is_flag=True, help="Leave all times as the hosts' clocks gave them."),
        json_option,
    ]
    decorated: Any = with_source
    for decorator in reversed(decorators):
        decorated = decorator(decorated)
    return cast("_F", decorated)


def window_of(since: str | None, until: str | None, since_option: str, until_option: str) -> Window:
    """The window that two options say."""
    window = Window(parse_time_ns(since) if since else None, parse_time_ns(until) if until else None)
    if window.since_ns is not None and window.until_ns is not None and window.since_ns >= window.until_ns:
        raise UsageError(f"{since_option} must be before {until_option}")
    return window


@dataclass(frozen=True)
class Source:
    """Where to read traces from: files if any are given, else the lake; and which window and service of them."""

    files: tuple[Path, ...]
    lake_path: Path | None
    window: Window
    service: str | None = None
    skew_correction: bool = True

    def load(self, whole_spans: bool = False, with_attributes: bool = False) -> TraceSet:
        """All traces that touch the window, whole.

        With `whole_spans` also what only people read of a span; with `with_attributes` of that the attributes alone.
        """
        from tracelab.adjusters import assemble
        from tracelab.schema import ANALYSIS_COLUMNS

        diagnostics = Diagnostics()
        if self.files:
            table = read_files(self.files, diagnostics)
        else:
            columns = (*ANALYSIS_COLUMNS, "attributes", "resource") if with_attributes else ANALYSIS_COLUMNS
            table = self.lake().scan(
                self.window.since_ns, self.window.until_ns, diagnostics, None if whole_spans else columns
            )
        return assemble(table, self.skew_correction).noting(**diagnostics)

    def stream(self, diagnostics: Diagnostics) -> Iterator[TraceSet]:
        """The same in batches of whole traces, for what merges: in bounded memory, whatever the lake's size.

        What is odd about the source is added to `diagnostics`.
        """
        from tracelab.adjusters import assemble
        from tracelab.lake.stream import read_ahead, whole_traces
        from tracelab.schema import ANALYSIS_COLUMNS

        if self.files:
            yield assemble(read_files(self.files, diagnostics), self.skew_correction)
            return
        since_ns, until_ns = self.window.since_ns, self.window.until_ns
        for table in read_ahead(whole_traces(self.lake(), ANALYSIS_COLUMNS, since_ns, until_ns, diagnostics)):
            yield assemble(table, self.skew_correction)

    def whole_trace(self, traces: TraceSet, trace_id: bytes) -> Any:
        """One of the loaded traces as a span table with every column."""
        import pyarrow as pa

        from tracelab.lake.choose import select_traces
        from tracelab.schema import TRACE_ID

        if self.files:  # read whole already
            return select_traces([traces.table], pa.array([trace_id], TRACE_ID))
        return self.lake().traces([trace_id])

    def lake(self) -> Lake:
        from tracelab.lake import Lake, default_lake_path

        return Lake.open(self.lake_path or default_lake_path())


def read_files(files: tuple[Path, ...], diagnostics: Diagnostics) -> Any:
    """Trace files as one span table."""
    import pyarrow as pa

    from tracelab.codecs.files import find_files, read_file
    from tracelab.codecs.sink import Sink

    sink = Sink(diagnostics=diagnostics)
    return pa.concat_tables([table for path in find_files(list(files)) for table in read_file(path, sink)])


def print_json(value: Any) -> None:
    """One JSON document, ready for jq."""
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def progress(text: str) -> None:
    """One line that is written over, and only where somebody looks."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)


def warn_of_public(host: str, advice: str) -> None:
    """Said wherever something listens beyond this machine and lets everybody in."""
    click.echo(f"note: {host} can be reached from other machines, without a password; {advice}", err=True)
