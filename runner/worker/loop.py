"""The loop of a worker: one thread polls, processes and commits batches, and owns log and store.

  1 poll a batch (rebalances happen here, where no transaction is open)
  2 decode, or dead-letter                     ┐
  3 load the records it names                  │ process, a slice of
  4 decide, in order                           │ the batch at a time
  5 apply: one script call per shard           ┘
  6 begin, produce messages and dead letters, after each slice; then timers    ┐
  7 send the offsets with the group metadata of step 1                         │ delivery
  8 commit                                                                     ┘
  9 store the committed offsets

Between two batches the duties do what is due: timers are sent with the next batch, records whose retention
is over are removed. A TransientError in any step aborts the batch: every home is rewound to its committed
offset and paused (``outage``). Any other error ends the process; docs/guarantees.md has the table of what
happens then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from runner.actions.decision import OutgoingMessage
from runner.clock import Ticker
from runner.errors import LogUnavailable, TransientError
from runner.worker.assignment import Batch
from runner.worker.components import Components, LoopLimits, LoopObserver, Round
from runner.worker.homes import OwnedHomes
from runner.worker.outage import RESTORING_SECONDS, LoopState, Outage
from runner.worker.overlap import Step, no_step
from runner.worker.result import BatchResult


class Loop:
    """Runs rounds until it is stopped; the loop is also the listener of its log's rebalances."""

    def __init__(self, parts: Components, limits: LoopLimits, observer: LoopObserver, ticker: Ticker) -> None:
        self._parts = parts
        self._limits = limits
        self._observer = observer
        self._ticker = ticker
        self._outage = Outage(limits.retry_seconds, limits.verify_seconds, ticker)
        self._homes = OwnedHomes(parts, observer, ticker)
        self._assignment = self._homes.assignment
        self._poison_runs: dict[int, int] = {}
        self._passes: list[tuple[Sequence[str], int]] = []
        """Ends of committed TimeoutBetween passes that the store was not told of yet."""
        self._current_batch: Batch | None = None
        self._delivery = parts.delivery(parts.log.writer)

    # -- rebalances, inside poll -----------------------------------------------------------------

    def assigned(self, partitions: Collection[int]) -> None:
        """Partitions belong to this worker now; they are opened outside the callback."""
        self._assignment.assigned(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        """Partitions belong to another worker; their backlog is dropped, applied changes stay."""
        self._homes.revoked(partitions)
        self._outage.forget(partitions)
        for partition in partitions:
            self._poison_runs.pop(partition, None)

    # -- rounds ----------------------------------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """Run rounds until ``stopping`` returns true; the current batch is finished first."""
        while not stopping():
            self.step()

    def step(self) -> bool:
        """Run one round; return whether a batch or a timer was committed. Raises FatalError only."""
        try:
            is_caught_up = self._read()
            if self._outage.is_down:
                self._try_recover()
                return False
            self._homes.open()
            if not self._is_store_complete():
                return False
            self._homes.resume_due()
            return self._work(Round(self._assignment.positions, is_caught_up, self._commit))
        except TransientError as error:
            self._abort_batch(error)
            return False

    @property
    def positions(self) -> dict[int, int]:
        """Committed position of every open home."""
        return dict(self._assignment.positions)

    # -- step 1 ----------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Add messages to the backlog; return whether the log was read to its end."""
        limits, assignment = self._limits, self._assignment
        wanted = assignment.wanted(limits.batch_events, limits.batch_bytes)
        messages = self._parts.log.poll(wanted, self._wait_seconds())
        assignment.add(messages)
        self._observer.phase_ended("poll")
        return len(messages) < wanted and not assignment.is_batch_waiting(
            limits.batch_events, limits.batch_bytes
        )

    def _wait_seconds(self) -> float:
        if self._outage.is_down:
            return self._outage.wait_seconds()
        if self._assignment.pending and self._homes.is_restoring:
            return RESTORING_SECONDS
        if self._assignment.backlog_count or self._homes.openable():
            return 0.0
        waits_ms = (duty.wait_ms() for duty in self._parts.duties)
        return min([self._limits.poll_seconds, *(wait / 1000 for wait in waits_ms if wait is not None)])

    # -- steps 2 to 8 ----------------------------------------------------------------------------

    def _work(self, now: Round) -> bool:
        messages = self._due_messages(now)
        batch = self._assignment.take(self._batch_events(), self._limits.batch_bytes)
        if not batch.messages and not messages:
            return False
        self._current_batch = batch
        result = BatchResult()
        if batch.messages:
            result = self._parts.processor.run(
                batch, self._poison_runs, self._observer.phase_ended, self._send
            )
        self._deliver(batch, result, messages)
        return True

    def _due_messages(self, now: Round) -> list[OutgoingMessage]:
        messages: list[OutgoingMessage] = []
        for duty in self._parts.duties:
            messages += duty.due(now)
            self._observer.phase_ended(duty.phase)
        return messages

    def _batch_events(self) -> int:
        """Return the size of a batch: 1 while isolating, so that the refused event pauses only its home."""
        return 1 if self._outage.state is LoopState.ISOLATING else self._limits.batch_events

    def _send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send messages of the current batch before all of it is decided."""
        self._delivery.send(messages)
        self._observer.phase_ended("commit")

    def _deliver(self, batch: Batch, result: BatchResult, due_messages: list[OutgoingMessage]) -> None:
        began = self._ticker()
        self._delivery.finish(
            [*result.outgoing, *due_messages],
            result.positions,
            self._parts.log.group_metadata(),
            self._prefetch_next(result),
        )
        self._current_batch = None
        self._observer.phase_ended("commit")
        self._observer.delivered()
        self._after_commit(result)
        self._observer.processed(batch, result, len(due_messages), self._ticker() - began)
        # Not before: the reply says where the last pass ended, also when its event is redelivered.
        self._passes += result.passes
        self._note_passes()
        # The offsets are committed whether or not this succeeds: it only serves a group that was deleted.
        self._parts.store.note_committed(self._parts.incarnation, result.positions)
        self._observer.phase_ended("other")

    def _note_passes(self) -> None:
        """Note the ends of committed passes; those that the store does not take now are noted later."""
        while self._passes:
            self._parts.store.note_timeout(*self._passes[0])
            del self._passes[0]

    def _commit(self, messages: Sequence[OutgoingMessage], homes: Collection[int]) -> None:
        """Commit messages of a duty by themselves.

        The offsets do not move. They are sent for the group metadata that goes with them: it fences a
        worker that was replaced.
        """
        positions = {home: self._assignment.positions[home] for home in homes}
        self._delivery.finish(messages, positions, self._parts.log.group_metadata())
        self._observer.delivered()

    def _prefetch_next(self, result: BatchResult) -> Step:
        """Return the steps that overlap with the commit: decoding the next batch."""
        if result.deferred:
            # Deferred messages of this batch go first, and have been decoded already.
            return no_step
        return self._parts.processor.prefetch(
            self._assignment.waiting(self._batch_events(), self._limits.batch_bytes)
        )

    def _after_commit(self, result: BatchResult) -> None:
        self._assignment.advance(result.positions)
        self._poison_runs.update(result.poison_runs)
        for duty in self._parts.duties:
            duty.committed(result)
        self._assignment.put_back(result.deferred)
        for home, reason in result.paused.items():
            self._pause(home, reason, None if home in result.poisoned else self._limits.paused_seconds)
        self._outage.committed(self._assignment.positions)

    def _pause(self, home: int, reason: str, seconds: float | None) -> None:
        self._outage.forget({home})
        self._homes.pause(home, reason, seconds)

    # -- outages: the transitions of ``outage.LoopState`` --------------------------------------------

    def _is_store_complete(self) -> bool:
        """Whether the store was complete at the last check; if not, no batch runs before it is restored.

        Without events nothing else would notice that deadlines are lost.
        """
        if self._homes.is_restoring or not self._outage.is_check_due():
            return True
        if self._homes.are_complete():
            self._outage.complete()
            return True
        self._outage.behind()
        self._homes.rewind_all()
        return False

    def _abort_batch(self, error: TransientError) -> None:
        """Abort the batch: its events are redelivered from the committed offsets."""
        self._observer.aborted(error)
        for duty in self._parts.duties:
            duty.aborted()
        self._outage.failed()
        batch, self._current_batch = self._current_batch, None
        # Where the log refuses even this, ``_try_recover`` does it again.
        with suppress(TransientError):
            self._delivery.abort()
        with suppress(TransientError):
            if isinstance(error, LogUnavailable) and error.refused and batch is not None:
                self._isolate_poison(batch, error)
            self._homes.rewind_all()

    def _isolate_poison(self, batch: Batch, error: LogUnavailable) -> None:
        """Handle one event a batch after Kafka refused a message, until that event has paused its home."""
        if len(batch.messages) == 1:
            self._pause(batch.messages[0].partition, str(error), self._limits.paused_seconds)
        else:
            self._outage.isolate(batch.messages)

    def _try_recover(self) -> None:
        """Do one step out of the outage, if it is time."""
        if not self._outage.is_step_due():
            return
        if self._outage.state is LoopState.WAITING:
            self._homes.rewind_all()
            for ping in self._parts.pings:
                ping()
        # After an outage the store may be another server, or may have lost something.
        if not self._homes.are_complete():
            self._outage.behind()
            return
        self._outage.complete()
        self._homes.resume_all()
        self._observer.recovered()
