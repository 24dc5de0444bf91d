"""Walking through the deadline indexes of many shards and homes, one bounded page at a time.

The cursor names the index reached and the last entry given: entries may come and go between two
pages, and none that stays is given twice or passed over. Shared by both stores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from runner.store.calls import Index, IndexKind, Page
from runner.tasks.due import DuePage, DueTask, parse_member

Slice = Callable[[Index, int | None, int, int, int], list[tuple[str, int]]]
"""``(index, from_ms inclusive or None, to_ms, offset, limit) -> [(member, epoch ms)]``, in index order."""


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    position: int
    score_ms: int | None
    member: str


def page_between(
    domains: Sequence[str],
    shards: int,
    homes: int,
    period: tuple[int | None, int],
    page: Page,
    read: Slice,
) -> DuePage:
    """Return up to ``page.limit`` tasks due in ``(from, to]``, and the cursor to the next."""
    indexes = [
        Index(IndexKind.DEADLINES, domain, shard, home)
        for domain in domains
        for shard in range(shards)
        for home in range(homes)
    ]
    from_ms, to_ms = period
    at = _parse(page.cursor)
    tasks: list[DueTask] = []
    for position in range(at.position, len(indexes)):
        index = indexes[position]
        after = at if position == at.position and at.score_ms is not None else None
        room = page.limit - len(tasks)
        for member, score in _entries(index, from_ms, to_ms, after, room, read):
            tasks.append(parse_member(member, index.domain, index.home, score))
        if len(tasks) >= page.limit:
            last = tasks[-1]
            cursor = _Cursor(position, last.deadline_ms, last.member)
            return DuePage(tuple(tasks), msgspec.json.encode(cursor).decode())
    return DuePage(tuple(tasks), None)


def _entries(
    index: Index,
    from_ms: int | None,
    to_ms: int,
    after: _Cursor | None,
    room: int,
    read: Slice,
) -> list[tuple[str, int]]:
    """Return up to ``room`` entries of one index that come after the cursor."""
    lowest = None if from_ms is None else from_ms + 1
    if after is None:
        return read(index, lowest, to_ms, 0, room)
    found: list[tuple[str, int]] = []
    offset = 0
    reached = (after.score_ms or 0, after.member.encode())
    while len(found) < room:
        chunk = read(index, after.score_ms, to_ms, offset, room)
        found += [(m, s) for m, s in chunk if (s, m.encode()) > reached]
        if len(chunk) < room:
            break
        offset += len(chunk)
    return found[:room]


def _parse(cursor: str | None) -> _Cursor:
    if cursor is None:
        return _Cursor(0, None, "")
    return msgspec.json.decode(cursor, type=_Cursor)
