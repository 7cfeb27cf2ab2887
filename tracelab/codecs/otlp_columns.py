"""OTLP protobuf requests into one span table, by columns: what a collector does all day.

Many requests are decoded at once. A kernel walks their bytes (`kernels.otlp`); here its columns become an Arrow table
whose repeated texts are dictionary arrays. A request in an unusual form is left to `codecs.requests`.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from tracelab.codecs import otlp_proto
from tracelab.codecs.limits import Limits
from tracelab.codecs.rows import Resource, Scope
from tracelab.codecs.values import Attributes, double_text, from_proto, to_text
from tracelab.kernels import otlp as wire
from tracelab.kernels import otlp_state as state
from tracelab.kernels.memory import SLACK
from tracelab.schema import SCHEMA, SPAN_ID, TRACE_ID
from tracelab.semconv import NUMBERS, RUNGS, as_column, promote
from tracelab.stored import stored_text

_MIN_ATTRIBUTE, _MIN_LINK, _MIN_DEFERRED = 2, 30, 6  # bytes on the wire
_TEXT_GROWTH = 2  # a number's text is at most so many times as long as the attribute it comes in
_FIRST_SLOTS = 2**13
_KNOWN_RESOURCES = 4096
_DOUBLE = struct.Struct("<d")

_URL_KEYS = tuple(key for key, (column, _) in RUNGS["attributes"].items() if column == "url_host")
KEYS = (*(key for key in RUNGS["attributes"] if key not in _URL_KEYS), *_URL_KEYS)
"""The attributes that are columns of their own; those that hold a URL last."""
_WELL_KNOWN = (*KEYS, "exception", "exception.type")


def decode_columns(bodies: Sequence[bytes], limits: Limits) -> tuple[pa.Table, list[int], int]:
    """The spans of these requests in one table, without the nullable columns that nobody fills.

    Returns:
        the table; how many spans each request gave, -1 for one that was left alone; how many end before they start
    """
    work = _Work(bodies, limits)
    spans = [work.decode(at, size) for at, size in work.bodies]
    return work.table(), spans, work.reversed_spans()


@dataclass
class _Store:
    """Attributes of one kind of owner, as the kernel fills them."""

    block: NDArray[np.int64]
    keys: NDArray[np.int32]
    text_ends: NDArray[np.int32]
    texts: NDArray[np.uint8]
    letters: NDArray[np.uint8]
    memo: NDArray[np.int32]
    replaced: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, size: int) -> _Store:
        room = size // _MIN_ATTRIBUTE + 1
        store = cls(
            np.zeros(state.STORE, np.int64), np.empty(room, np.int32), np.empty(room + 1, np.int32),
            np.empty(_TEXT_GROWTH * size + SLACK, np.uint8), np.empty(room, np.uint8), np.zeros(state.PLACES, np.int32),
        )  # fmt: skip
        store.text_ends[0] = 0
        for place, array in (
            (state.KEYS, store.keys), (state.TEXT_ENDS, store.text_ends), (state.TEXTS, store.texts),
            (state.LETTERS, store.letters), (state.MEMO, store.memo),
        ):  # fmt: skip
            store.block[place] = array.ctypes.data
        return store

    @property
    def count(self) -> int:
        return int(self.block[state.COUNT])


_ROW_COLUMNS: tuple[tuple[int, type, int], ...] = (
    (state.TRACE_ID, np.uint64, 2), (state.SPAN_ID, np.uint64, 1), (state.PARENT_ID, np.uint64, 1),
    (state.HAS_PARENT, np.uint8, 1), (state.TRACE_STATE, np.int32, 1), (state.FLAGS, np.uint32, 1),
    (state.NAME, np.int32, 1), (state.KIND, np.int8, 1), (state.START, np.int64, 1), (state.DURATION, np.int64, 1),
    (state.STATUS, np.int8, 1), (state.MESSAGE, np.int32, 1), (state.DROPPED, np.uint32, 1),
    (state.DROPPED_EVENTS, np.uint32, 1), (state.DROPPED_LINKS, np.uint32, 1), (state.EXCEPTION_CODE, np.int32, 1),
)  # fmt: skip
_EVENT_COLUMNS = ((state.EVENT_TIME, np.int64, 1), (state.EVENT_NAME, np.int32, 1), (state.EVENT_DROPPED, np.uint32, 1))
_LINK_COLUMNS = (
    (state.LINK_TRACE_ID, np.uint64, 2), (state.LINK_SPAN_ID, np.uint64, 1), (state.LINK_STATE, np.int32, 1),
    (state.LINK_DROPPED, np.uint32, 1), (state.LINK_FLAGS, np.uint32, 1),
)  # fmt: skip
_BLOCK_COLUMNS = (
    (state.BLOCK_ROWS, np.int32, 1), (state.BLOCK_RESOURCE, np.int64, 1), (state.BLOCK_SCOPE, np.int64, 1),
)  # fmt: skip
_ENDS = (
    (state.ATTRIBUTES_END, state.ROWS), (state.EVENTS_END, state.ROWS), (state.LINKS_END, state.ROWS),
    (state.EVENT_ATTRIBUTES_END, state.EVENTS), (state.LINK_ATTRIBUTES_END, state.LINKS),
)  # fmt: skip


class _Work:
    """The memory of one call: the bytes, the columns, the table of texts. The kernel sees it by address."""

    def __init__(self, bodies: Sequence[bytes], limits: Limits) -> None:
        known = "".join(_WELL_KNOWN).encode()
        joined = b"".join([known, *bodies, bytes(SLACK)])
        self.source = np.frombuffer(joined, np.uint8)
        size = sum(map(len, bodies))
        begin = self.source.ctypes.data + len(known)
        self.bodies: list[tuple[int, int]] = []
        for body in bodies:
            self.bodies.append((begin, len(body)))
            begin += len(body)
        self.state = np.zeros(state.STATE, np.int64)
        self.p = self.state.ctypes.data
        self.limits = limits
        self.marks = np.zeros(state.MARKS, np.int64)
        self.spans, self.events, self.links = (_Store.of(size) for _ in range(3))
        self.stores = {store.block.ctypes.data: store for store in (self.spans, self.events, self.links)}
        self.columns: dict[int, NDArray[Any]] = {}
        counted = [wire.count_spans(at, at + size, 0) for at, size in self.bodies]
        rows = sum(spans for spans, _ in counted) + 1
        self._make_columns(_ROW_COLUMNS, rows)
        self._make_columns(_BLOCK_COLUMNS, sum(scopes for _, scopes in counted) + 1)
        self._make_columns(_EVENT_COLUMNS, size // _MIN_ATTRIBUTE + 1)
        links = size // _MIN_LINK + 2
        self._make_columns(_LINK_COLUMNS, links)
        room = {state.ROWS: rows, state.EVENTS: size // _MIN_ATTRIBUTE + 1, state.LINKS: links}
        for ends, owner in _ENDS:
            self._make_columns(((ends, np.int32, 1),), room[owner] + 1)
            self.columns[ends][0] = 0
        self.rungs = np.zeros((len(KEYS), rows), np.int32)
        self.deferred = np.empty((size // _MIN_DEFERRED + 1, 4), np.int64)
        self.strings = np.empty((size // _MIN_ATTRIBUTE + len(_WELL_KNOWN) + 2, 2), np.int64)
        self.strings[0] = 0
        self.slots = np.zeros(_FIRST_SLOTS, np.int32)
        for place, value in (
            (state.SPAN_STORE, self.spans.block.ctypes.data), (state.EVENT_STORE, self.events.block.ctypes.data),
            (state.LINK_STORE, self.links.block.ctypes.data), (state.STRINGS, 1), (state.SLOT_MASK, _FIRST_SLOTS - 1),
            (state.SLOTS, self.slots.ctypes.data), (state.STRING_AT, self.strings.ctypes.data),
            (state.SEED, secrets.randbits(62)), (state.MAX_TEXT, limits.text_bytes),
            (state.MAX_ATTRIBUTES, limits.attributes), (state.MAX_SPANS, limits.spans), (state.RUNGS, len(KEYS)),
            (state.RUNG_AT, self.rungs.ctypes.data), (state.ROW_ROOM, rows), (state.EXCEPTION, len(KEYS) + 1),
            (state.EXCEPTION_TYPE, len(KEYS) + 2), (state.URLS_FROM, len(KEYS) - len(_URL_KEYS)),
            (state.URLS_TO, len(KEYS)),
            (state.DEFERRED_AT, self.deferred.ctypes.data),
        ):  # fmt: skip
            self.state[place] = value
        self._know_well_known()

    def _make_columns(self, columns: Iterable[tuple[int, type, int]], rows: int) -> None:
        for place, type_, width in columns:
            self.columns[place] = np.empty(rows * width, type_)
            self.state[place] = self.columns[place].ctypes.data

    def _know_well_known(self) -> None:
        """Give the well-known keys the first codes, in their order."""
        at = self.source.ctypes.data
        for number, word in enumerate(_WELL_KNOWN):
            self.strings[number + 1] = (at, 4 * len(word))
            at += len(word)
        self.state[state.STRINGS] = len(_WELL_KNOWN) + 1
        state.grow(self.p, self.slots.ctypes.data, self.slots.size - 1)

    def decode(self, at: int, size: int) -> int:
        """Append a request; how many spans it had, -1 if it was left alone."""
        before, known, mark = self.rows, int(self.state[state.STRINGS]), self.marks.ctypes.data
        while (said := wire.decode_request(self.p, at, at + size, mark)) == wire.TABLE_FULL:
            slots = np.zeros(4 * self.slots.size, np.int32)
            state.grow(self.p, slots.ctypes.data, slots.size - 1)
            self.slots = slots
        owners_are_good = self._check_owners(known)
        if said == wire.DONE and not (owners_are_good and self._finish_deferred(int(self.marks[state.DEFERRED]))):
            wire.take_back(self.p, mark)
            said = wire.LEFT_ALONE
        return self.rows - before if said == wire.DONE else -1

    def _check_owners(self, known: int) -> bool:
        """Whether the resources and scopes seen for the first time can be read. One that cannot is forgotten."""
        good = True
        for code in range(known, int(self.state[state.STRINGS])):
            at, marked = self.strings[code].tolist()
            if marked & 3 == state.IS_TEXT:
                continue
            raw = self.bytes_at(at, marked // 4)
            try:
                owner = _scope(raw, b"") if marked & 3 == state.IS_SCOPE else _resource(raw, b"")
            except DecodeError:
                owner = None
            if owner is None or self.limits.exceeded_by(owner.attributes):
                self.strings[code, 1] = state.FORGOTTEN
                good = False
        return good

    def _finish_deferred(self, first: int) -> bool:
        """Doubles, bytes, arrays and lists of pairs become text; so rare that one at a time will do.

        Whether all of them could.
        """
        texts = []
        for store_at, index, at, size in self.deferred[first : self.state[state.DEFERRED]].tolist():
            raw = self.bytes_at(at, size)
            store = self.stores[store_at]
            if store.letters[index] == ord("d"):
                texts.append((store, index, double_text(_DOUBLE.unpack(raw)[0])))
                continue
            try:
                letter, text = to_text(from_proto(common_pb2.AnyValue.FromString(raw)))
            except DecodeError:
                return False
            if self.limits.exceeded_by(Attributes((("", text),), letter)):
                return False
            store.letters[index] = ord(letter)
            texts.append((store, index, text))
        for store, index, text in texts:
            store.replaced[index] = text
        return True

    def bytes_at(self, at: int, size: int) -> bytes:
        begin = at - self.source.ctypes.data
        return self.source[begin : begin + size].tobytes()

    @property
    def rows(self) -> int:
        return int(self.state[state.ROWS])

    def reversed_spans(self) -> int:
        return int((self._row(state.DURATION) < 0).sum())

    def _row(self, field: int) -> NDArray[Any]:
        return self.columns[field][: self.rows]

    def table(self) -> pa.Table:
        """What was decoded."""
        texts = _Texts(self)
        rows = self.rows
        parents = pa.FixedSizeBinaryArray.from_buffers(
            SPAN_ID, rows, [_bitmap(self._row(state.HAS_PARENT)), pa.py_buffer(self._row(state.PARENT_ID))]
        )
        ends = self.columns[state.ATTRIBUTES_END][: rows + 1]
        attributes, letters = self._attributes(self.spans, ends, texts)
        found: dict[str, Any] = {
            "trace_id": _ids(self.columns[state.TRACE_ID], rows, TRACE_ID),
            "span_id": _ids(self.columns[state.SPAN_ID], rows, SPAN_ID),
            "parent_span_id": parents,
            "trace_state": texts.column(self._row(state.TRACE_STATE), empty_is_null=True),
            "flags": pa.array(self._row(state.FLAGS)),
            "name": texts.column(self._row(state.NAME)),
            "kind": pa.array(self._row(state.KIND)),
            "start_ns": pa.array(self._row(state.START)),
            "duration_ns": pa.array(self._row(state.DURATION)),
            "status_code": pa.array(self._row(state.STATUS)),
            "status_message": texts.column(self._row(state.MESSAGE), empty_is_null=True),
            "attributes": attributes,
            "attribute_types": letters,
            "dropped_attributes_count": pa.array(self._row(state.DROPPED)),
            "events": self._events(texts),
            "dropped_events_count": pa.array(self._row(state.DROPPED_EVENTS)),
            "links": self._links(texts),
            "dropped_links_count": pa.array(self._row(state.DROPPED_LINKS)),
            "exception_type": texts.column(self._row(state.EXCEPTION_CODE) - 1, empty_is_null=True),
            **self._promoted(texts),
            **self._resources(texts),
            **self._scopes(texts),
        }
        names = [field.name for field in SCHEMA if found.get(field.name) is not None]
        schema = pa.schema([pa.field(n, found[n].type, nullable=SCHEMA.field(n).nullable) for n in names])
        return pa.Table.from_arrays([found[name] for name in names], schema=schema)

    def _attributes(self, store: _Store, ends: NDArray[np.int32], texts: _Texts) -> tuple[pa.Array, pa.Array]:
        """(map, letters) of owners whose attributes end at `ends[1:]`."""
        count = store.count
        keys = texts.dictionary(store.keys[:count])
        items = pa.StringArray.from_buffers(
            count, pa.py_buffer(store.text_ends[: count + 1]), pa.py_buffer(store.texts[: store.block[state.TEXT_SIZE]])
        )
        if store.replaced:
            places = sorted(store.replaced)
            mask = np.zeros(count, np.bool_)
            mask[places] = True
            items = pc.replace_with_mask(items, mask, pa.array([store.replaced[at] for at in places], pa.string()))
        offsets = pa.py_buffer(ends)
        letters = pa.StringArray.from_buffers(ends.size - 1, offsets, pa.py_buffer(store.letters[:count]))
        return _map(offsets, keys, items), letters

    def _events(self, texts: _Texts) -> pa.Array | None:
        count = int(self.state[state.EVENTS])
        if count == 0:
            return None
        attributes, letters = self._attributes(
            self.events, self.columns[state.EVENT_ATTRIBUTES_END][: count + 1], texts
        )
        events = pa.StructArray.from_arrays(
            [
                pa.array(self.columns[state.EVENT_TIME][:count]),
                texts.dictionary(self.columns[state.EVENT_NAME][:count]),
                attributes, letters, pa.array(self.columns[state.EVENT_DROPPED][:count]),
            ],
            ["time_ns", "name", "attributes", "attribute_types", "dropped_attributes_count"],
        )  # fmt: skip
        return self._lists(state.EVENTS_END, events)

    def _links(self, texts: _Texts) -> pa.Array | None:
        count = int(self.state[state.LINKS])
        if count == 0:
            return None
        attributes, letters = self._attributes(self.links, self.columns[state.LINK_ATTRIBUTES_END][: count + 1], texts)
        links = pa.StructArray.from_arrays(
            [
                _ids(self.columns[state.LINK_TRACE_ID], count, TRACE_ID),
                _ids(self.columns[state.LINK_SPAN_ID], count, SPAN_ID),
                texts.dictionary(self.columns[state.LINK_STATE][:count], empty_is_null=True),
                attributes, letters, pa.array(self.columns[state.LINK_DROPPED][:count]),
                pa.array(self.columns[state.LINK_FLAGS][:count]),
            ],
            ["trace_id", "span_id", "trace_state", "attributes", "attribute_types", "dropped_attributes_count",
             "flags"],
        )  # fmt: skip
        return self._lists(state.LINKS_END, links)

    def _lists(self, field: int, values: pa.Array) -> pa.Array:
        """Lists that end where the column says; an empty one is null, as a span without events has none."""
        ends = self.columns[field][: self.rows + 1]
        validity = _bitmap((np.diff(ends) > 0).view(np.uint8))
        return pa.ListArray.from_buffers(
            pa.list_(values.type), self.rows, [validity, pa.py_buffer(ends)], children=[values]
        )

    def _promoted(self, texts: _Texts) -> dict[str, pa.Array]:
        """The attributes that are columns of their own: of the names of each the newest that says something."""
        rungs = sorted((*RUNGS["attributes"][key], number) for number, key in enumerate(KEYS))
        columns: dict[str, pa.Array] = {}
        for column, _, number in rungs:
            cells = self.rungs[number, : self.rows]
            if cells.any():
                array = texts.promoted(cells, column)
                columns[column] = _first_said(columns[column], array) if column in columns else array
        return columns

    def _resources(self, texts: _Texts) -> dict[str, pa.Array]:
        owners = _Owners(self, state.BLOCK_RESOURCE, texts, _resource)
        resources: list[Resource] = owners.distinct
        columns = {
            "resource": owners.texts([stored_text(resource.attributes.pairs) for resource in resources]),
            "resource_types": owners.texts([resource.attributes.types for resource in resources]),
            "resource_dropped_attributes_count": owners.counts([r.dropped_attributes_count for r in resources]),
            "resource_entity_refs": owners.texts([resource.entity_refs for resource in resources]),
            "resource_schema_url": owners.texts([resource.schema_url or None for resource in resources]),
        }
        promoted = [promote("resource", resource.attributes.pairs) for resource in resources]
        for name in {name for columns_of_one in promoted for name in columns_of_one}:
            columns[name] = owners.texts([columns_of_one.get(name) for columns_of_one in promoted])
        return columns

    def _scopes(self, texts: _Texts) -> dict[str, pa.Array]:
        owners = _Owners(self, state.BLOCK_SCOPE, texts, _scope)
        scopes: list[Scope] = owners.distinct
        pairs = [scope.attributes.pairs for scope in scopes]
        return {
            "scope_name": owners.texts([scope.name or None for scope in scopes]),
            "scope_version": owners.texts([scope.version or None for scope in scopes]),
            "scope_attributes": owners.texts([stored_text(items) if items else None for items in pairs]),
            "scope_attribute_types": owners.texts([scope.attributes.types or None for scope in scopes]),
            "scope_dropped_attributes_count": owners.counts([scope.dropped_attributes_count for scope in scopes]),
            "scope_schema_url": owners.texts([scope.schema_url or None for scope in scopes]),
        }


class _Texts:
    """The table of texts after decoding: codes become dictionary arrays, each with a dictionary of its own."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        count = int(work.state[state.STRINGS])
        self._number = np.full(count + 1, -1, np.int32)  # one more: the cells of rungs are codes plus one
        self._distinct = np.empty(count + 1, np.int32)

    def raw(self, code: int) -> bytes:
        at, marked = self._work.strings[code].tolist()
        return self._work.bytes_at(at, marked // 4) if code else b""

    def dense(self, codes: NDArray[np.int32]) -> tuple[NDArray[np.int32], list[int]]:
        """(numbers of the codes by first appearance, the distinct codes)."""
        numbers = codes.copy()
        count = wire.dense(numbers, self._number, self._distinct)
        return numbers, self._distinct[:count].tolist()

    def dictionary(self, codes: NDArray[np.int32], empty_is_null: bool = False) -> pa.Array:
        numbers, distinct = self.dense(codes)
        return _dictionary(numbers, [None if empty_is_null and not code else self.raw(code) for code in distinct])

    def column(self, codes: NDArray[np.int32], empty_is_null: bool = False) -> pa.Array | None:
        """The same; None if all are null. Negative codes are the empty text, too."""
        codes = np.maximum(codes, 0)
        return None if empty_is_null and not codes.any() else self.dictionary(codes, empty_is_null)

    def promoted(self, cells: NDArray[np.int32], column: str) -> pa.Array:
        """A column from the cells of one key: a code plus one, a negative whole number less one, or 0 for nothing."""
        whole = cells < 0
        numbers, codes = self.dense(np.where(whole, 0, cells))
        values = [as_column(column, self.raw(code - 1).decode()) if code else None for code in codes]
        if whole.any():
            distinct, number = np.unique(cells[whole], return_inverse=True)
            numbers[whole] = number + len(values)
            values += [as_column(column, str(-cell - 1)) for cell in distinct.tolist()]
        if column in NUMBERS:
            return pa.array(values, SCHEMA.field(column).type).take(pa.array(numbers))
        return _dictionary(numbers, values)


class _Owners:
    """Resources or scopes of rows: few, so each is read once through protobuf's own classes."""

    def __init__(self, work: _Work, block_field: int, texts: _Texts, read: Callable[[bytes, bytes], Any]) -> None:
        count = int(work.state[state.BLOCKS])
        pairs, numbers = np.unique(work.columns[block_field][:count], return_inverse=True)
        self._number = np.repeat(numbers.astype(np.int32), work.columns[state.BLOCK_ROWS][:count])
        self.distinct = [read(texts.raw(pair >> 32), texts.raw(pair & 0xFFFFFFFF)) for pair in pairs.tolist()]

    def texts(self, values: Sequence[str | int | None]) -> pa.Array | None:
        return None if all(value is None for value in values) else _dictionary(self._number, values)

    def counts(self, values: list[int]) -> pa.Array:
        return pa.array(np.array(values, np.uint32)[self._number])


def _dictionary(numbers: NDArray[np.int32], values: Sequence[Any]) -> pa.Array:
    """A dictionary array; a None among the values (equal values are merged) makes its rows null."""
    distinct = list(dict.fromkeys(value for value in values if value is not None))
    if len(distinct) < len(values):
        code = {value: number for number, value in enumerate(distinct)}
        numbers = np.array([-1 if value is None else code[value] for value in values], np.int32)[numbers]
    mask = numbers < 0
    indices = pa.array(numbers, mask=mask) if mask.any() else pa.array(numbers)
    return pa.DictionaryArray.from_arrays(indices, pa.array(distinct, pa.string()))


def _map(offsets: pa.Buffer, keys: pa.Array, items: pa.Array) -> pa.Array:
    entries = pa.StructArray.from_arrays(
        [keys, items], fields=[pa.field("key", keys.type, nullable=False), pa.field("value", items.type)]
    )
    rows = offsets.size // np.dtype(np.int32).itemsize - 1
    return pa.Array.from_buffers(pa.map_(keys.type, items.type), rows, [None, offsets], children=[entries])


def _first_said(newer: pa.Array, older: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(newer.type):
        newer, older = (array.dictionary_decode() for array in (newer, older))
        return pc.coalesce(newer, older).dictionary_encode()
    return pc.coalesce(newer, older)


def _ids(column: NDArray[np.uint64], rows: int, type_: pa.DataType) -> pa.Array:
    width = type_.byte_width // 8
    return pa.FixedSizeBinaryArray.from_buffers(type_, rows, [None, pa.py_buffer(column[: rows * width])])


def _bitmap(valid: NDArray[np.uint8]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


@lru_cache(_KNOWN_RESOURCES)
def _resource(raw: bytes, schema_url: bytes) -> Resource:
    return otlp_proto.resource_of(resource_pb2.Resource.FromString(raw), schema_url.decode())


@lru_cache(_KNOWN_RESOURCES)
def _scope(raw: bytes, schema_url: bytes) -> Scope:
    return otlp_proto.scope_of(common_pb2.InstrumentationScope.FromString(raw), schema_url.decode())
