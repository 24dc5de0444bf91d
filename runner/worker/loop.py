"""The loop of a worker: one thread polls, processes and commits batches, and owns log and store.

  1 poll a batch (rebalances happen here, where no transaction is open)
  2 decode, or dead-letter                     ┐
  3 load the records it names                  │ process, a slice of
  4 decide, in order                           │ the batch at a time
  5 apply: one script call per shard           ┘
  6 begin, produce messages and dead letters, after each slice; then timers    ┐
  7 send the offsets with the group metadata of step 1                         │ delivery
  8 commit                                                                     ┘
  9 store the committed offsets; remove records whose retention is over

A TransientError in any step aborts the batch: every home is rewound to its committed offset and
paused. Polling goes on, since a consumer that does not poll is thrown out of its group. Reading goes
on once the store answers. Any other error ends the process; docs/guarantees.md has the table of what
happens then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.changelog.writer import Changelog
from runner.clock import Ticker
from runner.errors import LogUnavailable, TransientError
from runner.kafka.start_offsets import start_offsets
from runner.worker.assignment import Assignment, Batch
from runner.worker.components import Components, LoopLimits, LoopObserver
from runner.worker.delivery import Delivery
from runner.worker.overlap import Step, no_step
from runner.worker.result import BatchResult
from runner.worker.retention import Removals

RESTORING_SECONDS: Final = 0.001
"""Longest wait for events between two steps of restoring."""


class Loop:
    """Runs rounds until it is stopped; the loop is also the listener of its log's rebalances."""

    def __init__(self, parts: Components, limits: LoopLimits, observer: LoopObserver, ticker: Ticker) -> None:
        self._parts = parts
        self._limits = limits
        self._observer = observer
        self._ticker = ticker
        self._assignment = Assignment()
        self._poison_runs: dict[int, int] = {}
        self._retry_at: dict[int, float] = {}
        self._down_until: float | None = None
        self._isolated_until: dict[int, int] = {}
        self._current_batch: Batch | None = None
        self._delivery: Delivery | None = None
        self._pending_offsets: dict[int, int] = {}
        self._verify_at = 0.0

    # -- rebalances, inside poll -----------------------------------------------------------------

    def assigned(self, partitions: Collection[int]) -> None:
        """Partitions belong to this worker now; they are opened outside the callback."""
        self._assignment.assigned(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        """Partitions belong to another worker; their backlog is dropped, applied changes stay."""
        self._assignment.revoked(partitions)
        for partition in partitions:
            self._pending_offsets.pop(partition, None)
            self._poison_runs.pop(partition, None)
            self._retry_at.pop(partition, None)
            self._isolated_until.pop(partition, None)
        self._assign_homes()

    # -- running ---------------------------------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """Run rounds until ``stopping`` returns true; the current batch is finished first."""
        while not stopping():
            self.step()

    def step(self) -> bool:
        """Run one round; return whether anything was committed. Raises FatalError only."""
        try:
            self._read()
            if self._down_until is not None:
                return self._try_recover()
            self._open()
            if not self._is_store_complete():
                return False
            self._resume_due()
            worked = self._work()
            self._remove_due()
        except TransientError as error:
            self._abort_batch(error)
            return False
        return worked

    @property
    def positions(self) -> dict[int, int]:
        """Committed position of every open home."""
        return dict(self._assignment.positions)

    # -- step 1 ----------------------------------------------------------------------------------

    def _read(self) -> None:
        wanted = self._wanted_messages()
        messages = self._parts.log.poll(max(wanted, 0), self._wait_seconds())
        self._assignment.add(messages)
        if len(messages) < wanted and not self._is_batch_waiting():
            self._parts.timers.caught_up()
        self._observer.phase_ended("poll")

    def _wanted_messages(self) -> int:
        """Return how many messages may be read: one batch, and one more where the next is prefetched.

        A poll may return all that the client has fetched, so bytes are bounded by a batch and one poll.
        """
        if self._assignment.backlog_bytes > self._limits.batch_bytes:
            return 0
        batches = 1 if self._parts.prefetch is None else 2
        return batches * self._limits.batch_events - self._assignment.backlog_count

    def _is_batch_waiting(self) -> bool:
        """Whether the backlog holds more than one batch: then the log has not been read to its end."""
        assignment = self._assignment
        return (
            assignment.backlog_count >= self._limits.batch_events
            or assignment.backlog_bytes > self._limits.batch_bytes
        )

    def _wait_seconds(self) -> float:
        if self._down_until is not None:
            return RESTORING_SECONDS if self._is_restoring() else self._limits.retry_seconds
        if self._assignment.pending and self._is_restoring():
            return RESTORING_SECONDS
        if self._assignment.backlog_count or self._openable():
            return 0.0
        wait_ms = self._parts.timers.wait_ms()
        longest = self._limits.poll_seconds
        return longest if wait_ms is None else min(longest, wait_ms / 1000)

    def _open(self) -> None:
        """Begin reading the assigned homes once the store holds all that was committed of them."""
        openable = self._openable()
        if not openable:
            return
        parts = self._parts
        if not self._is_restoring() or self._pending_offsets.keys() != openable:
            if parts.restorer is not None:
                parts.restorer.bind_server()
            parts.assigned()
            self._pending_offsets = start_offsets(openable, parts.log, parts.store, parts.incarnation)
        if self._is_complete(self._pending_offsets):
            began = parts.log.read_from(self._pending_offsets)
            self._pending_offsets = {}
            self._assignment.opened(began)
            self._assign_homes()

    def _is_store_complete(self) -> bool:
        """Whether the store was complete at the last check; if not, no batch runs before it is restored.

        Without events nothing else would notice that deadlines are lost.
        """
        restorer = self._parts.restorer
        if restorer is not None and not self._pending_offsets:
            # Homes were revoked before they were opened; restoring them is not ours any more.
            restorer.cancel()
        if restorer is None or restorer.is_busy or self._ticker() < self._verify_at:
            return True
        self._verify_at = self._ticker() + self._limits.verify_seconds
        if self._is_complete(self._assignment.positions):
            self._reassign_if_renewed()
            return True
        self._down_until = self._ticker()
        self._rewind_all()
        return False

    def _reassign_if_renewed(self) -> None:
        """Query every index again after the store was replaced or restored: it may hold other entries."""
        if self._parts.restorer is not None and self._parts.restorer.renewed():
            self._parts.timers.assign(())
            self._parts.retention.assign(())
            self._assign_homes()

    def _is_restoring(self) -> bool:
        return self._parts.restorer is not None and self._parts.restorer.is_busy

    def _is_complete(self, positions: Mapping[int, int]) -> bool:
        """Whether the store holds all that was committed of these homes; if not, restore one step of it."""
        return self._parts.restorer is None or self._parts.restorer.verify(positions)

    def _openable(self) -> set[int]:
        """Return the homes that may be opened: all pending ones, or none yet.

        A partition that was just added to the topic is confirmed first; all wait for that together.
        """
        pending = set(self._assignment.pending)
        return pending if all(map(self._parts.topic.has_home, pending)) else set()

    def _assign_homes(self) -> None:
        homes, paused = set(self._assignment.positions), set(self._assignment.paused)
        # A paused home decides nothing: timers sent there would only pile up in its log.
        self._parts.timers.assign(homes - paused)
        self._parts.retention.assign(homes)
        self._observer.homes(homes, paused)

    # -- steps 2 to 8 ----------------------------------------------------------------------------

    def _work(self) -> bool:
        batch = self._assignment.take(self._batch_events(), self._limits.batch_bytes)
        self._current_batch = batch
        timers = self._parts.timers.due()
        self._observer.phase_ended("timers")
        if not batch.messages and not timers:
            return False
        result = BatchResult()
        if batch.messages:
            result = self._parts.process.run(batch, self._poison_runs, self._observer.phase_ended, self._send)
        self._deliver(batch, result, timers)
        return True

    def _send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send messages of the current batch before all of it is decided."""
        self._current_delivery().send(messages)
        self._observer.phase_ended("commit")

    def _current_delivery(self) -> Delivery:
        if self._delivery is None:
            self._delivery = self._parts.delivery(self._parts.log)
        return self._delivery

    def _deliver(self, batch: Batch, result: BatchResult, timers: list[OutgoingMessage]) -> None:
        parts = self._parts
        began = self._ticker()
        messages = [*result.outgoing, *timers]
        if messages or result.positions or self._delivery is not None:
            self._current_delivery().finish(
                messages, result.positions, parts.log.group_metadata(), self._prefetch_next(result)
            )
        self._current_batch = self._delivery = None
        self._observer.phase_ended("commit")
        self._observer.delivered()
        self._after_commit(result)
        self._observer.processed(batch, result, len(timers), self._ticker() - began)
        # The offsets are committed whether or not this succeeds: it only serves a group that was deleted.
        parts.store.note_committed(parts.incarnation, result.positions)
        self._observer.phase_ended("other")

    def _prefetch_next(self, result: BatchResult) -> Step:
        """Return the steps that overlap with the commit: decoding the next batch."""
        if self._parts.prefetch is None:
            return no_step
        # Deferred messages of this batch go first, and have been decoded already.
        first = (
            ()
            if result.deferred
            else self._assignment.waiting(self._batch_events(), self._limits.batch_bytes)
        )
        return self._parts.prefetch.start(first)

    def _after_commit(self, result: BatchResult) -> None:
        parts = self._parts
        self._assignment.advance(result.positions)
        self._poison_runs.update(result.poison_runs)
        parts.time.observe(result.now_ms)
        parts.timers.schedule(result.deadlines)
        parts.timers.release([*result.timed_out, *result.stale])
        parts.timers.postpone(result.undeliverable)
        parts.retention.schedule(result.removals)
        self._assignment.put_back(result.deferred)
        for home, reason in result.paused.items():
            self._pause(home, reason, None if home in result.poisoned else self._limits.paused_seconds)
        for home, offset in tuple(self._isolated_until.items()):
            if self._assignment.positions.get(home, offset) >= offset:
                del self._isolated_until[home]

    def _batch_events(self) -> int:
        """Return the size of a batch: 1 while isolating, so that the refused event pauses only its home."""
        return 1 if self._isolated_until else self._limits.batch_events

    def _remove_due(self) -> None:
        parts, positions = self._parts, self._assignment.positions
        removals = parts.retention.due(positions)
        if removals.records:
            if parts.changelog is not None:
                self._deliver_removals(removals, parts.changelog)
            removed = parts.retention.remove(removals, positions)
            if removed:
                self._observer.removed(removed)
        self._observer.phase_ended("other")

    def _deliver_removals(self, removals: Removals, changelog: Changelog) -> None:
        """Commit the tombstones before records are removed: a record without one would be restored again.

        The offsets do not move. They are sent for the group metadata that goes with them: it fences a
        worker that was replaced.
        """
        parts = self._parts
        positions = {home: self._assignment.positions[home] for home in removals.homes}
        tombstones = [changelog.removed(record.key) for _, record in removals.records]
        self._current_delivery().finish(tombstones, positions, parts.log.group_metadata())
        self._delivery = None
        self._observer.delivered()

    # -- homes that cannot go on -----------------------------------------------------------------

    def _pause(self, home: int, reason: str, seconds: float | None) -> None:
        """Pause a home for so many seconds; None: until it is assigned again."""
        if home not in self._assignment.positions:
            return
        self._assignment.paused[home] = reason
        self._isolated_until.pop(home, None)
        if seconds is not None:
            self._retry_at[home] = self._ticker() + seconds
        self._observer.paused(home, reason)
        self._assign_homes()
        self._rewind({home})
        self._parts.log.pause({home})

    def _resume_due(self) -> None:
        now = self._ticker()
        due = {home for home, at in self._retry_at.items() if at <= now}
        for home in due:
            del self._retry_at[home]
            self._assignment.paused.pop(home, None)
        if due:
            self._parts.log.resume(due)
            self._assign_homes()

    # -- outage ----------------------------------------------------------------------------------

    def _abort_batch(self, error: TransientError) -> None:
        """Abort the batch: its events are redelivered from the committed offsets."""
        self._observer.aborted(error)
        self._parts.timers.forget_sent()
        self._down_until = self._ticker() + self._limits.retry_seconds
        # Where the log refuses even this, ``_try_recover`` does it again.
        with suppress(TransientError):
            self._roll_back()
        with suppress(TransientError):
            self._isolate_poison(error)
            self._rewind_all()

    def _roll_back(self) -> None:
        """Abort the transaction of the current batch."""
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.abort()

    def _isolate_poison(self, error: TransientError) -> None:
        """Handle one event a batch after Kafka refused a message, until that event has paused its home."""
        if not (isinstance(error, LogUnavailable) and error.refused) or self._current_batch is None:
            return
        messages, self._current_batch = self._current_batch.messages, None
        if len(messages) == 1:
            self._pause(messages[0].partition, str(error), self._limits.paused_seconds)
        else:
            self._isolated_until.update((m.partition, m.offset + 1) for m in messages)

    def _rewind_all(self) -> None:
        """Rewind every home to its committed offset and pause it until ``_try_recover`` succeeds."""
        homes = set(self._assignment.positions)
        self._rewind(homes)
        self._parts.log.pause(homes)

    def _rewind(self, homes: set[int]) -> None:
        self._parts.log.rewind(self._assignment.rewound(homes))

    def _try_recover(self) -> bool:
        if self._down_until is None or self._ticker() < self._down_until:
            return False
        if not self._is_restoring():
            self._rewind_all()
            self._parts.store.ping()
            self._parts.ping()
        # After an outage the store may be another server, or may have lost something.
        if not self._is_complete({**self._pending_offsets, **self._assignment.positions}):
            return False
        self._down_until = None
        self._verify_at = self._ticker() + self._limits.verify_seconds
        self._reassign_if_renewed()
        self._parts.log.resume(set(self._assignment.positions) - set(self._assignment.paused))
        self._observer.recovered()
        return False
