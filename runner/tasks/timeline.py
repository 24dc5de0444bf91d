"""The history of a task: its stored entries, with the start and the end that its state tells of."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from runner.tasks.parts import HistoryEntry, TaskOwnership, encode_part
from runner.tasks.record import Record, ended_at, opened_at, read_part


def timeline(record: Record) -> list[HistoryEntry]:
    """Return the entries of this generation, oldest first; ``record`` is a whole one.

    Nobody is named as the actor of ``created``: the callers of StartTask are not read. Comments may come
    after the end. Of a long history the entries in the middle are gone: see ``left_out``.
    """
    state, closing = record.state, record.state.closing
    owner = shown(TaskOwnership(state.user, state.roles, state.user))
    entries = [HistoryEntry(opened_at(record), state.created_ms, "created", state.source, now=owner)]
    # A verb may come between the two reads of a whole record: its entry is not there yet.
    stored = (read_part(record, name, HistoryEntry) for name in record.entry_names)
    entries += [entry for entry in stored if entry is not None]
    if closing is not None:
        told = {"reason": closing.reason, "outcome": closing.outcome, "for": closing.on_behalf_of}
        named = {name: value for name, value in told.items() if value is not None}
        data = msgspec.Raw(encode_part(named)) if named else UNSET
        event, revision = state.status.value.lower(), ended_at(record, closing)
        entries.append(HistoryEntry(revision, closing.at_ms, event, closing.source, closing.by, data))
    return sorted(entries, key=lambda entry: entry.revision)


def left_out(record: Record) -> int:
    """Return how many entries of this generation are stored no more."""
    return 0 if record.life is None else record.life.history - len(record.entry_names)


def shown(ownership: TaskOwnership) -> dict[str, Any]:
    """Return whose a task is, as ``from`` and ``to`` of an entry have it."""
    return {"user": ownership.owner, "roles": ownership.roles}
