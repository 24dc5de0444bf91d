"""Seats: how many event streams a process and a caller may have open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class NoSeat(Exception):
    """There is no room for another stream."""


class CallerFull(NoSeat):
    """The caller has as many streams as it may have."""


class Seats:
    """Counts open streams. Belongs to the event loop."""

    def __init__(self, most: int, per_caller: int) -> None:
        self._most = most
        self._per_caller = per_caller
        self._taken = Counter[Hashable]()
        self.open = 0
        """Streams that are open now."""

    @contextmanager
    def taken(self, caller: Hashable) -> Iterator[None]:
        """Hold a seat. Raises CallerFull, or NoSeat, before anything is held."""
        if self._taken[caller] >= self._per_caller:
            raise CallerFull(f"you have {self._per_caller} event streams open; close one first")
        if self.open >= self._most:
            raise NoSeat(f"{self._most} event streams are open here; ask again later, or another server")
        self._taken[caller] += 1
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]
