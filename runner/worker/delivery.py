"""How a batch reaches the log: in one transaction, or in order and maybe twice.

Exactly once                              At least once
1 begin                                   1 produce every emit
2 produce every emit                      2 flush: all acknowledged
3 send the offsets with the membership    3 commit the offsets
4 commit: all of it is seen, or nothing

What is decided goes on its way while the rest of the batch is still processed (``send``), so that the
brokers work at the same time; and while they confirm, more can be done (``meanwhile``). If a step
fails, nothing after it happens; the batch comes again from the committed offsets, and the kept
decisions in the store make its answers the same (design, rule 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from runner.actions.decision import OutgoingMessage
from runner.errors import TransientError
from runner.worker.event_log import EventLog
from runner.worker.overlap import Overlap, Step, no_step, run_in_sequence


class Delivery(Protocol):
    """One batch on its way to the log.

    LogUnavailable, from any method: nothing of the batch may be relied on, and nothing more is sent.
    """

    def send(self, emits: Sequence[OutgoingMessage]) -> None:
        """Put messages on their way."""
        ...

    def finish(
        self,
        emits: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        """Send the last messages; return once all is confirmed, and the offsets with it.

        ``meanwhile`` must not touch the log.
        """
        ...

    def abort(self) -> None:
        """Take back what was sent, as far as that is possible."""
        ...


DeliveryMode: TypeAlias = Callable[[EventLog], Delivery]
"""One way of handing batches to the log; called for each."""


class ExactlyOnce:
    """Emits and offsets in one Kafka transaction, which begins with the first of them."""

    def __init__(self, log: EventLog, overlap: Overlap = run_in_sequence) -> None:
        self._log = log
        self._overlap = overlap
        self._has_begun = False

    def send(self, emits: Sequence[OutgoingMessage]) -> None:
        """Produce inside the transaction."""
        if not self._has_begun:
            self._log.begin()
            self._has_begun = True
        try:
            for emit in emits:
                self._log.produce(emit)
        except TransientError:
            self.abort()
            raise

    def finish(
        self,
        emits: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        """Commit all, or abort and raise LogUnavailable."""
        self.send(emits)
        try:
            self._overlap(lambda: self._commit(offsets, group_metadata), meanwhile)
        except TransientError:
            self.abort()
            raise

    def _commit(self, offsets: Mapping[int, int], group_metadata: Any) -> None:
        if offsets:
            self._log.send_offsets(offsets, group_metadata)
        self._log.commit()

    def abort(self) -> None:
        """Abort, unless nothing was begun."""
        if self._has_begun:
            self._has_begun = False
            self._log.abort()


class AtLeastOnce:
    """For brokers without transactions: a crash between the steps sends the batch again."""

    def __init__(self, log: EventLog, overlap: Overlap = run_in_sequence) -> None:
        self._log = log
        self._overlap = overlap

    def send(self, emits: Sequence[OutgoingMessage]) -> None:
        """Produce."""
        for emit in emits:
            self._log.produce(emit)

    def finish(
        self,
        emits: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        """Send all, and only then move the offsets."""
        del group_metadata  # only a transaction can check it
        self.send(emits)
        self._overlap(lambda: self._commit(offsets), meanwhile)

    def _commit(self, offsets: Mapping[int, int]) -> None:
        self._log.flush()
        if offsets:
            self._log.commit_offsets(offsets)

    def abort(self) -> None:
        """Leave what was sent: it cannot be taken back, and will be sent again."""
