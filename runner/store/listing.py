"""Lists of tasks, a bounded page at a time, in one order over all shards, homes and domains.

Every record has one entry in these indexes. A list is the merge of the indexes: open tasks by deadline,
then open tasks without a deadline by start, then closed tasks by the end of their retention. A cursor
names the last entry examined, not a number of entries: tasks may be added and removed between two pages,
and no task that stays is returned twice or left out.
"""

from __future__ import annotations

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Final, NamedTuple, Protocol

import msgspec

from runner.store.calls import Index, IndexCursor, IndexKind, Page
from runner.store.indexing import task_id_of
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from runner.tasks.record import Record

MAX_EXAMINED: Final = 20_000
"""Records read for one page at most, where few of them match the filter."""

_CHUNK: Final = 100
_FIRST: Final = 4
_ORDER: Final = (IndexKind.DEADLINES, IndexKind.UNDATED, IndexKind.REMOVALS)


class ListableStore(Protocol):
    """Store whose tasks can be listed."""

    @property
    def shards(self) -> int: ...

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        """Return up to ``limit`` entries (member, epoch ms) of each index from its cursor on."""

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return the record of each key as stored, without further parts; None where there is none."""

    def whole_records(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return the same with all their parts."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Filter of a list: domains, homes, statuses and deadlines of the tasks in it."""

    domains: Sequence[str]
    homes: int
    statuses: frozenset[Status] = field(default=frozenset(Status))
    due_before_ms: int | None = None
    """Epoch ms: only open tasks with an earlier deadline; None: any task."""
    owned: frozenset[bool] = frozenset({True, False})
    """Of open tasks: whether somebody has them."""

    @property
    def kinds(self) -> tuple[IndexKind, ...]:
        """Kinds of the indexes that can hold matching tasks, in the order of the list."""
        if self.due_before_ms is not None:
            return (IndexKind.DEADLINES,) if Status.OPEN in self.statuses else ()
        is_open = Status.OPEN in self.statuses
        is_closed = bool(self.statuses - {Status.OPEN})
        return tuple(kind for kind in _ORDER if (is_closed if kind is IndexKind.REMOVALS else is_open))


