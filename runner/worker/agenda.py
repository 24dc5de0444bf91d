"""When to look at which index next: the moments known, earliest first.

An index is asked only when its moment has come, so an idle worker asks nothing. The agenda may be
early (a task was closed in the meantime), never late: every new entry is reported to it, and an
index that was just taken over is due at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from runner.store.calls import Index


class Agenda:
    """The next moment of each index, epoch ms of the store."""

    def __init__(self) -> None:
        self._next: dict[Index, int] = {}
        self._heap: list[tuple[int, int, Index]] = []
        self._count = 0

    def keep(self, wanted: Callable[[Index], bool]) -> None:
        """Forget every index that is not wanted."""
        self._next = {index: ms for index, ms in self._next.items() if wanted(index)}

    def expect(self, index: Index, moment_ms: int) -> None:
        """Look at an index at this moment at the latest."""
        known = self._next.get(index)
        if known is not None and known <= moment_ms:
            return
        self._next[index] = moment_ms
        self._count += 1
        heapq.heappush(self._heap, (moment_ms, self._count, index))

    def next_ms(self) -> int | None:
        """Return the earliest moment; None: nothing is expected."""
        while self._heap:
            moment_ms, _, index = self._heap[0]
            if self._next.get(index) == moment_ms:
                return moment_ms
            heapq.heappop(self._heap)
        return None

    def take(self, now_ms: int) -> list[Index]:
        """Return, and forget, the indexes whose moment has come, the longest due first."""
        due: list[Index] = []
        while (moment_ms := self.next_ms()) is not None and moment_ms <= now_ms:
            index = heapq.heappop(self._heap)[2]
            del self._next[index]
            due.append(index)
        return due
