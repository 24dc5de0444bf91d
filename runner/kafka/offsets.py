"""Start offsets: where reading of a home begins once it is assigned.

A home begins at the committed offset of the group, or at the one in the store if that is higher: a group's
offsets may be deleted (they expire when the group is idle) or moved back, and neither may repeat events
that were answered. The store gets the committed offset after every commit. Should that have been lost
with a worker, the fence is used: the highest base offset of a batch of the home. A home of which the store
has seen no commit begins at its earliest message; so does one that was just added to the topic.

Kafka keeps offsets by the topic's name alone: the id of the topic and its incarnation are committed with
every offset, as its metadata. A store that has lost everything finds its incarnation there again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, Protocol

from runner.errors import PositionUnknown

EARLIEST: Final = -1

_BEHIND_ID: Final = ";"
"""Not a character of base64, in which topic ids are written."""

_WRITTEN: Final = re.compile(r"[0-9]{1,19}")


class GroupOffsets(Protocol):
    """The committed offsets of the group."""

    def committed(self, partitions: Collection[int]) -> Mapping[int, int | None]:
        """Return the committed offsets. Raises LogUnavailable."""


class KnownOffsets(Protocol):
    """Committed offsets as the store knows them."""

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return the committed offsets by partition; EARLIEST: nothing is committed yet."""

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Store the number of partitions of the topic; nothing is committed of new ones."""

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return the fences: offsets below which everything is committed, where known."""


def start_offsets(
    partitions: Collection[int], log: GroupOffsets, store: KnownOffsets, incarnation: int
) -> dict[int, int]:
    """Return the start offset of each partition; EARLIEST: its first message.

    ``partitions`` are known to be of the topic of this incarnation.

    Raises LogUnavailable, StoreUnavailable, or PositionUnknown where neither has an offset.
    """
    committed = log.committed(partitions)
    stored = store.committed(incarnation)
    if not stored.keys() >= set(partitions):
        # Added to the topic since the store was opened, or lost by the store: the store can tell which.
        store.add_homes(incarnation, max(partitions) + 1)
        stored = store.committed(incarnation)
    # A home in which nothing was committed begins at its first message, which need not be at offset 0.
    fences = {home: fence or EARLIEST for home, fence in store.fences(incarnation, partitions).items()}
    return {
        partition: _furthest(partition, [known.get(partition) for known in (committed, stored, fences)])
        for partition in partitions
    }


def _furthest(partition: int, candidates: Collection[int | None]) -> int:
    offsets = [offset for offset in candidates if offset is not None]
    if offsets:
        return max(offsets)
    raise PositionUnknown(
        f"nobody knows where to begin partition {partition}: the group has no committed offset "
        "and Redis has lost its own; restore Redis, or set the group's offset with "
        "kafka-consumer-groups --reset-offsets"
    )


def commit_metadata(topic_id: str, incarnation: int) -> str:
    """Return the commit metadata: the id of the topic and, if it is not 0, its incarnation."""
    return f"{topic_id}{_BEHIND_ID}{incarnation}" if incarnation else topic_id


def topic_of(metadata: str) -> str:
    """Return the id of the topic that an offset was committed for."""
    return metadata.partition(_BEHIND_ID)[0]


def incarnation_of(metadata: str, topic_id: str) -> int:
    """Return the incarnation in the commit metadata of this topic; 0: there is none."""
    committed_id, _, incarnation = metadata.partition(_BEHIND_ID)
    return int(incarnation) if committed_id == topic_id and _WRITTEN.fullmatch(incarnation) else 0