class Row(NamedTuple):
    """Task in a list, and the cursor of the list after this task."""

    record: Record
    cursor: str


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Page of a list; ``cursor`` continues after it, None at the end."""

    rows: tuple[Row, ...]
    cursor: str | None


class _ListEntry(NamedTuple):
    """Index entry; entries of one kind compare in the order of the list."""

    score_ms: int
    place: tuple[str, int, int]
    member: bytes
    from_index: Index


class BadCursor(ValueError):
    """Text that is no cursor of a page."""


_Number = Annotated[int, msgspec.Meta(ge=0)]


class _ListCursor(msgspec.Struct, frozen=True, array_like=True):
    kind: IndexKind
    score_ms: _Number
    domain: str
    shard: _Number
    home: _Number
    member: str


def list_tasks(
    store: ListableStore, task_filter: TaskFilter, page: Page, max_examined: int = MAX_EXAMINED
) -> TaskPage:
    """Return up to ``page.limit`` tasks; fewer, with a cursor, once ``max_examined`` entries are read.

    Raises BadCursor.
    """
    entries = _list_entries(store, task_filter, None if page.cursor is None else _parse(page.cursor))
    rows: list[Row] = []
    examined = 0
    last: _ListEntry | None = None
    while len(rows) < page.limit and examined < max_examined:
        chunk = list(islice(entries, min(page.limit - len(rows), _CHUNK)))
        if not chunk:
            return TaskPage(tuple(rows), None)
        examined, last = examined + len(chunk), chunk[-1]
        records = store.records_of([_key(entry) for entry in chunk])
        rows += [
            Row(record, _cursor(entry))
            for entry, record in zip(chunk, records, strict=True)
            if record is not None and _matches(record, task_filter)
        ]
    is_end = next(entries, None) is None
    return TaskPage(tuple(rows), None if is_end or last is None else _cursor(last))


def _list_entries(
    store: ListableStore, task_filter: TaskFilter, after: _ListEntry | None
) -> Iterator[_ListEntry]:
    kinds = task_filter.kinds
    if after is not None:
        position = _ORDER.index(after.from_index.kind)
        kinds = tuple(kind for kind in kinds if _ORDER.index(kind) >= position)
    to_ms = None if task_filter.due_before_ms is None else task_filter.due_before_ms - 1
    for kind in kinds:
        indexes = [
            Index(kind, domain, shard, home)
            for domain in task_filter.domains
            for shard in range(store.shards)
            for home in range(task_filter.homes)
        ]
        within = after is not None and after.from_index.kind is kind
        yield from _merged(
            store, {index: _index_cursor(index, after if within else None) for index in indexes}, to_ms
        )


def _merged(
    store: ListableStore, cursors: Mapping[Index, IndexCursor], to_ms: int | None
) -> Iterator[_ListEntry]:
    """Yield the entries of all indexes in one order; an index is read in chunks, as needed."""
    remaining: dict[Index, Iterator[_ListEntry]] = {}
    heap: list[_ListEntry] = []
    for index, entries in store.entries(cursors, to_ms, _FIRST).items():
        remaining[index] = _read_on(store, index, entries, to_ms)
        heap += islice(remaining[index], 1)
    heapq.heapify(heap)
    while heap:
        entry = heap[0]
        yield entry
        next_entry = next(remaining[entry.from_index], None)
        if next_entry is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, next_entry)


def _read_on(
    store: ListableStore, index: Index, entries: Sequence[tuple[str, int]], to_ms: int | None
) -> Iterator[_ListEntry]:
    limit = _FIRST
    while entries:
        yield from (_list_entry(index, member, score) for member, score in entries)
        if len(entries) < limit:
            return
        member, score = entries[-1]
        limit = _CHUNK
        entries = store.entries({index: IndexCursor(score, member=member)}, to_ms, limit)[index]


def _index_cursor(index: Index, after: _ListEntry | None) -> IndexCursor:
    """Return the cursor of an index that leaves out all entries up to ``after``."""
    if after is None:
        return IndexCursor()
    place = _place(index)
    if place == after.place:
        return IndexCursor(after.score_ms, member=after.member.decode())
    return IndexCursor(after.score_ms, at_moment=place > after.place)


def _matches(record: Record, task_filter: TaskFilter) -> bool:
    """Whether a record matches the filter; it may have changed since its entry was read."""
    state = record.state
    if state.status not in task_filter.statuses:
        return False
    if record.is_open and (record.ownership.owner is not None) not in task_filter.owned:
        return False
    due = task_filter.due_before_ms
    return due is None or (record.is_open and record.deadline_ms is not None and record.deadline_ms < due)


def _list_entry(index: Index, member: str, score_ms: int) -> _ListEntry:
    return _ListEntry(score_ms, _place(index), member.encode(), index)


def _place(index: Index) -> tuple[str, int, int]:
    return index.domain, index.shard, index.home


def _key(entry: _ListEntry) -> TaskKey:
    return TaskKey(entry.from_index.domain, task_id_of(entry.from_index, entry.member.decode()))


def _cursor(entry: _ListEntry) -> str:
    index = entry.from_index
    fields = _ListCursor(
        index.kind, entry.score_ms, index.domain, index.shard, index.home, entry.member.decode()
    )
    return urlsafe_b64encode(msgspec.json.encode(fields)).decode().rstrip("=")


def _parse(text: str) -> _ListEntry:
    try:
        fields = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_ListCursor)
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise BadCursor(text) from None
    if not fields.member:
        raise BadCursor(text)
    return _list_entry(
        Index(fields.kind, fields.domain, fields.shard, fields.home), fields.member, fields.score_ms
    )
