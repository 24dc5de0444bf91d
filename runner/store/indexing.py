"""Which index entries a record has, and how a change of it moves them. Shared by both stores."""

from __future__ import annotations

from runner.store.calls import Change, Index, IndexKind
from runner.tasks.due import DueTask
from runner.tasks.record import Record

Entry = tuple[Index, str, int]
"""(index, member, epoch ms)."""


def entry_of(record: Record | None, shard: int) -> Entry | None:
    """Return the one entry a record has: its deadline while open, its removal once closed."""
    if record is None:
        return None
    state, key = record.state, record.key
    if state.closing is not None:
        index = Index(IndexKind.REMOVALS, key.domain, shard, state.home)
        return index, f"{record.revision};{key.id}", state.closing.remove_at_ms
    if state.deadline_ms is None:
        return None
    index = Index(IndexKind.DEADLINES, key.domain, shard, state.home)
    member = DueTask(key, state.home, record.started_by, state.deadline_ms, state.epoch).member
    return index, member, state.deadline_ms


def moves(change: Change, shard: int) -> tuple[Entry | None, Entry | None]:
    """Return the entry to take out and the entry to put in."""
    if change.after is None and not change.remove:
        return None, None
    old, new = entry_of(change.before, shard), entry_of(change.after, shard)
    return (None, None) if old == new else (old, new)


def parse_removal(member: str) -> tuple[int, str]:
    """Return revision and id of an entry of a removal index."""
    revision, _, task_id = member.partition(";")
    return int(revision), task_id
