"""Delivery of a batch to the log: in one transaction, or in order and perhaps twice.

Exactly once                              At least once
1 begin                                   1 produce every message
2 produce every message                   2 flush: all acknowledged
3 send offsets with group metadata        3 commit the offsets
4 commit: all of it is seen, or nothing

Messages are sent while the rest of the batch is still processed (``send``), so that the brokers work
at the same time; other work overlaps with their confirmation (``meanwhile``). If a step fails, nothing
after it happens: the batch is redelivered from the committed offsets, and the kept decisions in the
store make its answers the same (design, rule 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from runner.actions.decision import OutgoingMessage
from runner.errors import TransientError
from runner.worker.event_log import LogWriter
from runner.worker.overlap import Overlap, Step, no_step, run_in_sequence


class Delivery(Protocol):
    """The way of batches to the log, one after another.

    LogUnavailable, from any method: nothing of the batch may be relied on, and nothing more is sent.
    """

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Send messages; they are confirmed by ``finish``."""

    def finish(
        self,
        messages: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        """Send the last messages of a batch; return once all messages and the offsets are confirmed.

        ``meanwhile`` must not touch the log.
        """

    def abort(self) -> None:
        """Abort what was sent of the present batch, as far as the mode can."""


DeliveryMode: TypeAlias = Callable[[LogWriter], Delivery]
"""Makes the delivery of one loop."""


class ExactlyOnce:
    """Messages and offsets go into one Kafka transaction, which begins with the first message."""

    def __init__(self, log: LogWriter, overlap: Overlap = run_in_sequence) -> None:
        self._log = log
        self._overlap = overlap
        self._has_begun = False

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        if not self._has_begun:
            self._log.begin()
            self._has_begun = True
        try:
            for message in messages:
                self._log.produce(message)
        except TransientError:
            self.abort()
            raise

    def finish(
        self,
        messages: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        """Commit messages and offsets, or abort and raise LogUnavailable."""
        if not (messages or offsets or self._has_begun):
            return
        self.send(messages)
        try:
            self._overlap(lambda: self._commit(offsets, group_metadata), meanwhile)
        except TransientError:
            self.abort()
            raise
        self._has_begun = False

    def _commit(self, offsets: Mapping[int, int], group_metadata: Any) -> None:
        if offsets:
            self._log.send_offsets(offsets, group_metadata)
        self._log.commit()

    def abort(self) -> None:
        if self._has_begun:
            self._has_begun = False
            self._log.abort()


class AtLeastOnce:
    """Messages first and offsets after, without a transaction: a crash between sends the batch again."""

    def __init__(self, log: LogWriter, overlap: Overlap = run_in_sequence) -> None:
        self._log = log
        self._overlap = overlap

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        for message in messages:
            self._log.produce(message)

    def finish(
        self,
        messages: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        """Send all messages, and commit the offsets after they are acknowledged."""
        del group_metadata  # only a transaction can check it
        self.send(messages)
        self._overlap(lambda: self._commit(offsets), meanwhile)

    def _commit(self, offsets: Mapping[int, int]) -> None:
        self._log.flush()
        if offsets:
            self._log.commit_offsets(offsets)

    def abort(self) -> None:
        """Do nothing: what was sent stays, and will be sent again."""
