"""The loop of a worker: one thread, which owns the log, the store and everything between.

  1 poll a batch (rebalances happen here, where no transaction is open)
  2 decode, or dead-letter                     ┐
  3 load the records it names                  │ process, a slice of
  4 decide, in order                           │ the batch at a time
  5 apply: one script call per shard           ┘
  6 begin, produce emits and dead letters, after each slice; then due timers   ┐
  7 send the offsets with the membership of step 1                             │ delivery
  8 commit                                                                     ┘
  9 note what is committed; remove what has had its time

If a step raises a TransientError the batch is abandoned: every home is rewound to its committed
offset and paused, polling goes on (a consumer that does not poll is thrown out of its group), and
reading goes on once the store answers. Everything else ends the process; docs/guarantees.md has the
table of what happens then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.clock import Ticker
from runner.errors import LogUnavailable, TransientError
from runner.worker.assignment import Assignment, Batch
from runner.worker.changelog import Changelog
from runner.worker.components import Components, Limits, Observer
from runner.worker.delivery import Delivery
from runner.worker.overlap import Step, no_step
from runner.worker.poison_rate import PoisonRate
from runner.worker.result import BatchResult
from runner.worker.retention import Removals
from runner.worker.start_offsets import start_offsets

TOO_MUCH_POISON: Final = "more than {} dead letters in a minute; it goes on when that is over"

RESTORING_SECONDS: Final = 0.001
"""Longest wait for events between two stretches of restoring."""


class Loop:
    """Runs until told to stop. Also the listener of its log's rebalances."""

    def __init__(self, parts: Components, limits: Limits, observer: Observer, ticker: Ticker) -> None:
        self._parts = parts
        self._limits = limits
        self._observer = observer
        self._ticker = ticker
        self._assignment = Assignment()
        self._poison_runs: dict[int, int] = {}
        self._poison_rate = PoisonRate(limits.poison_per_minute, ticker)
        self._retry_at: dict[int, float] = {}
        self._down_until: float | None = None
        self._single_until: dict[int, int] = {}
        self._in_hand: Batch | None = None
        self._delivery: Delivery | None = None
        self._opening: dict[int, int] = {}
        self._verify_at = 0.0

    # -- what the log tells, inside poll ---------------------------------------------------------

    def assigned(self, partitions: Collection[int]) -> None:
        """Partitions are ours; they are opened outside the callback."""
        self._assignment.assigned(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        """Partitions are gone; what was read of them is forgotten, what was applied is kept."""
        self._assignment.revoked(partitions)
        self._poison_rate.forget(partitions)
        for partition in partitions:
            self._opening.pop(partition, None)
            self._poison_runs.pop(partition, None)
            self._retry_at.pop(partition, None)
            self._single_until.pop(partition, None)
        self._own()

    # -- running ---------------------------------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """Step until ``stopping`` says so; the batch in hand is finished first."""
        while not stopping():
            self.step()

    def step(self) -> bool:
        """Do one round; whether anything was committed. Raises FatalError only."""
        try:
            self._read()
            if self._down_until is not None:
                return self._try_recover()
            self._open()
            if not self._look_after_store():
                return False
            self._resume_due()
            worked = self._work()
            self._sweep()
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
        """Return how many messages may be read: a batch for now and, where that is done, one to decode ahead.

        A poll may give all that the client holds, so bytes are bounded by a batch and one poll.
        """
        if self._assignment.held_bytes > self._limits.batch_bytes:
            return 0
        batches = 1 if self._parts.prefetch is None else 2
        return batches * self._limits.batch_events - self._assignment.held

    def _is_batch_waiting(self) -> bool:
        """Whether more waits than this round takes: the log has not been read to its end then."""
        held = self._assignment
        return held.held >= self._limits.batch_events or held.held_bytes > self._limits.batch_bytes

    def _wait_seconds(self) -> float:
        if self._down_until is not None:
            return RESTORING_SECONDS if self._is_restoring() else self._limits.retry_seconds
        if self._assignment.pending and self._is_restoring():
            return RESTORING_SECONDS
        if self._assignment.held or self._openable():
            return 0.0
        wait_ms = self._parts.timers.wait_ms()
        longest = self._limits.poll_seconds
        return longest if wait_ms is None else min(longest, wait_ms / 1000)

    def _open(self) -> None:
        """Begin reading homes that were assigned."""
        openable = self._openable()
        if not openable:
            return
        parts = self._parts
        if not self._is_restoring() or self._opening.keys() != openable:
            if parts.restorer is not None:
                parts.restorer.bind_server()
            parts.assigned()
            self._opening = start_offsets(openable, parts.log, parts.store, parts.incarnation)
        if self._is_complete(self._opening):
            began = parts.log.read_from(self._opening)
            self._opening = {}
            self._assignment.opened(began)
            self._own()

    def _look_after_store(self) -> bool:
        """Whether the store was found whole not long ago; if not, nothing goes on before it is restored.

        Without events nobody else would notice that deadlines are gone.
        """
        restorer = self._parts.restorer
        if restorer is not None and not self._opening:
            # What was being restored is of homes that were taken away before they were opened.
            restorer.cancel()
        if restorer is None or restorer.is_busy or self._ticker() < self._verify_at:
            return True
        self._verify_at = self._ticker() + self._limits.verify_seconds
        if self._is_complete(self._assignment.positions):
            self._look_anew()
            return True
        self._down_until = self._ticker()
        self._rewind_all()
        return False

    def _look_anew(self) -> None:
        """Look at every index again where the store is another: it may hold what was not there before."""
        if self._parts.restorer is not None and self._parts.restorer.renewed():
            self._parts.timers.assign(())
            self._parts.retention.assign(())
            self._own()

    def _is_restoring(self) -> bool:
        return self._parts.restorer is not None and self._parts.restorer.is_busy

    def _is_complete(self, positions: Mapping[int, int]) -> bool:
        """Whether the store holds what was committed of these homes; restores some of it where not."""
        return self._parts.restorer is None or self._parts.restorer.verify(positions)

    def _openable(self) -> set[int]:
        """Return what may be opened: all that is pending, or nothing yet.

        A partition that was just added is first made sure of; what was assigned with it is opened with it.
        """
        pending = set(self._assignment.pending)
        return pending if all(map(self._parts.topic.has_home, pending)) else set()

    def _own(self) -> None:
        homes, paused = set(self._assignment.positions), set(self._assignment.paused)
        # A blocked home decides nothing: timers sent there would only pile up in its log.
        self._parts.timers.assign(homes - paused)
        self._parts.retention.assign(homes)
        self._observer.homes(homes, paused)

    # -- steps 2 to 8 ----------------------------------------------------------------------------

    def _work(self) -> bool:
        batch = self._assignment.take(self._batch_events(), self._limits.batch_bytes)
        self._in_hand = batch
        timers = self._parts.timers.due()
        self._observer.phase_ended("timers")
        if not batch.messages and not timers:
            return False
        done = BatchResult()
        if batch.messages:
            done = self._parts.process.run(batch, self._poison_runs, self._observer.phase_ended, self._send)
        self._deliver(batch, done, timers)
        return True

    def _send(self, emits: Sequence[OutgoingMessage]) -> None:
        """Put part of a batch on its way."""
        self._under_way().send(emits)
        self._observer.phase_ended("commit")

    def _under_way(self) -> Delivery:
        if self._delivery is None:
            self._delivery = self._parts.delivery(self._parts.log)
        return self._delivery

    def _deliver(self, batch: Batch, done: BatchResult, timers: list[OutgoingMessage]) -> None:
        parts = self._parts
        began = self._ticker()
        emits = [*done.emits, *timers]
        if emits or done.positions or self._delivery is not None:
            self._under_way().finish(
                emits, done.positions, parts.log.group_metadata(), self._prefetch_next(done)
            )
        self._in_hand = self._delivery = None
        self._observer.phase_ended("commit")
        self._observer.delivered()
        self._committed(done)
        self._observer.processed(batch, done, len(timers), self._ticker() - began)
        # The offsets are committed whatever happens to this note: it only serves a lost group.
        parts.store.note_committed(parts.incarnation, done.positions)
        self._observer.phase_ended("other")

    def _prefetch_next(self, done: BatchResult) -> Step:
        """Return what can be done while the brokers confirm a batch: the next one is decoded."""
        if self._parts.prefetch is None:
            return no_step
        # What is left of this batch goes first, and has been decoded already.
        first = () if done.held else self._assignment.waiting(self._batch_events(), self._limits.batch_bytes)
        return self._parts.prefetch.start(first)

    def _committed(self, done: BatchResult) -> None:
        parts = self._parts
        self._assignment.advance(done.positions)
        self._poison_runs.update(done.poison_runs)
        parts.time.observe(done.now_ms)
        parts.timers.schedule(done.deadlines)
        parts.timers.release([*done.fired, *done.spent])
        parts.timers.postpone(done.undeliverable)
        parts.retention.schedule(done.removals)
        self._assignment.hold(done.held)
        for home, reason in done.paused.items():
            self._pause(home, reason, None if home in done.poisoned else self._limits.paused_seconds)
        for home, seconds in self._poison_rate.count(done.buried).items():
            if home not in self._assignment.paused:
                self._pause(home, TOO_MUCH_POISON.format(self._limits.poison_per_minute), seconds)
        for home, offset in tuple(self._single_until.items()):
            if self._assignment.positions.get(home, offset) >= offset:
                del self._single_until[home]

    def _batch_events(self) -> int:
        """One event at a time after a batch was refused: the one to blame blocks its home alone."""
        return 1 if self._single_until else self._limits.batch_events

    def _sweep(self) -> None:
        parts, positions = self._parts, self._assignment.positions
        removals = parts.retention.due(positions)
        if removals.records:
            if parts.changelog is not None:
                self._tell(removals, parts.changelog)
            removed = parts.retention.remove(removals, positions)
            if removed:
                self._observer.removed(removed)
        self._observer.phase_ended("other")

    def _tell(self, removals: Removals, changelog: Changelog) -> None:
        """Tell the changelog of records before they go: what it still had would come back from it.

        The offsets say nothing new; with them goes the membership, which a worker that was replaced
        no longer has.
        """
        parts = self._parts
        positions = {home: self._assignment.positions[home] for home in removals.homes}
        gone = [changelog.removed(record.key) for _, record in removals.records]
        self._under_way().finish(gone, positions, parts.log.group_metadata())
        self._delivery = None
        self._observer.delivered()

    # -- homes that cannot go on -----------------------------------------------------------------

    def _pause(self, home: int, reason: str, seconds: float | None) -> None:
        """Pause a home until it is tried again after so many seconds; None: until it is assigned anew."""
        if home not in self._assignment.positions:
            return
        self._assignment.paused[home] = reason
        self._single_until.pop(home, None)
        if seconds is not None:
            self._retry_at[home] = self._ticker() + seconds
        self._observer.paused(home, reason)
        self._own()
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
            self._own()

    # -- when something does not answer ----------------------------------------------------------

    def _abort_batch(self, error: TransientError) -> None:
        """Give the batch up: it comes again from the committed offsets."""
        self._observer.aborted(error)
        self._parts.timers.forget_sent()
        self._down_until = self._ticker() + self._limits.retry_seconds
        # Where the log does not even take this, it is done before anything goes on.
        with suppress(TransientError):
            self._roll_back()
        with suppress(TransientError):
            self._isolate_poison(error)
            self._rewind_all()

    def _roll_back(self) -> None:
        """Give up what was sent of the batch in hand."""
        shipment, self._delivery = self._delivery, None
        if shipment is not None:
            shipment.abort()

    def _isolate_poison(self, error: TransientError) -> None:
        """Go on one event at a time after a refusal, until the one to blame has blocked its home."""
        if not (isinstance(error, LogUnavailable) and error.refused) or self._in_hand is None:
            return
        messages, self._in_hand = self._in_hand.messages, None
        if len(messages) == 1:
            self._pause(messages[0].partition, str(error), self._limits.paused_seconds)
        else:
            self._single_until.update((m.partition, m.offset + 1) for m in messages)

    def _rewind_all(self) -> None:
        """Hold every home at its committed offset; nothing is read until ``_try_recover`` says so."""
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
        # Whatever it was away for: it may have been another server meanwhile, or have lost something.
        if not self._is_complete({**self._opening, **self._assignment.positions}):
            return False
        self._down_until = None
        self._verify_at = self._ticker() + self._limits.verify_seconds
        self._look_anew()
        self._parts.log.resume(set(self._assignment.positions) - set(self._assignment.paused))
        self._observer.recovered()
        return False
