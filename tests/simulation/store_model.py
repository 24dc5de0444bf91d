"""A model of Redis: the memory store, reached over a network that fails.

Every call of a shard is a scheduling point of its own. A call may time out before it happened, after
it happened, or be carried out after its caller has gone on or died.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol, TypeVar

from runner.errors import StoreLost, StoreUnavailable
from runner.store.calls import (
    NO_READS,
    Completeness,
    Due,
    Index,
    IndexCursor,
    Loaded,
    Opened,
    Ownership,
    ShardCall,
    Verdict,
)
from runner.store.connection.command import OnWait, idle
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.testing.memory_store import MemoryStore
from tests.simulation.chaos import Chaos, Fault
from tests.simulation.log_client import Process
from tests.simulation.scheduler import Scheduler

LATEST_MS: Final = 3000
Answer = TypeVar("Answer")


class Redis(Protocol):
    """The server: the store itself, and the watch over it."""

    store: MemoryStore
    life: int
    """Counts the servers that took over from each other."""

    ownership: Ownership

    def apply_shard(self, call: ShardCall, said: Callable[..., None]) -> Verdict:
        """Carry out one call."""
        ...


class StoreClient:
    """The Store Protocol of one worker process."""

    def __init__(
        self, redis: Redis, process: Process, chaos: Chaos, scheduler: Scheduler, ownership: Ownership
    ) -> None:
        """``ownership``: with as many partitions as the process found when it began."""
        self._redis = redis
        self._ownership = ownership
        self._process = process
        self._chaos = chaos
        self._scheduler = scheduler
        self._life = redis.life
        redis.store.open(ownership)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return self._redis.store.shards

    def shard(self, task_id: str) -> int:
        """Return the shard of an id."""
        return self._redis.store.shard(task_id)

    def open(self, ownership: Ownership) -> Opened:
        """The simulation opens the store itself."""
        return self._redis.store.open(ownership)

    def exists(self) -> bool:
        """Whether it was opened."""
        return self._redis.store.exists()

    def ping(self) -> None:
        """Return if it answers."""
        self._asked("note", lambda: None)

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
        parts: Mapping[TaskKey, Collection[str]] = NO_READS,
    ) -> Loaded:
        """Return records and kept decisions."""
        on_wait()

        def load() -> Loaded:
            return self._redis.store.load(incarnation, reads, completeness, parts=parts)

        return self._asked("load", lambda: self._bound(load))

    def bind_server(self) -> bool:
        """Take the server that is there now; one that has lost everything is opened again."""
        before, self._life = self._life, self._asked("verify", self._opened_life)
        return self._life != before

    def shards_behind(self, incarnation: int, bases: Mapping[int, int]) -> list[tuple[int, int]]:
        """Return where a mark lies below the base."""
        return self._asked("verify", lambda: self._redis.store.shards_behind(incarnation, bases))

    def pending_tokens(self, homes: Collection[int], note: str) -> Mapping[int, str]:
        """Return the notes of shards in which homes are yet to be verified."""
        return self._asked(
            "verify", lambda: self._bound(lambda: self._redis.store.pending_tokens(homes, note))
        )

    def verified(self, homes: Collection[int], of: int, notes: Mapping[int, str]) -> None:
        """Note that these homes lack nothing."""
        self._asked("verify", lambda: self._bound(lambda: self._redis.store.verified(homes, of, notes)))

    def index_entries(
        self, shard: int, home: int, domains: Collection[str], limit: int
    ) -> list[tuple[Index, str]]:
        """Return some index entries of a home."""
        return self._asked(
            "verify", lambda: self._redis.store.index_entries(shard, home, domains, min(limit, 2))
        )

    def _opened_life(self) -> int:
        if not self._redis.store.exists():
            self._redis.store.open(self._ownership)
        return self._redis.life

    def _bound(self, call: Callable[[], Answer]) -> Answer:
        """Ask only the server that was verified."""
        if self._life != self._redis.life:
            raise StoreLost("another server")
        return call()

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
        """Apply each call; nobody knows about all of them if one is not answered."""
        on_wait()
        verdicts: list[Verdict] = []
        unreachable = False
        for call in calls:
            point = _point_of(call)
            self._process.point(point)
            fault = self._chaos.store_fault(point)
            if fault is Fault.LATE:
                self._later(call)
            elif fault is not Fault.BEFORE:
                verdicts.append(self._bound(lambda call=call, how=fault.value: self._apply(call, how)))  # type: ignore[misc]
            unreachable = unreachable or fault is not Fault.NONE
        if unreachable:
            raise StoreUnavailable("no answer")
        if calls:
            self._process.point("applied")
        return verdicts

    def due(self, indexes: Sequence[Index], limit: int) -> Due:
        """Return what is due."""
        return self._asked("due", lambda: self._redis.store.due(indexes, limit))

    def homes(self) -> int:
        """Return how many homes there are."""
        return self._asked("due", self._redis.store.homes)

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Note that there are more homes."""
        self._asked("note", lambda: self._redis.store.add_homes(incarnation, homes))

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        """Return entries of each index."""
        return self._asked("due", lambda: self._redis.store.entries(cursors, to_ms, limit))

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        """Raise the last timeout."""
        self._asked("note", lambda: self._redis.store.note_timeout(domains, to_ms))

    def last_timeout(self, domain: str) -> int | None:
        """Return the last timeout."""
        return self._asked("note", lambda: self._redis.store.last_timeout(domain))

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Raise the offsets known to be committed."""
        self._asked("note", lambda: self._redis.store.note_committed(incarnation, offsets))

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return the offsets known to be committed."""
        return self._asked("committed", lambda: self._redis.store.committed(incarnation))

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return the highest bases seen."""
        return self._asked("committed", lambda: self._redis.store.fences(incarnation, partitions))

    def _later(self, call: ShardCall) -> None:
        life = self._life

        def late() -> None:
            # What was on its way to a server that is gone is gone as well.
            if life == self._redis.life:
                self._apply(call, "late")

        self._scheduler.after(self._chaos.some_ms(LATEST_MS), late)

    def _apply(self, call: ShardCall, how: str) -> Verdict:
        def said(*words: object) -> None:
            self._process.trace(*words, "" if how == "none" else f"({how})")

        return self._redis.apply_shard(call, said)

    def _asked(self, point: str, call: Callable[[], Answer]) -> Answer:
        self._process.point(point)
        fault = self._chaos.store_fault(point)
        if fault is Fault.NONE:
            return call()
        if fault is Fault.LATE:
            self._scheduler.after(self._chaos.some_ms(500), lambda: _unheard(call))
        elif fault is Fault.AFTER:
            call()
        raise StoreUnavailable("no answer")


def _point_of(call: ShardCall) -> str:
    if call.restoring is not None:
        return "restore"
    return "remove" if any(change.remove for change in call.changes) else "apply"


def _unheard(call: Callable[[], Answer]) -> None:
    """Carry out a call whose caller has gone on: what it says reaches nobody."""
    with suppress(StoreLost):
        call()
