"""Where to begin reading a home partition that was just assigned.

Kafka's committed offset, or what the store knows to be committed if that is further: a group's
offsets may be deleted (they expire when it is idle) or moved back, and neither may replay what has
been answered. The store knows it from a note made after every commit and, should that have been
lost with its worker, from the floor: the offset at which the last batch it has seen began. A
partition the store has never seen a commit of begins at the earliest message; so does one that was
added to the topic, from which nobody has read before the store knew of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Protocol

from runner.errors import PositionUnknown

EARLIEST: Final = -1


class GroupOffsets(Protocol):
    """What the group says."""

    def committed(self, partitions: Collection[int]) -> Mapping[int, int | None]:
        """Return the committed offsets. Raises LogUnavailable."""
        ...


class KnownOffsets(Protocol):
    """What is known of committed offsets besides what the group says."""

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return the offsets known to be committed, by partition; EARLIEST: none yet."""
        ...

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Note that the topic has so many partitions now: of those that are new, nothing is committed."""
        ...

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return offsets below which everything is committed, where such are known."""
        ...


def start_offsets(
    partitions: Collection[int], log: GroupOffsets, store: KnownOffsets, incarnation: int
) -> dict[int, int]:
    """Return where each partition begins; EARLIEST: at the first message kept.

    ``partitions`` are known to be of the topic of this incarnation.

    Raises LogUnavailable, StoreUnavailable, or PositionUnknown where neither knows.
    """
    committed = log.committed(partitions)
    noted = store.committed(incarnation)
    if not noted.keys() >= set(partitions):
        # Added to the topic since the store was opened, or lost by the store: that it can tell apart.
        store.add_homes(incarnation, max(partitions) + 1)
        noted = store.committed(incarnation)
    # A home in which nothing was committed begins at its first message, which need not be at offset 0.
    fences = {home: fence or EARLIEST for home, fence in store.fences(incarnation, partitions).items()}
    return {
        partition: _furthest(partition, [known.get(partition) for known in (committed, noted, fences)])
        for partition in partitions
    }


def _furthest(partition: int, told: Collection[int | None]) -> int:
    offsets = [offset for offset in told if offset is not None]
    if offsets:
        return max(offsets)
    raise PositionUnknown(
        f"nobody knows where to begin partition {partition}: the group has no committed offset "
        "and Redis has lost its own; restore Redis, or set the group's offset with "
        "kafka-consumer-groups --reset-offsets"
    )
