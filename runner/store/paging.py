"""Pages of due tasks: the deadline indexes of many shards and homes, one bounded page at a time.

The cursor names an index and the last entry returned of it. Entries, homes and domains may be added and
removed between two pages; no entry that stays is returned twice or left out. Used by both stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias

import msgspec

from runner.actions.inputs import MAX_TIME_MS
from runner.store.calls import Index, IndexKind, Page
from runner.tasks.due import DuePage, DueTask, parse_member


@dataclass(frozen=True, slots=True)
class IndexRange:
    """Indexes of one shard in the order of reading, and the moments between which entries are read."""

    indexes: Sequence[Index]
    from_ms: int | None
    """Exclusive; None: no bound."""
    to_ms: int
    """Inclusive."""
    after: tuple[int, str] | None = None
    """(epoch ms, member) of the first index, after which reading begins; the entry may be gone."""


class RangeReader(Protocol):
    """Function of a store that reads an index range."""

    def __call__(self, index_range: IndexRange, limit: int) -> Sequence[Sequence[tuple[str, int]]]:
        """Return the first ``limit`` entries (member, epoch ms) of the range, a list for each index."""
        ...


_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]


class _PeriodCursor(msgspec.Struct, frozen=True, array_like=True):
    shard: _Number
    domain: str
    home: _Number
    score_ms: _Number
    member: str


def page_between(
    domains: Sequence[str],
    shards: int,
    homes: int,
    period: tuple[int | None, int],
    page: Page,
    read: RangeReader,
) -> DuePage:
    """Return up to ``page.limit`` tasks due in ``(from, to]``, and the cursor to the next.

    A cursor that no page returned is ignored: the page begins at the start.
    """
    cursor = _parse(page.cursor)
    places = [(domain, home) for domain in sorted(domains) for home in range(homes)]
    tasks: list[DueTask] = []
    for shard in range(0 if cursor is None else cursor.shard, shards):
        index_range = _index_range(shard, places, period, cursor)
        if not index_range.indexes:
            continue
        for index, entries in zip(
            index_range.indexes, read(index_range, page.limit - len(tasks)), strict=False
        ):
            tasks += [parse_member(member, index.domain, index.home, score) for member, score in entries]
        if len(tasks) >= page.limit:
            return DuePage(tuple(tasks), _cursor(shard, tasks[-1]))
    return DuePage(tuple(tasks), None)


def _index_range(
    shard: int,
    places: Sequence[tuple[str, int]],
    period: tuple[int | None, int],
    cursor: _PeriodCursor | None,
) -> IndexRange:
    """Return the indexes of one shard from the cursor on."""
    reached = None if cursor is None or cursor.shard != shard else (cursor.domain, cursor.home)
    remaining = [place for place in places if reached is None or place >= reached]
    indexes = [Index(IndexKind.DEADLINES, domain, shard, home) for domain, home in remaining]
    within = cursor is not None and bool(remaining) and remaining[0] == reached
    return IndexRange(
        indexes, *period, (cursor.score_ms, cursor.member) if cursor is not None and within else None
    )


def _cursor(shard: int, last: DueTask) -> str:
    cursor = _PeriodCursor(shard, last.key.domain, last.home, last.deadline_ms, last.member)
    return msgspec.json.encode(cursor).decode()


def _parse(cursor: str | None) -> _PeriodCursor | None:
    """Return the cursor of a text; None where the text is no cursor: it comes from an event."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(cursor, type=_PeriodCursor)
    except (msgspec.DecodeError, RecursionError):
        return None
