"""When to look at which index next: the moments known in the homes of this worker, earliest first.

An index is asked only when its moment has come, so an idle worker asks nothing. The agenda may be
early (a task was closed in the meantime), never late: every new entry is reported to it, and an
index that was just taken over is due at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from typing import Final

from runner.store.calls import Index, IndexKind

SLACK: Final = 64
"""Outdated moments that are held whatever happens; beyond, they are at most as many as the others."""


class Schedule:
    """The next moment of each index of one kind in the homes that are owned, epoch ms of the store."""

    def __init__(self, kind: IndexKind, domains: Collection[str], shards: int) -> None:
        self._kind = kind
        self._domains = tuple(domains)
        self._shards = shards
        self._homes: frozenset[int] = frozenset()
        self._next: dict[Index, int] = {}
        self._heap: list[tuple[int, int, Index]] = []
        self._count = 0

    def assign(self, homes: Collection[int]) -> None:
        """Take over these homes, to be looked at at once, and let go of all others."""
        gained = frozenset(homes) - self._homes
        self._homes = frozenset(homes)
        self._next = {index: ms for index, ms in self._next.items() if index.home in self._homes}
        for home in gained:
            for domain in self._domains:
                for shard in range(self._shards):
                    self.schedule(Index(self._kind, domain, shard, home), 0)

    def owns(self, index: Index) -> bool:
        """Whether the home of an index is owned."""
        return index.home in self._homes

    def schedule(self, index: Index, moment_ms: int) -> None:
        """Look at an index at this moment at the latest; nothing if its home is not owned."""
        known = self._next.get(index)
        if not self.owns(index) or (known is not None and known <= moment_ms):
            return
        self._next[index] = moment_ms
        if len(self) > 2 * len(self._next) + SLACK:
            self._forget_outdated()
        else:
            self._push(index, moment_ms)

    def next_ms(self) -> int | None:
        """Return the earliest moment; None: nothing is expected."""
        while self._heap:
            moment_ms, _, index = self._heap[0]
            if self._next.get(index) == moment_ms:
                return moment_ms
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now_ms: int) -> list[Index]:
        """Return, and forget, the indexes whose moment has come, the longest due first."""
        due: list[Index] = []
        while (moment_ms := self.next_ms()) is not None and moment_ms <= now_ms:
            index = heapq.heappop(self._heap)[2]
            del self._next[index]
            due.append(index)
        return due

    def __len__(self) -> int:
        """Return how many moments are held, outdated ones included."""
        return len(self._heap)

    def _push(self, index: Index, moment_ms: int) -> None:
        self._count += 1
        heapq.heappush(self._heap, (moment_ms, self._count, index))

    def _forget_outdated(self) -> None:
        """Begin anew with what counts: an index looked at again and again leaves a moment every time."""
        self._heap.clear()
        for index, moment_ms in self._next.items():
            self._push(index, moment_ms)
