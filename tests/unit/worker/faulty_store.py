"""The memory store, with faults on order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from runner.store.calls import (
    NO_READS,
    Completeness,
    Due,
    Index,
    IndexCursor,
    Loaded,
    ShardCall,
    Verdict,
)
from runner.store.connection.command import OnWait, idle
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.testing.memory_store import MemoryStore
from tests.unit.worker.faults import Faults


class FaultyStore(MemoryStore):
    """A MemoryStore whose calls may fail; ``asked`` lists them."""

    def __init__(self, now_ms: Callable[[], int], faults: Faults, shards: int = 4) -> None:
        super().__init__(now_ms, shards)
        self._faults = faults
        self.asked: list[str] = []
        self.entries_given = 0
        """How many index entries sweeps were given, all together."""

    def ping(self) -> None:
        self._called("ping")
        super().ping()

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
        parts: Mapping[TaskKey, Collection[str]] = NO_READS,
    ) -> Loaded:
        self._called("load")
        return super().load(incarnation, reads, completeness, on_wait, parts)

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
        self._called("apply")
        return super().apply(calls, on_wait)

    def due(self, indexes: Sequence[Index], limit: int) -> Due:
        self._called("due")
        answer = super().due(indexes, limit)
        self.entries_given += sum(len(found.entries) for found in answer.by_index.values())
        return answer

    def homes(self) -> int:
        self._called("homes")
        return super().homes()

    def add_homes(self, incarnation: int, homes: int) -> None:
        self._called("add_homes")
        super().add_homes(incarnation, homes)

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        self._called("entries")
        return super().entries(cursors, to_ms, limit)

    def last_timeout(self, domain: str) -> int | None:
        self._called("last_timeout")
        return super().last_timeout(domain)

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        self._called("note_timeout")
        super().note_timeout(domains, to_ms)

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        self._called("note_committed")
        super().note_committed(incarnation, offsets)

    def committed(self, incarnation: int) -> dict[int, int]:
        self._called("committed")
        return super().committed(incarnation)

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        self._called("fences")
        return super().fences(incarnation, partitions)

    def _called(self, name: str) -> None:
        self.asked.append(name)
        self._faults.strike(f"store.{name}")
