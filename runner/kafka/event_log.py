"""The partitioned log as a Protocol: the loop reads from it, writes to it and commits in it.

Kafka keeps to this Protocol (``kafka_log``), and so does the model of it in ``tests/simulation``:
the loop is the same code in both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import msgspec

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers


class Message(msgspec.Struct, frozen=True):
    """One message of the requests topic, or of an input topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    unreadable: str = ""
    """Why the headers could not be read; empty where they could."""
    timestamp_ms: int | None = None
    """When it was sent, or (topics with LogAppendTime) written; None where the log does not say."""


class AssignmentListener(Protocol):
    """Receives assigned and revoked partitions, inside ``poll`` only."""

    def assigned(self, partitions: Collection[int]) -> None:
        """This worker owns these partitions from now on; nothing is read before ``read_from``."""
        ...

    def revoked(self, partitions: Collection[int]) -> None:
        """This worker no longer owns these partitions."""
        ...


class EventLog(Protocol):
    """One consumer and one producer, owned by one thread (a second one may wait for a commit).

    Methods block for as long as their time-outs say. They raise LogUnavailable (abort, rewind, try
    again), Fenced or PositionUnknown (exit); nothing else.
    """

    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the messages at hand, waiting for the first; runs rebalance callbacks."""
        ...

    def read_from(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Begin reading newly assigned partitions at these offsets (-1: the earliest kept).

        Returns the offsets, with -1 replaced.
        """
        ...

    def rewind(self, positions: Mapping[int, int]) -> None:
        """Read these partitions again from these offsets."""
        ...

    def pause(self, partitions: Collection[int]) -> None:
        """Give no more messages of these partitions until ``resume``, or until they are revoked."""
        ...

    def resume(self, partitions: Collection[int]) -> None:
        """Give messages of these partitions again."""
        ...

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the group's committed offsets; None where there is none."""
        ...

    def group_metadata(self) -> Any:
        """Return the group metadata of the last poll, which proves membership; None: not a member now."""
        ...

    def begin(self) -> None:
        """Open a transaction."""
        ...

    def produce(self, message: OutgoingMessage) -> None:
        """Send a message, inside the transaction if one is open."""
        ...

    def send_offsets(self, offsets: Mapping[int, int], group_metadata: Any) -> None:
        """Put the next offsets to read into the transaction."""
        ...

    def commit(self) -> None:
        """Commit the transaction; return once the commit is confirmed."""
        ...

    def abort(self) -> None:
        """Abort the transaction; ``read_committed`` readers never see its messages."""
        ...

    def flush(self) -> None:
        """Return once everything produced outside a transaction is acknowledged."""
        ...

    def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets outside a transaction (at least once)."""
        ...
