"""Positions: how far each partition is done. An offset is committed once all before it are finished."""

from __future__ import annotations

from collections import OrderedDict


class Position:
    """One assigned partition: messages finish in any order, the position moves over those that have."""

    def __init__(self, start: int) -> None:
        self._unfinished: OrderedDict[int, None] = OrderedDict()
        self._next = start
        self._committed = start
        self.is_leaving = False
        """Whether the partition is being given to others, or was: nothing new is begun for it."""

    def began(self, offset: int) -> None:
        """Note a message that was read; in the order of the log."""
        self._unfinished[offset] = None
        self._next = offset + 1

    def finished(self, offset: int) -> None:
        """Note that a message has reached everybody, or the dead letters."""
        self._unfinished.pop(offset, None)

    def to_commit(self) -> int | None:
        """Return the offset to commit; None where it is committed already."""
        position = next(iter(self._unfinished), self._next)
        return position if position > self._committed else None

    def committed(self, offset: int) -> None:
        self._committed = offset

    @property
    def waiting(self) -> int:
        """How many messages were read and are not finished."""
        return len(self._unfinished)
