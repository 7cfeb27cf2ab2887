"""What a receiver takes of one request: beyond it values are cut, marked and counted, so that no span is lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from tracelab.codecs.rows import Event, Link, Resource, Scope, Span
from tracelab.codecs.values import Attributes, from_text
from tracelab.diagnostics import Diagnostics

MARK = "…"
_NESTED = "akj"
_Owner = TypeVar("_Owner", Resource, Scope)


@dataclass(frozen=True)
class Limits:
    """Attributes:
    body_bytes: of a request, packed or unpacked
    spans: of a request
    attributes: of one span, event, link, resource or scope; those behind are dropped, and counted as dropped
    text_bytes: of one text in UTF-8: a name, a key, a value
    depth: of arrays and lists in one another; a deeper value is replaced by the mark
    """

    body_bytes: int = 64 * 2**20
    spans: int = 100_000
    attributes: int = 1_000
    text_bytes: int = 256 * 1024
    depth: int = 32

    def exceeded_by(self, attributes: Attributes) -> bool:
        """Whether anything of these attributes would be cut."""
        if len(attributes.pairs) > self.attributes:
            return True
        for (key, text), letter in zip(attributes.pairs, attributes.types, strict=True):
            if self._long(key) or self._long(text):
                return True
            if letter in _NESTED and _depth(from_text(letter, text)) > self.depth:
                return True
        return False

    def _long(self, text: str | None) -> bool:
        if text is None or 4 * len(text) <= self.text_bytes:
            return False
        return len(text.encode()) > self.text_bytes

    def _text(self, text: str, noted: Diagnostics) -> str:
        if not self._long(text):
            return text
        noted.add("cut_values")
        room = max(self.text_bytes - len(MARK.encode()), 0)
        return text.encode()[:room].decode(errors="ignore") + MARK

    def _attributes(self, attributes: Attributes, noted: Diagnostics) -> tuple[Attributes, int]:
        """(what is kept, how many attributes were dropped)."""
        if not self.exceeded_by(attributes):
            return attributes, 0
        dropped = max(len(attributes.pairs) - self.attributes, 0)
        noted.add("dropped_attributes", dropped)
        pairs, letters = [], []
        for (key, text), letter in list(zip(attributes.pairs, attributes.types, strict=True))[: self.attributes]:
            cut, as_letter = text, letter
            if letter in _NESTED and _depth(from_text(letter, text)) > self.depth:
                noted.add("cut_values")
                cut, as_letter = MARK, "s"
            elif self._long(text):
                cut, as_letter = self._text(text, noted), "s"
            pairs.append((self._text(key, noted), cut))
            letters.append(as_letter)
        return Attributes(tuple(pairs), "".join(letters)), dropped

    def cut_owner(self, owner: _Owner, noted: Diagnostics) -> _Owner:
        """A resource or scope within the limits."""
        kept, dropped = self._attributes(owner.attributes, noted)
        if kept is owner.attributes:
            return owner
        return replace(
            owner, attributes=kept, dropped_attributes_count=_capped(owner.dropped_attributes_count + dropped)
        )

    def cut_span(self, span: Span, noted: Diagnostics) -> None:
        """Bring a span, with its events and links, within the limits."""
        span.name = self._text(span.name, noted)
        if span.trace_state is not None and self._long(span.trace_state):
            span.trace_state = None  # half of a tracestate says something else
            noted.add("cut_values")
        if span.status_message is not None:
            span.status_message = self._text(span.status_message, noted)
        span.attributes, dropped = self._attributes(span.attributes, noted)
        span.dropped_attributes_count = _capped(span.dropped_attributes_count + dropped)
        span.events = [self._event(event, noted) for event in span.events]
        span.links = [self._link(link, noted) for link in span.links]

    def _event(self, event: Event, noted: Diagnostics) -> Event:
        kept, dropped = self._attributes(event.attributes, noted)
        if kept is event.attributes and not self._long(event.name):
            return event
        count = _capped(event.dropped_attributes_count + dropped)
        return Event(event.time_ns, self._text(event.name, noted), kept, count)

    def _link(self, link: Link, noted: Diagnostics) -> Link:
        kept, dropped = self._attributes(link.attributes, noted)
        if kept is link.attributes:
            return link
        return replace(link, attributes=kept, dropped_attributes_count=_capped(link.dropped_attributes_count + dropped))


def _depth(value: object) -> int:
    """How deep lists stand in one another: 0 for a value that is none."""
    depth, level = 0, [value]
    while lists := [item for item in level if isinstance(item, list)]:
        depth += 1
        level = [item[1] if isinstance(item, tuple) else item for inner in lists for item in inner]
    return depth


def _capped(count: int) -> int:
    """A count that its column can hold."""
    return min(count, 2**32 - 1)
