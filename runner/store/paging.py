"""Walking through the deadline indexes of many shards and homes, one bounded page at a time.

The cursor names the index reached and the last entry given: entries, homes and domains may come and
go between two pages, and no entry that stays is given twice or passed over. Shared by both stores.
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
    """Indexes of one shard, walked in their order from after an entry of the first."""

    indexes: Sequence[Index]
    from_ms: int | None
    """Exclusive; None: no bound."""
    to_ms: int
    """Inclusive."""
    after: tuple[int, str] | None = None
    """(epoch ms, member): what was given last, whether or not it is still there."""


class Read(Protocol):
    """How a store reads a stretch."""

    def __call__(self, index_range: IndexRange, limit: int) -> Sequence[Sequence[tuple[str, int]]]:
        """Return the first ``limit`` (member, epoch ms) of a stretch, a list for each index they are of."""
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
    read: Read,
) -> DuePage:
    """Return up to ``page.limit`` tasks due in ``(from, to]``, and the cursor to the next.

    A cursor that no page ever gave begins from the start.
    """
    at = _parse(page.cursor)
    places = [(domain, home) for domain in sorted(domains) for home in range(homes)]
    tasks: list[DueTask] = []
    for shard in range(0 if at is None else at.shard, shards):
        index_range = _index_range(shard, places, period, at)
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
    shard: int, places: Sequence[tuple[str, int]], period: tuple[int | None, int], at: _PeriodCursor | None
) -> IndexRange:
    """Return what is left to walk of one shard."""
    reached = None if at is None or at.shard != shard else (at.domain, at.home)
    left = [place for place in places if reached is None or place >= reached]
    indexes = [Index(IndexKind.DEADLINES, domain, shard, home) for domain, home in left]
    within = at is not None and bool(left) and left[0] == reached
    return IndexRange(indexes, *period, (at.score_ms, at.member) if at is not None and within else None)


def _cursor(shard: int, last: DueTask) -> str:
    cursor = _PeriodCursor(shard, last.key.domain, last.home, last.deadline_ms, last.member)
    return msgspec.json.encode(cursor).decode()


def _parse(cursor: str | None) -> _PeriodCursor | None:
    """Return the cursor; None for one that cannot be read: it came in an event, from anywhere."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(cursor, type=_PeriodCursor)
    except (msgspec.DecodeError, RecursionError):
        return None
