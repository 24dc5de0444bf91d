"""Pool: things that are for one thread at a time, lent to many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

CONNECTIONS: Final = 8


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None: ...


Lent = TypeVar("Lent", bound=Closable)


class Pool(Generic[Lent]):
    """Lends one of a few to each thread that asks; who comes when all are lent waits."""

    def __init__(self, make: Callable[[], Lent], most: int = CONNECTIONS) -> None:
        self._make = make
        self._free: list[Lent] = []
        self._all: list[Lent] = []
        self._room = threading.BoundedSemaphore(most)

    @contextmanager
    def lent(self) -> Iterator[Lent]:
        """Give one for the length of a block."""
        with self._room:
            one = self._taken()
            try:
                yield one
            finally:
                self._free.append(one)

    def close(self) -> None:
        """Close all there are; nobody may ask any more."""
        for each in self._all:
            each.close()

    def _taken(self) -> Lent:
        try:
            return self._free.pop()
        except IndexError:
            one = self._make()
            self._all.append(one)
            return one
