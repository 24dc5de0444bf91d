"""Attempts at a slice: its records are loaded, its events decided in order, all of it applied.

A shard whose records another worker has changed meanwhile applies nothing; its events are loaded and
decided again. What a shard has applied stays applied.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from runner.actions.decision import Outcome
from runner.clock import Ticker
from runner.errors import StoreLost, StoreUnavailable, Superseded
from runner.store.calls import Change, Completeness, Entry, HomeCall, Loaded, ShardCall, Store, Verdict
from runner.store.connection.command import OnWait
from runner.store.indexing import entries_of
from runner.tasks.keys import TaskKey
from runner.tasks.parts import NO_PARTS
from runner.tasks.record import Record
from runner.worker.batch_state import BatchState
from runner.worker.decider import Decider
from runner.worker.in_flight import InFlight, TaskWork
from runner.worker.processing_settings import BatchBudget, ProcessingSettings
from runner.worker.readings import Readings, RecordMoved, asked_ahead
from runner.worker.result import PhaseEnded

MAX_ATTEMPTS: Final = 30
"""Most attempts on a shard: every conflict means that another worker has made progress."""

SENT_TO_READ: Final = 4
"""Bytes sent for each byte read, at most: reply, resumed event and changelog contain the event."""


class Attempts:
    """Decides slices and applies them to one store; nothing is kept between two slices."""

    def __init__(
        self,
        settings: ProcessingSettings,
        store: Store,
        decider: Decider,
        ticker: Ticker,
        *,
        keeps_applied_offsets: bool,
    ) -> None:
        self._settings = settings
        self._store = store
        self._decider = decider
        self._ticker = ticker
        self._keeps_applied_offsets = keeps_applied_offsets

    def run(
        self,
        items: list[InFlight],
        batch_state: BatchState,
        phase_ended: PhaseEnded,
        on_wait: OnWait,
        *,
        is_last: bool,
    ) -> None:
        """Load, decide and apply until every shard has applied its call.

        ``is_last``: no other slice of the batch follows. Raises StoreUnavailable or Superseded.
        """
        batch_state.decide_next(item.message for item in items)
        work = TaskWork.of(items)
        # Where applied offsets are kept, the last slice advances them in every shard: a shard that
        # falls behind is known by that to have lost something.
        all_shards = set(range(self._store.shards)) if self._keeps_applied_offsets and is_last else set()
        for attempt in range(MAX_ATTEMPTS):
            reads = [(each.plan.key, each.item.source) for each in work]
            completeness, ahead = self.completeness(batch_state), asked_ahead(work)
            demand = completeness
            if ahead:
                reads += ahead.items()
                demand = completeness and replace(completeness, others=ahead.keys())
            loaded = self._store.load(self._settings.incarnation, reads, demand, on_wait)
            batch_state.now_ms = loaded.now_ms
            batch_state.remember_tokens(loaded.shard_tokens)
            phase_ended("load")
            # Only the first attempt looks at the budget: later ones repeat what it has decided.
            budget = self._settings.budget(self._ticker, SENT_TO_READ) if attempt == 0 else None
            readings = Readings(self._store, self._settings.incarnation, completeness, loaded, ahead)
            try:
                shards = self._decide_all(work, readings, batch_state, budget)
            except RecordMoved:
                batch_state.conflicts += 1
                continue
            calls = self._calls(shards, all_shards, loaded, batch_state)
            phase_ended("decide")
            verdicts = self._store.apply(calls, on_wait)
            phase_ended("apply")
            conflict_shards = _conflict_shards(calls, verdicts)
            if not conflict_shards:
                return
            batch_state.conflicts += len(conflict_shards)
            work = [each for each in work if self._store.shard(each.plan.key.id) in conflict_shards]
            all_shards &= conflict_shards
        raise StoreUnavailable(f"records kept changing through {MAX_ATTEMPTS} attempts")

    def completeness(self, batch_state: BatchState) -> Completeness | None:
        """Return what a load of this batch demands of the store; None where losses are not noticed."""
        return Completeness(batch_state.base_offsets) if self._keeps_applied_offsets else None

    def _decide_all(
        self, work: list[TaskWork], readings: Readings, batch_state: BatchState, budget: BatchBudget | None
    ) -> dict[int, list[TaskWork]]:
        """Decide events in order, at least one; those on one task build on each other.

        Raises RecordMoved where a record has changed since it was loaded.
        """
        loaded, current = readings.loaded, readings.current
        shards: dict[int, list[TaskWork]] = defaultdict(list)
        for place, each in enumerate(work):
            each.item.decision = None
            if batch_state.is_deferred(each.item.message):
                continue
            if budget is not None and shards and budget.is_exhausted:
                batch_state.defer(each.item.message.partition, each.item.message.offset)
                continue
            if readings.asks(each):
                readings.read(work[place:], batch_state)
                if batch_state.is_deferred(each.item.message):
                    continue
            record = current[each.plan.key]
            decision = self._decider.decision(each, record, loaded, batch_state)
            if decision is None:
                continue
            each.item.decision = decision
            if budget is not None:
                for message in decision.messages:
                    budget.charge(len(message.value or b""))
            if decision.record is not None:
                record = current[each.plan.key] = decision.record
            shard = self._store.shard(each.plan.key.id)
            # A redelivered event may have changed the record, and nobody waits for its entries yet.
            is_changed = decision.record is not None or each.item.redelivered
            each.item.entries = entries_of(record, shard) if is_changed else ()
            shards[shard].append(each)
        return shards

    def _calls(
        self, shards: dict[int, list[TaskWork]], all_shards: set[int], loaded: Loaded, batch_state: BatchState
    ) -> list[ShardCall]:
        """Return the calls that write what was decided; ``all_shards`` are called with every home."""
        calls = (
            self._shard_call(shard, shards.get(shard, []), loaded, batch_state, in_all=shard in all_shards)
            for shard in all_shards.union(shards)
        )
        return [call for call in calls if call.homes]

    def _shard_call(
        self, shard: int, work: list[TaskWork], loaded: Loaded, batch_state: BatchState, *, in_all: bool
    ) -> ShardCall:
        """Return the call of one shard; redelivered events were written by an earlier call.

        ``in_all``: the call advances the applied offset of every home of the batch.
        """
        kept: dict[int, list[tuple[int, Outcome]]] = defaultdict(list)
        after: dict[TaskKey, Record | None] = {}
        parts: dict[TaskKey, dict[str, bytes | None]] = {}
        entries: dict[TaskKey, tuple[Entry, ...]] = {}
        for each in work:
            decision = each.item.decision
            if each.item.redelivered or decision is None:
                continue
            source = each.item.source
            kept[source.partition].append((source.offset, decision.outcome))
            after[each.plan.key] = decision.record or after.get(each.plan.key)
            if decision.record is not None:
                entries[each.plan.key] = each.item.entries
            written = decision.written
            if written:
                parts[each.plan.key] = parts.get(each.plan.key, {}) | written
        homes = tuple(
            HomeCall(
                home,
                batch_state.base_offsets[home],
                tuple(kept.get(home, ())),
                decided_up_to=batch_state.decided_up_to(home) if self._keeps_applied_offsets else None,
            )
            for home in (batch_state.base_offsets if in_all else kept)
        )
        changes = tuple(
            Change(key, loaded.records[key], record, False, parts.get(key, NO_PARTS), entries.get(key))
            for key, record in after.items()
        )
        return ShardCall(
            shard, self._settings.incarnation, homes, changes, shard_token=batch_state.shard_token(shard)
        )


def _conflict_shards(calls: Sequence[ShardCall], verdicts: Sequence[Verdict]) -> set[int]:
    """Return the shards that have to be decided again; Superseded or StoreLost where that cannot help."""
    if Verdict.SUPERSEDED in verdicts:
        raise Superseded("a later batch of one of these homes has been seen in the store")
    if Verdict.LOST in verdicts:
        raise StoreLost("a shard lacks what was committed of one of these homes")
    return {call.shard for call, verdict in zip(calls, verdicts, strict=True) if verdict is Verdict.CONFLICT}
