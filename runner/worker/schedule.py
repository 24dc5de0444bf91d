"""The schedule: the next moment of each index in the homes of a worker, earliest first, and the time.

An index is queried only when its moment has come, so an idle worker queries nothing. A moment may be
early (the task ended in the meantime), never late: every new entry is scheduled, and an index of a
home that was just assigned is due at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from itertools import product
from typing import Final

from runner.clock import Ticker
from runner.store.calls import Entry, Index, IndexKind

SLACK: Final = 64
"""Outdated moments that may always stay in the heap; beyond them, at most as many as current ones."""


class Schedule:
    """The next moment of each index of some kinds in the owned homes, in epoch ms of the store."""

    def __init__(self, kinds: Collection[IndexKind], domains: Collection[str], shards: int) -> None:
        self._kinds = tuple(kinds)
        self._domains = tuple(domains)
        self._shards = shards
        self._homes: frozenset[int] = frozenset()
        self._next: dict[Index, int] = {}
        self._heap: list[tuple[int, int, Index]] = []
        self._count = 0

    def assign(self, homes: Collection[int]) -> None:
        """Own exactly these homes; the indexes of new ones are due at once."""
        gained = frozenset(homes) - self._homes
        self._homes = frozenset(homes)
        self._next = {index: ms for index, ms in self._next.items() if index.home in self._homes}
        for home in gained:
            for kind, domain, shard in product(self._kinds, self._domains, range(self._shards)):
                self.schedule(Index(kind, domain, shard, home), 0)

    def owns(self, index: Index) -> bool:
        return index.home in self._homes

    def add(self, entries: Iterable[Entry]) -> None:
        """Schedule entries that were just written; those of other kinds of indexes are ignored."""
        for index, _, at_ms in entries:
            if index.kind in self._kinds:
                self.schedule(index, at_ms)

    def schedule(self, index: Index, moment_ms: int) -> None:
        """Make an index due at this moment at the latest; ignored if its home is not owned."""
        known = self._next.get(index)
        if not self.owns(index) or (known is not None and known <= moment_ms):
            return
        self._next[index] = moment_ms
        if len(self) > 2 * len(self._next) + SLACK:
            self._forget_outdated()
        else:
            self._push(index, moment_ms)

    def next_ms(self) -> int | None:
        """Return the earliest moment; None: nothing is scheduled."""
        while self._heap:
            moment_ms, _, index = self._heap[0]
            if self._next.get(index) == moment_ms:
                return moment_ms
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now_ms: int) -> list[Index]:
        """Remove and return the indexes whose moment has come, the longest due first."""
        due: list[Index] = []
        while (moment_ms := self.next_ms()) is not None and moment_ms <= now_ms:
            index = heapq.heappop(self._heap)[2]
            del self._next[index]
            due.append(index)
        return due

    def __len__(self) -> int:
        """Return the number of moments in the heap, outdated ones included."""
        return len(self._heap)

    def _push(self, index: Index, moment_ms: int) -> None:
        self._count += 1
        heapq.heappush(self._heap, (moment_ms, self._count, index))

    def _forget_outdated(self) -> None:
        """Rebuild the heap from the current moments: every change of a moment leaves an outdated one."""
        self._heap.clear()
        for index, moment_ms in self._next.items():
            self._push(index, moment_ms)


class StoreClock:
    """The last time of the store, carried on by a monotonic clock.

    The estimate decides when to query, never what is due: the store compares that by its own time.
    """

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._ahead_ms: float | None = None

    def observe(self, now_ms: int) -> None:
        """Set the time that the store has just returned; 0: it returned none."""
        if now_ms:
            self._ahead_ms = now_ms - self._ticker() * 1000

    def now_ms(self) -> int | None:
        """Return the estimate, epoch ms; None before the first answer of the store."""
        return None if self._ahead_ms is None else int(self._ticker() * 1000 + self._ahead_ms)
