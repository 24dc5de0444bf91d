"""Pages of due tasks: the deadline indexes of many shards and homes, one bounded page at a time.

The cursor names an index and the last entry returned of it. Entries, homes and domains may be added and
removed between two pages; no entry that stays is returned twice or left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, TypeAlias

import msgspec

from runner.actions.inputs import MAX_TIME_MS
from runner.store.calls import Index, IndexCursor, IndexKind, Page, Store
from runner.tasks.due import DuePage, DueTask, parse_member

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]


class _PeriodCursor(msgspec.Struct, frozen=True, array_like=True):
    shard: _Number
    domain: str
    home: _Number
    score_ms: _Number
    member: str


def due_between(
    store: Store, domains: Sequence[str], homes: int, period: tuple[int | None, int], page: Page
) -> DuePage:
    """Return up to ``page.limit`` open tasks with a deadline in ``(from, to]``, and the cursor to the next.

    A cursor that no page returned is ignored: the page begins at the start.
    """
    cursor = _parse(page.cursor)
    tasks: list[DueTask] = []
    for shard in range(0 if cursor is None else cursor.shard, store.shards):
        starts = _starts(shard, domains, homes, period[0], cursor)
        for index, entries in _ranges(store, starts, period[1], page.limit - len(tasks)):
            taken = entries[: page.limit - len(tasks)]
            tasks += [parse_member(member, index.domain, index.home, score) for member, score in taken]
            if len(tasks) >= page.limit:
                return DuePage(tuple(tasks), _cursor(shard, tasks[-1]))
    return DuePage(tuple(tasks), None)


def _starts(
    shard: int, domains: Sequence[str], homes: int, from_ms: int | None, cursor: _PeriodCursor | None
) -> dict[Index, IndexCursor]:
    """Return where reading of each index of a shard begins, in the order of reading, from the cursor on."""
    reached = None if cursor is None or cursor.shard != shard else (cursor.domain, cursor.home)
    starts = {}
    for place in ((domain, home) for domain in sorted(domains) for home in range(homes)):
        if reached is None or place > reached:
            start = IndexCursor(from_ms)
        elif place == reached and cursor is not None and (from_ms is None or cursor.score_ms > from_ms):
            start = IndexCursor(cursor.score_ms, member=cursor.member)
        else:
            continue
        starts[Index(IndexKind.DEADLINES, place[0], shard, place[1])] = start
    return starts


def _ranges(
    store: Store, starts: dict[Index, IndexCursor], to_ms: int, limit: int
) -> Iterator[tuple[Index, Sequence[tuple[str, int]]]]:
    """Yield the entries of each index, up to ``limit``.

    The first few of all indexes are read in one call: most have no more. Only others are read by themselves.
    """
    share = limit // max(len(starts), 1) + 1
    firsts = store.entries(starts, to_ms, share) if starts else {}
    for index, start in starts.items():
        entries = firsts[index]
        if share <= len(entries) < limit:
            entries = store.entries({index: start}, to_ms, limit)[index]
        yield index, entries


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
