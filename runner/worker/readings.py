"""Readings: what verbs ask for beside the record of their task, read while a slice is decided.

The first event of a slice that asks makes one round trip for all that follow it and ask too. Only what an
earlier event of the slice has changed may make another: an event that starts a task and one that ends it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from msgspec import structs

from runner.actions.plan import NO_RECORDS, Reading, asked_by, asks_nothing
from runner.store.calls import Completeness, Loaded, Store
from runner.store.versions import version_of
from runner.tasks.keys import TaskKey
from runner.tasks.parts import NO_PARTS
from runner.tasks.record import Record
from runner.tasks.source import Source
from runner.worker.batch_state import BatchState
from runner.worker.in_flight import TaskWork


class RecordMoved(Exception):
    """A record has changed since the slice was loaded: load and decide again."""


def asked_ahead(work: Sequence[TaskWork]) -> dict[TaskKey, Source]:
    """Return what events ask for whatever record they find, each for one of them: it is loaded at once."""
    return {
        reading.key: each.item.source
        for each in work
        if each.plan.verb.asks_unread
        for reading in asked_by(each.plan, None)
    }


class Readings:
    """The records of a slice as its events have left them so far, and what verbs asked for besides."""

    def __init__(
        self,
        store: Store,
        incarnation: int,
        completeness: Completeness | None,
        loaded: Loaded,
        ahead: Collection[TaskKey] = (),
    ) -> None:
        """``completeness``: what a load of this batch demands; None where losses are not noticed.

        ``ahead``: the other records that were loaded with those of the events.
        """
        self.loaded = loaded
        self.current: dict[TaskKey, Record | None] = dict(loaded.records)
        self._store = store
        self._incarnation = incarnation
        self._completeness = completeness
        self._others = {key: loaded.records[key] for key in ahead}
        self._read = set(map(Reading, ahead))

    def asks(self, work: TaskWork) -> bool:
        """Whether an event asks for anything; one with a kept decision needs nothing."""
        plan = work.plan
        verb, record = plan.verb, self.current[plan.key]
        if verb.asks is asks_nothing:
            return False
        if verb.asks_unread:
            if not self._others:
                return False
        elif record is not None and record.life is None and record.start.spec_version is None:
            # A plain task has nothing else.
            return False
        return bool(asked_by(plan, record)) and work.item.source not in self.loaded.kept

    def read(self, work: Sequence[TaskWork], batch_state: BatchState) -> None:
        """Read what these events ask for, as far as it has not been read, and give it to the first of them.

        The first is deferred where another record that it asks for was changed in this batch: what it would
        decide from is not committed. Raises RecordMoved.
        """
        first = work[0]
        asked = asked_by(first.plan, self.current[first.plan.key])
        others = [reading.key for reading in asked if reading.key != first.plan.key]
        if any(map(batch_state.has_changed, others)):
            batch_state.defer(first.item.message.partition, first.item.message.offset)
            return
        if not self._read.issuperset(asked):
            self._load(work, batch_state)
        if others:
            known = {key: self._others[key] for key in others}
            first.plan = structs.replace(first.plan, others=known or NO_RECORDS)

    def _load(self, work: Sequence[TaskWork], batch_state: BatchState) -> None:
        reads: list[tuple[TaskKey, Source]] = []
        parts: dict[TaskKey, set[str]] = {}
        others: set[TaskKey] = set()
        for each in filter(self.asks, work):
            for reading in asked_by(each.plan, self.current[each.plan.key]):
                if reading not in self._read:
                    self._read.add(reading)
                    reads.append((reading.key, each.item.source))
                    parts.setdefault(reading.key, set()).update(reading.parts)
                if reading.key != each.plan.key:
                    others.add(reading.key)
        completeness = self._completeness and replace(self._completeness, others=others)
        loaded = self._store.load(self._incarnation, reads, completeness, parts=parts)
        batch_state.remember_tokens(loaded.shard_tokens)
        for key, record in loaded.records.items():
            if key in others:
                self._others[key] = _with_parts(record, self._others.get(key))
            if key in self.current:
                self._add_parts(key, record)

    def _add_parts(self, key: TaskKey, record: Record | None) -> None:
        """Add parts to the record that events of the slice may have changed: what they wrote is newer."""
        if version_of(record) != version_of(self.loaded.records[key]):
            raise RecordMoved
        self.current[key] = _with_parts(self.current[key], record)


def _with_parts(record: Record | None, other: Record | None) -> Record | None:
    """Return a record with the parts of another reading of it, where it has none of that name."""
    if record is None or other is None:
        return record
    return structs.replace(record, parts={**(other.parts or NO_PARTS), **record.parts})
