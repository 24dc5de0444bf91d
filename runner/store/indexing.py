"""Index entries: the entry of a record, and how a change of the record moves it. Used by both stores."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from runner.store.calls import Change, Index, IndexKind
from runner.tasks.due import parse_member, unreadable_entry
from runner.tasks.record import Record

Entry: TypeAlias = tuple[Index, str, int]
"""(index, member, epoch ms)."""


def entry_of(record: Record | None, shard: int) -> Entry | None:
    """Return the one entry of a record: by deadline or start while open, by end of retention once closed."""
    if record is None:
        return None
    state, key = record.state, record.key
    if state.closing is not None:
        index = _index(IndexKind.REMOVALS, key.domain, shard, state.home)
        return index, f"{record.revision};{key.id}", state.closing.remove_at_ms
    if state.deadline_ms is None:
        return _index(IndexKind.UNDATED, key.domain, shard, state.home), key.id, state.created_ms
    index = _index(IndexKind.DEADLINES, key.domain, shard, state.home)
    # The text of DueTask.member, made without parsing the source of the record.
    return index, f"{state.source};{state.epoch};{key.id}", state.deadline_ms


def moves(change: Change, shard: int) -> tuple[Entry | None, Entry | None]:
    """Return the entry that a change removes and the entry that it adds; None where there is none."""
    if change.after is None and not change.remove:
        return None, None
    old, new = entry_of(change.before, shard), entry_of(change.after, shard)
    return (None, None) if old == new else (old, new)


def parse_removal(index: Index, member: str) -> tuple[int, str]:
    """Return revision and id of a member of a removal index. Raises StoreUnreadable for any other text."""
    revision, _, task_id = member.partition(";")
    try:
        return int(revision), task_id
    except ValueError:
        raise unreadable_entry(member, index.domain, index.home) from None


def task_id_of(index: Index, member: str) -> str:
    """Return the task id in a member of an index. Raises StoreUnreadable for a text that is no member."""
    match index.kind:
        case IndexKind.DEADLINES:
            return parse_member(member, index.domain, index.home, 0).key.id
        case IndexKind.UNDATED:
            return member
        case IndexKind.REMOVALS:
            return parse_removal(index, member)[1]


@lru_cache(maxsize=8192)
def _index(kind: IndexKind, domain: str, shard: int, home: int) -> Index:
    """Return the one object of an index: a batch names few indexes, each hundreds of times."""
    return Index(kind, domain, shard, home)
