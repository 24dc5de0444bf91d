"""Where to begin reading a home partition that was just assigned.

Kafka's committed offset, or what the store knows to be committed if that is further: a group's
offsets may be deleted (they expire when it is idle) or moved back, and neither may replay what has
been answered. A partition the store has never seen a commit of begins at the earliest message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from runner.errors import PositionUnknown
from runner.store.calls import Store
from runner.worker.event_log import EventLog

EARLIEST: Final = -1


def open_positions(
    partitions: Collection[int], log: EventLog, store: Store, incarnation: int
) -> dict[int, int]:
    """Return where each partition begins; EARLIEST: at the first message kept.

    Raises LogUnavailable, StoreUnavailable, or PositionUnknown where neither knows.
    """
    committed = log.committed(partitions)
    known = store.committed(incarnation)
    return {partition: _position(partition, committed, known) for partition in partitions}


def _position(partition: int, committed: Mapping[int, int | None], known: Mapping[int, int]) -> int:
    offset = committed.get(partition)
    if partition not in known:
        if offset is not None:
            return offset
        raise PositionUnknown(
            f"nobody knows where to begin partition {partition}: the group has no committed offset "
            "and Redis has lost its own; restore Redis, or set the group's offset with "
            "kafka-consumer-groups --reset-offsets"
        )
    return max(known[partition], EARLIEST if offset is None else offset)
