"""What the worker asks of a store and what it is told: plain data, and the Protocol of a store.

Two stores keep to it: Redis (``redis_store``) and memory (``memory_store``); one contract suite
runs over both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from runner.actions.decision import Outcome
from runner.tasks.due import DuePage
from runner.tasks.record import Record, TaskKey
from runner.tasks.source import Source


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load found. Both mappings name everything that was asked for."""

    now_ms: int
    """Time of the store at the load, epoch ms."""
    records: Mapping[TaskKey, Record | None]
    kept: Mapping[Source, Outcome]
    """Decisions of these very events, where an earlier delivery left one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One task in an apply: what it must be, and what it becomes."""

    key: TaskKey
    before: Record | None
    """The record the decisions were made from: this revision of this generation must still be there."""
    after: Record | None
    """The new record; None leaves it as it is, unless ``remove``."""
    remove: bool = False


@dataclass(frozen=True, slots=True)
class HomeCall:
    """One home partition in an apply: where its batch began, and the decisions to keep."""

    partition: int
    base: int
    """The committed offset from which the batch of this home began."""
    kept: tuple[tuple[int, Outcome], ...] = ()
    """(offset, outcome), ascending."""
    settled: bool = False
    """Demand that no decision at or after the base is kept (asked by removal)."""


@dataclass(frozen=True, slots=True)
class ShardCall:
    """One atomic call: all of it is written, or nothing."""

    shard: int
    incarnation: int
    homes: tuple[HomeCall, ...]
    changes: tuple[Change, ...]


class Verdict(Enum):
    """What became of a ShardCall."""

    APPLIED = "APPLIED"
    CONFLICT = "CONFLICT"
    """A record moved, or a decision for one of the events is there already: load and decide again."""
    SUPERSEDED = "SUPERSEDED"
    """A later batch of one of the homes has been seen: this worker no longer owns it."""


class IndexKind(Enum):
    """Which moment of a task an index orders by."""

    DEADLINES = "deadlines"
    """Open tasks by deadline; members as ``DueTask.member``."""
    UNDATED = "undated"
    """Open tasks without a deadline by their start; members are ids. For lists only."""
    REMOVALS = "removals"
    """Closed tasks by the end of their retention; members as ``revision;id``."""


@dataclass(frozen=True, slots=True)
class Index:
    """One sorted set: the tasks of a domain, in a shard, with one home."""

    kind: IndexKind
    domain: str
    shard: int
    home: int


@dataclass(frozen=True, slots=True)
class DueEntries:
    """The entries of an index whose moment has come, earliest first, and when the next comes."""

    entries: tuple[tuple[str, int], ...]
    """(member, epoch ms)."""
    next_ms: int | None
    """Moment of the first entry that was not given; None: no more."""


@dataclass(frozen=True, slots=True)
class Due:
    """What a sweep found, and the time of the store it was compared with."""

    now_ms: int
    found: Mapping[Index, DueEntries]


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose key space this is. All but ``topic_id`` and ``partitions`` must stay as they were."""

    cluster_id: str
    topic: str
    topic_id: str
    group: str
    partitions: int


@dataclass(frozen=True, slots=True)
class KeySpace:
    """What a key space says of itself, to those who only read it."""

    layout: int
    shards: int
    topic: str
    group: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening a store says."""

    incarnation: int
    created: bool = field(default=False)
    """Whether the key space was empty until now."""


class Store(Protocol):
    """Where records, indexes and kept decisions live.

    Every method blocks until the answer is there. StoreUnavailable: no answer; what was asked may
    or may not have happened. Nothing else is raised while the store is healthy, except
    StoreMismatch by ``open``.
    """

    @property
    def shards(self) -> int:
        """Number of shards; fixed for the life of a key space."""
        ...

    def open(self, ownership: Ownership) -> Opened:
        """Compare, or write, whose key space this is. A new topic id is a new incarnation."""
        ...

    def exists(self) -> bool:
        """Whether the key space has been opened before."""
        ...

    def homes(self) -> int:
        """Return how many home partitions the key space has; tasks lie in no other. It only grows."""
        ...

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Note that the topic has so many partitions now: of those that are new, nothing is committed.

        Changes nothing of those known before; nothing at all where the key space is gone or of another
        incarnation.
        """
        ...

    def ping(self) -> None:
        """Return if the store answers."""
        ...

    def load(self, incarnation: int, reads: Sequence[tuple[TaskKey, Source]]) -> Loaded:
        """Return the records and kept decisions of these events; an empty list gives the time."""
        ...

    def apply(self, calls: Sequence[ShardCall]) -> list[Verdict]:
        """Apply each call by itself, in order; one verdict each."""
        ...

    def due(self, indexes: Sequence[Index], limit: int) -> Due:
        """Return what is due now, at most ``limit`` entries an index."""
        ...

    def due_between(
        self, domains: Sequence[str], homes: int, period: tuple[int | None, int | None], page: Page
    ) -> tuple[int, DuePage]:
        """Return the time and one page of the open tasks with a deadline in ``(from, to]``."""
        ...

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        """Raise the last timeout of the domains; it never moves back."""
        ...

    def last_timeout(self, domain: str) -> int | None:
        """Return the end of the last TimeoutBetween pass of a domain, epoch ms."""
        ...

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Raise the offsets known to be committed, by partition; they never move back."""
        ...

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return the offsets known to be committed, by partition; -1: none yet."""
        ...

    def floors(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return the highest base seen of these homes in any shard; homes never seen are left out.

        Everything below it is committed: the note of that may have been lost with its worker.
        """
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Which stretch of a long answer is wanted."""

    limit: int
    cursor: str | None = None
