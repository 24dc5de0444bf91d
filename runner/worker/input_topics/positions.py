"""Positions of an input topic: the group's committed offsets alone.

The loop of an input topic changes no tasks, so the store keeps no offsets of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from runner.kafka.offsets import EARLIEST


class InputPositions:
    """The Positions of the loop of one input topic; nothing is stored."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Store nothing."""

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        """Do nothing: no pass ends on an input topic."""

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return EARLIEST for every partition: without an offset it is read from its start."""
        del incarnation
        return dict.fromkeys(range(self._partitions), EARLIEST)

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Remember the number of partitions of the topic."""
        del incarnation
        self._partitions = max(self._partitions, homes)

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        del incarnation, partitions
        return {}


class EveryPartition:
    """The topic of an input: every partition is read, as ``InputThread`` checks the topic."""

    def has_home(self, partition: int) -> bool:
        del partition
        return True
