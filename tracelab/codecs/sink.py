"""Where codecs put what they read: rows, oddities, and a rule for records that are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tracelab.codecs.rows import Link, Span, SpanRows
from tracelab.diagnostics import Diagnostics
from tracelab.errors import RecordError


@dataclass
class Sink:
    """Collects rows. A wrong record raises, unless `skip` is given: then it is counted and `skip` is told of it."""

    rows: SpanRows = field(default_factory=SpanRows)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    skip: Callable[[RecordError], None] | None = None

    def add(self, span: Span, where: str) -> None:
        """Append a span that was read."""
        self.rows.add(span, where)

    def wrong(self, error: RecordError) -> None:
        """A record cannot be read: raise, or count it and go on."""
        if self.skip is None:
            raise error
        self.diagnostics.add("skipped_records")
        self.skip(error)

    def good_links(self, items: Iterable[Any], read: Callable[[Any, str], Link], where: str) -> list[Link]:
        """The links that can be read. A bad one is counted and left out: no reason to lose its span."""
        links = []
        for at, item in enumerate(items):
            try:
                links.append(read(item, f"{where}.links[{at}]"))
            except RecordError:
                self.diagnostics.add("bad_links")
        return links
