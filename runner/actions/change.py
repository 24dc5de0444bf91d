"""A change of a task by a verb: its life, its history entry, and the parts that the verb wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from runner.actions.decision import Done
from runner.actions.incoming import Incoming
from runner.actions.task_result import task_result
from runner.envelope.plain import encode
from runner.tasks.parts import (
    FIRST_KEPT,
    LAST_KEPT,
    LIFE,
    HistoryEntry,
    Life,
    Part,
    TaskOwnership,
    encode_part,
    history_part,
)
from runner.tasks.record import Record, opened_at
from runner.tasks.repeats import after_verb
from runner.tasks.timeline import shown


class VerbChange(msgspec.Struct, frozen=True):
    """What a verb does to a task."""

    event: str
    """Name of the history entry."""
    actor: str | None
    data: dict[str, Any] | None
    fields: Mapping[str, Any] = {}
    """Fields of ``Life`` that the verb sets."""
    parts: Mapping[str, Part] = {}
    """Parts of the verb's own, by name."""
    result: Mapping[str, Any] = {}
    """What the reply says beside ``result.task``."""
    saved_by: str | None = None
    """Who saved a draft with it; None: the verb saves none."""
    moved: tuple[TaskOwnership, TaskOwnership] | None = None
    """Whose the task was and is; None: the verb changes nothing of that."""


def unchanged(record: Record, now_ms: int) -> tuple[Done, None]:
    """Return SUCCESS with the task: what the verb asks for is so already."""
    return Done(now_ms, result={"task": task_result(record)}), None


class Changes:
    """What one event changes of a task: one revision, however many entries of the history it makes."""

    def __init__(self, record: Record, incoming: Incoming, now_ms: int) -> None:
        self.record = record
        """The record after the changes so far; no part is read for them."""
        self.written: dict[str, bytes | None] = {}
        """The parts that were written, by name; None: removed."""
        self._source = str(incoming.source)
        self._revision = record.revision + 1
        self._now_ms = now_ms

    def add(self, change: VerbChange, identities: tuple[str, ...] | None = None) -> None:
        """Make a change. ``identities``: what the task remembers from now on; None: as before."""
        record, revision, source = self.record, self._revision, self._source
        life = Life(revision, opened_at(record), source) if record.life is None else record.life
        number = 1 + life.history
        kept = life.identities if identities is None else identities
        life = msgspec.structs.replace(
            life, revision=revision, source=source, history=number, identities=kept, **change.fields
        )
        moved = () if change.moved is None else map(shown, change.moved)
        data = UNSET if change.data is None else msgspec.Raw(encode(change.data))
        entry = HistoryEntry(revision, self._now_ms, change.event, source, change.actor, data, *moved)
        written: dict[str, bytes | None] = {LIFE: encode_part(life)}
        written |= {name: encode_part(part) for name, part in change.parts.items()}
        written[history_part(number)] = encode_part(entry)
        if number > FIRST_KEPT + LAST_KEPT:
            written[history_part(number - LAST_KEPT)] = None
        parts = {**record.parts, **written}
        own = {name: part for name, part in parts.items() if name != LIFE and part is not None}
        self.record = msgspec.structs.replace(record, revision=revision, life=life, parts=own)
        self.written |= written


def changed(record: Record, change: VerbChange, incoming: Incoming, now_ms: int) -> tuple[Done, Record]:
    """Return SUCCESS with the task, and the record after the change that a verb makes."""
    changes = Changes(record, incoming, now_ms)
    changes.add(change, after_verb(record, incoming.event.identity(), change.saved_by))
    after, written = changes.record, changes.written
    return Done(now_ms, result={"task": task_result(after), **change.result}, written=written), after
