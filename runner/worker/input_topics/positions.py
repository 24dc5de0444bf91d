"""How far an input topic has been read: the group's committed offsets say it, and nothing else.

The tasks are not touched here, so there is nothing in the store to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from runner.worker.start_offsets import EARLIEST


class InputPositions:
    """The Positions of the loop of one input topic."""

    def __init__(self, partitions: int, ping: Callable[[], None]) -> None:
        """``ping``: returns if the store answers, where homes are looked up."""
        self._partitions = partitions
        self._ping = ping

    def ping(self) -> None:
        """Return if the store answers."""
        self._ping()

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Note nothing."""

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return that reading begins at the first message where the group has no offset."""
        del incarnation
        return dict.fromkeys(range(self._partitions), EARLIEST)

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Note that the topic has so many partitions now."""
        del incarnation
        self._partitions = max(self._partitions, homes)

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return none."""
        del incarnation, partitions
        return {}


class EveryPartition:
    """An input topic: any partition is read; whether it was made again is asked elsewhere."""

    def has_home(self, partition: int) -> bool:
        """Yes."""
        del partition
        return True
