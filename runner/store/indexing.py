"""Index entries: which a record has, and how a change of the record moves them. Used by both stores."""

from __future__ import annotations

from functools import lru_cache

from runner.store.calls import Change, Entry, Index, IndexKind
from runner.tasks.due import parse_member, unreadable_entry
from runner.tasks.hooks import next_moment
from runner.tasks.record import Record


def entries_of(record: Record | None, shard: int) -> tuple[Entry, ...]:
    """Return the index entries of a record: never none, so that every record is in a list.

    By deadline or start and by its next hooks while it is open; once closed, by the end of its retention.
    """
    if record is None:
        return ()
    state, key = record.state, record.key
    if state.closing is not None:
        index = _index(IndexKind.REMOVALS, key.domain, shard, state.home)
        return ((index, f"{record.revision};{key.id}", state.closing.remove_at_ms),)
    deadline_ms = state.deadline_ms if record.life is None else record.deadline_ms
    if deadline_ms is None:
        entry = (_index(IndexKind.UNDATED, key.domain, shard, state.home), key.id, state.created_ms)
    else:
        index = _index(IndexKind.DEADLINES, key.domain, shard, state.home)
        # The text of DueTask.member, made without parsing the source of the record.
        entry = (index, f"{state.source};{state.epoch};{key.id}", deadline_ms)
    return (entry, *_hooked(record, shard)) if record.start.hooks else (entry,)


def _hooked(record: Record, shard: int) -> tuple[Entry, ...]:
    moment_ms, state, key = next_moment(record), record.state, record.key
    if moment_ms is None:
        return ()
    number = 0 if record.life is None else record.life.number
    index = _index(IndexKind.HOOKS, key.domain, shard, state.home)
    return ((index, f"{state.source};{number};{key.id}", moment_ms),)


def moves(change: Change, shard: int) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return the entries that a change removes and those that it adds.

    An entry that only gets another moment is not removed: an index of one member would be deleted.
    """
    if change.after is None and not change.remove:
        return (), ()
    old = entries_of(change.before, shard)
    new = entries_of(change.after, shard) if change.entries is None else change.entries
    if not old:
        return old, new
    if old == new:
        return (), ()
    places = [entry[:2] for entry in new]
    return tuple([entry for entry in old if entry[:2] not in places]), tuple([e for e in new if e not in old])


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
        case IndexKind.DEADLINES | IndexKind.HOOKS:
            return parse_member(member, index.domain, index.home, 0).key.id
        case IndexKind.UNDATED:
            return member
        case IndexKind.REMOVALS:
            return parse_removal(index, member)[1]


@lru_cache(maxsize=8192)
def _index(kind: IndexKind, domain: str, shard: int, home: int) -> Index:
    """Return the one object of an index: a batch names few indexes, each hundreds of times."""
    return Index(kind, domain, shard, home)
