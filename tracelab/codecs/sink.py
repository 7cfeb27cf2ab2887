"""Where codecs put what they read: rows, oddities, and a rule for records that are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tracelab.codecs.limits import Limits
from tracelab.codecs.rows import Link, Resource, Scope, Span, SpanRows
from tracelab.diagnostics import Diagnostics
from tracelab.errors import RecordError

_Owner = TypeVar("_Owner", Resource, Scope)


@dataclass
class Sink:
    """Collects rows. A wrong record raises, unless `skip` is given: then it is counted and `skip` is told of it.

    With `limits` what is too long or too deep is cut.
    """

    rows: SpanRows = field(default_factory=SpanRows)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    skip: Callable[[RecordError], None] | None = None
    limits: Limits | None = None

    def add(self, span: Span, where: str) -> None:
        """Append a span that was read."""
        if self.limits is not None:
            self.limits.cut_span(span, self.diagnostics)
        self.rows.add(span, where)

    def owner(self, owner: _Owner) -> _Owner:
        """A resource or scope as its spans shall have it."""
        return owner if self.limits is None else self.limits.cut_owner(owner, self.diagnostics)

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
