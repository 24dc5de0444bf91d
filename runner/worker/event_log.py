"""The partitioned log as the loop reads it, and as a delivery writes to it.

Kafka keeps to these Protocols (``kafka_log``, ``producer``), and so does the model of it in
``tests/simulation``: the loop is the same code in both. Methods block for as long as their time-outs say.
They raise LogUnavailable (abort, rewind, try again), Fenced or PositionUnknown (exit); nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from runner.actions.decision import OutgoingMessage
from runner.kafka.message import Message
from runner.kafka.offsets import GroupOffsets


class LogWriter(Protocol):
    """One producer, owned by one thread (a second one may wait for a commit)."""

    def begin(self) -> None: ...

    def produce(self, message: OutgoingMessage) -> None:
        """Send a message, inside the transaction if one is open."""

    def send_offsets(self, offsets: Mapping[int, int], group_metadata: Any) -> None:
        """Put the next offsets to read into the transaction."""

    def commit(self) -> None:
        """Commit the transaction; return once the commit is confirmed."""

    def abort(self) -> None:
        """Abort the transaction; ``read_committed`` readers never see its messages."""

    def flush(self) -> None:
        """Return once everything produced outside a transaction is acknowledged."""

    def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets outside a transaction (at least once)."""


class EventLog(GroupOffsets, Protocol):
    """One consumer of a group, owned by one thread, and the writer that belongs to it."""

    @property
    def writer(self) -> LogWriter: ...

    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the messages at hand, waiting for the first; runs rebalance callbacks."""

    def read_from(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Begin reading newly assigned partitions at these offsets (-1: the earliest kept).

        Returns the offsets, with -1 replaced.
        """

    def rewind(self, positions: Mapping[int, int]) -> None:
        """Read these partitions again from these offsets."""

    def pause(self, partitions: Collection[int]) -> None:
        """Give no more messages of these partitions until ``resume``, or until they are revoked."""

    def resume(self, partitions: Collection[int]) -> None: ...

    def group_metadata(self) -> Any:
        """Return the group metadata of the last poll, which proves membership; None: not a member now."""
