"""The registry of everything odd that tracelab can notice, and the counter that carries it.

Nothing is dropped or guessed in silence: whoever does it counts it here, under a name that this registry explains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Diagnostic:
    """One kind of oddity: its name in outputs, how bad it is, what it means, what to do."""

    name: str
    severity: Severity
    meaning: str
    advice: str


_ALL = (
    # reading
    Diagnostic("skipped_records", "error", "Records that could not be read and were left out.", "Read the messages of the import; mend the sender."),
    Diagnostic("damaged_segments", "error", "Files in the lake that are not readable segments; their rows are missing.", "Look at the named files; move foreign files out of the lake."),
    Diagnostic("base64_ids", "info", "Ids in base64 where OTLP JSON wants hex; read all the same.", "Use a writer that follows the OTLP/JSON rules."),
    Diagnostic("short_ids", "warning", "Ids shorter than 16 or 8 bytes, padded with zeros on the left.", "Send 16-byte trace ids and 8-byte span ids."),
    Diagnostic("made_up_ids", "warning", "Ids that are no hexadecimal number; replaced by a hash of their text.", "Harmless, but links from other systems will not find them."),
    Diagnostic("named_kinds", "info", "Span kinds or status codes by name where OTLP JSON wants a number.", "Nothing to do."),
    Diagnostic("tempo_batches", "info", "Documents with Tempo's `batches` in place of `resourceSpans`.", "Nothing to do."),
    Diagnostic("library_spans", "info", "Documents with the old `instrumentationLibrarySpans`.", "Upgrade the sender."),
    Diagnostic("concatenated_documents", "info", "JSON documents one after another in one file.", "Nothing to do."),
    Diagnostic("bare_traces", "info", "Jaeger traces without the `data` wrapper.", "Nothing to do."),
    Diagnostic("nested_references", "info", "Jaeger references that carry copies of other spans; the copies are ignored.", "Nothing to do."),
    Diagnostic("merged_parts", "info", "Zipkin rows that were parts of a span already seen, merged into it.", "Nothing to do."),
    Diagnostic("split_shared_spans", "info", "Zipkin server halves that shared the client's span id and were given one of their own.", "Nothing to do."),
    Diagnostic("shared_without_client", "info", "Zipkin server halves marked shared whose client half was not seen.", "Look whether the caller reports its spans."),
    Diagnostic("bad_links", "warning", "Links whose ids are not valid; the link is left out, its span kept.", "The sender links to an invalid span context."),
    Diagnostic("missing_timestamps", "warning", "Spans without a start time; they start at 0.", "Look at the reporting service."),
    Diagnostic("cut_values", "warning", "Texts longer, or values nested deeper, than the collector takes; cut, and marked with …", "Shorten them at the sender, or raise --max-text or --max-depth."),
    Diagnostic("dropped_attributes", "warning", "Attributes beyond what the collector takes of one span; counted as dropped.", "Send fewer, or raise --max-attributes."),
    # trees
    Diagnostic("duplicates", "info", "Rows of a span that was there already (a client may resend); one was kept.", "Nothing to do, unless there are many."),
    Diagnostic("end_before_start", "warning", "Spans that end before they start; taken as empty.", "Look at the clock or the instrumentation of the service."),
    Diagnostic("orphans", "warning", "Spans whose parent was not seen.", "The parent is late, sampled away, or its service does not report."),
    Diagnostic("missing_parents", "warning", "Distinct parents that were not seen; each is a placeholder.", "As for orphans."),
    Diagnostic("cycles", "error", "Rings of spans that are each other's ancestors; cut at the earliest span.", "Span ids are not unique in that service."),
    Diagnostic("skew_corrected", "warning", "SERVER spans outside their CLIENT on another host that were moved into it.", "Mend the hosts' clocks; --no-skew-correction shows the raw times."),
    Diagnostic("skew_spans_shifted", "info", "Spans that moved with them.", "As above."),
    Diagnostic("server_longer_than_client", "info", "SERVER spans on another host that outlast their CLIENT; they fit nowhere and were not moved.", "Usually a time-out: the client gave up and the server went on."),
    # service graph
    Diagnostic("orphan_requests", "warning", "Requests whose caller is unknown, since their parent was not seen: no edge.", "As for orphans."),
    Diagnostic("nested_requests", "info", "SERVER or CONSUMER spans inside a request of their own service: no call of their own.", "The service is instrumented twice, or handles sub-requests in process."),
    Diagnostic("unnamed_peers", "warning", "CLIENT or PRODUCER spans that say nothing of their peer: no edge.", "Set server.address, or service.peer.name, on the span."),
    Diagnostic("dangling_links", "info", "Links to spans that were not seen.", "The linked trace is late, sampled away or older than the lake."),
    Diagnostic("unpaired_consumers", "info", "CONSUMER spans whose PRODUCER was not seen.", "Propagate the context through the message headers, or link to it."),
    Diagnostic("negative_queue_delays", "warning", "Messages consumed before their producer had ended: clock skew, or a very fast consumer.", "Compare the hosts' clocks."),
    Diagnostic("sampled_spans", "info", "Spans with a sampling threshold in tracestate: counts are adjusted by it.", "Nothing to do; counts are estimates."),
    Diagnostic("bad_thresholds", "warning", "Sampling thresholds in tracestate that make no sense; taken as 1.", "Look at the sampler."),
)  # fmt: skip

DIAGNOSTICS: Mapping[str, Diagnostic] = {entry.name: entry for entry in _ALL}


class Diagnostics(Mapping[str, int]):
    """How often each oddity was seen. Counts add up: `a.merge(b)` is the counts of both."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self._counts: Counter[str] = Counter()
        for name, count in (counts or {}).items():
            self.add(name, count)

    def add(self, name: str, count: int = 1) -> None:
        """Count `count` more of `name`; a name outside the registry is a KeyError."""
        DIAGNOSTICS[name]
        if count != 0:
            self._counts[name] += int(count)

    def merge(self, other: Mapping[str, int]) -> Diagnostics:
        """The counts of both, as a new object."""
        merged = Diagnostics(self)
        for name, count in other.items():
            merged.add(name, count)
        return merged

    def __getitem__(self, name: str) -> int:
        DIAGNOSTICS[name]
        return self._counts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(name for name in DIAGNOSTICS if self._counts[name])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Diagnostics({dict(self)})"
