"""Messages of a topic as a worker reads them, and the Protocol of what is told of rebalances."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import msgspec

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

    def revoked(self, partitions: Collection[int]) -> None:
        """This worker no longer owns these partitions."""
