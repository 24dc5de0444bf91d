"""The history of a task: its stored entries, with the start and the end that its state tells of."""

from __future__ import annotations

from typing import Any

from runner.tasks.record import (
    HistoryEntry,
    Record,
    TaskOwnership,
    ended_at,
    opened_at,
    read_entry,
)


def timeline(record: Record) -> list[HistoryEntry]:
    """Return the entries of this generation, oldest first; ``record`` is a whole one.

    Nobody is named as the actor of ``created``: the callers of StartTask are not read. Comments may come
    after the end. Of a long history the entries in the middle are gone: see ``left_out``.
    """
    state, closing = record.state, record.state.closing
    owner = shown(TaskOwnership(state.user, state.roles, state.user))
    entries = [HistoryEntry(opened_at(record), state.created_ms, "created", state.source, now=owner)]
    # A verb may come between the two reads of a whole record: its entry is not there yet.
    entries += [read_entry(record, name) for name in record.entry_names if name in record.parts]
    if closing is not None:
        data = None if closing.reason is None else {"reason": closing.reason}
        event, revision = state.status.value.lower(), ended_at(record, closing)
        entries.append(HistoryEntry(revision, closing.at_ms, event, closing.source, closing.by, data))
    return sorted(entries, key=lambda entry: entry.revision)


def left_out(record: Record) -> int:
    """Return how many entries of this generation are stored no more."""
    return 0 if record.life is None else record.life.history - len(record.entry_names)


def shown(ownership: TaskOwnership) -> dict[str, Any]:
    """Return whose a task is, as ``from`` and ``to`` of an entry have it."""
    return {"user": ownership.owner, "roles": ownership.roles}
