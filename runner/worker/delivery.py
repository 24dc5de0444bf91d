"""How a batch reaches the log: in one transaction, or in order and maybe twice.

Exactly once                              At least once
1 begin                                   1 produce every emit
2 produce every emit                      2 flush: all acknowledged
3 send the offsets with the membership    3 commit the offsets
4 commit: all of it is seen, or nothing

If a step fails, nothing after it happens; the batch comes again from the committed offsets, and the
kept decisions in the store make its answers the same (design, rule 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from runner.actions.decision import Emit
from runner.errors import TransientError
from runner.worker.event_log import EventLog


class Delivery(Protocol):
    """One way of handing a batch to the log."""

    def deliver(
        self, log: EventLog, emits: Sequence[Emit], offsets: Mapping[int, int], membership: Any
    ) -> None:
        """Return once all is confirmed; LogUnavailable: nothing of it may be relied on."""
        ...


class ExactlyOnce:
    """Emits and offsets in one Kafka transaction."""

    def deliver(
        self, log: EventLog, emits: Sequence[Emit], offsets: Mapping[int, int], membership: Any
    ) -> None:
        """Commit all, or abort and raise LogUnavailable."""
        log.begin()
        try:
            for emit in emits:
                log.produce(emit)
            if offsets:
                log.send_offsets(offsets, membership)
            log.commit()
        except TransientError:
            log.abort()
            raise


class AtLeastOnce:
    """For brokers without transactions: a crash between the steps sends the batch again."""

    def deliver(
        self, log: EventLog, emits: Sequence[Emit], offsets: Mapping[int, int], membership: Any
    ) -> None:
        """Send all, and only then move the offsets."""
        del membership  # only a transaction can check it
        for emit in emits:
            log.produce(emit)
        log.flush()
        if offsets:
            log.commit_offsets(offsets)
