"""What the worker asks of a store and what it is told: plain data, and the Protocol of a store.

Two stores keep to it: Redis (``redis_store``) and memory (``memory_store``); one contract suite
runs over both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

import msgspec

from runner.actions.decision import Outcome
from runner.store.connection.command import OnWait, idle
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
    shard_tokens: Mapping[int, str] = field(default_factory=dict)
    """With ``Completeness``: the token of each shard that was read; a loss there gives it another."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a load must be sure of before it says what is there, and what is not."""

    base_offsets: Mapping[int, int]
    """Where the batch of each home began: the marks of its shards must have come so far.

    Whether something is *not* there, or closed, can be told only once all homes were verified in its
    shard: what is closed may have been removed, and started anew in a home of which the shard lost all.
    """


class Change(msgspec.Struct, frozen=True):
    """One task in an apply: what it must be, and what it becomes."""

    key: TaskKey
    before: Record | None
    """The record the decisions were made from: this revision of this generation must still be there."""
    after: Record | None
    """The new record; None leaves it as it is, unless ``remove``."""
    remove: bool = False


class Phase(Enum):
    """A step of restoring what a shard holds of a home."""

    BEGIN = "BEGIN"
    """Forget decisions and mark; nobody else writes from here on."""
    WRITE = "WRITE"
    """Put records where there is what is said to be there before, or take out whatever is there."""
    END = "END"
    """The shard holds all that was committed below the base."""
    SET_OFFSET = "SET_OFFSET"
    """The same of a home that nobody restores, and that had no marks: what is decided beyond stays kept."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """Who restores: whoever began last with the home goes on, all others are refused."""

    token: str
    phase: Phase


class HomeCall(msgspec.Struct, frozen=True):
    """One home partition in an apply: where its batch began, and the decisions to keep."""

    partition: int
    base_offset: int
    """The committed offset from which the batch of this home began."""
    kept: tuple[tuple[int, Outcome], ...] = ()
    """(offset, outcome), ascending."""
    settled: bool = False
    """Demand that no decision at or after the base is kept (asked by removal)."""
    decided_up_to: int | None = None
    """With this call the shard holds all that events of the home below this offset did to it.

    It becomes the *mark* of home and shard, and a mark below the base is LOST. None: no marks are kept.
    """


class ShardCall(msgspec.Struct, frozen=True):
    """One atomic call: all of it is written, or nothing."""

    shard: int
    incarnation: int
    homes: tuple[HomeCall, ...]
    changes: tuple[Change, ...]
    restoring: Restoring | None = None
    """A step of restoring its homes: records that are taken out are not compared."""
    forget: tuple[tuple[Index, str], ...] = ()
    """Index entries to take out, whatever they stand for (asked by restoring)."""
    shard_token: str = ""
    """The note of the shard when it was read: if it is another now, LOST. Empty: not read, or no notes."""


class Verdict(Enum):
    """What became of a ShardCall."""

    APPLIED = "APPLIED"
    CONFLICT = "CONFLICT"
    """A record moved, or a decision for one of the events is there already: load and decide again."""
    SUPERSEDED = "SUPERSEDED"
    """A later batch of one of the homes has been seen: this worker no longer owns it."""
    LOST = "LOST"
    """The shard lacks something that was committed: it must be restored first."""


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


NONE: Final = "none"
"""What a key space says of its changelog where it has none."""

LISTS: Final = "lists"
"""The same where there is one that was not written in transactions: nothing is restored from it."""

FILLING: Final = "filling/"
"""What stands before a token while the changelog is written from the store, by whoever has the token."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose key space this is. All but ``topic_id`` and ``partitions`` must stay as they were."""

    cluster_id: str
    topic: str
    topic_id: str
    group: str
    partitions: int
    changelog: str = ""
    """Id of the topic from which the store can be restored; LISTS; empty: there is none.

    A topic must stay as it was; without one, a filling that goes on is ended by it.
    """
    incarnation: int = 0
    """What the topic id was known as before the store lost it; 0: not known."""


@dataclass(frozen=True, slots=True)
class KeySpace:
    """What a key space says of itself, to those who only read it."""

    layout: int
    shards: int
    topic: str
    group: str
    partitions: int
    incarnation: int
    """Of the topic that was opened last."""
    changelog: str
    """Id of the topic from which the store can be restored; LISTS; empty: there is none (yet)."""


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

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
    ) -> Loaded:
        """Return the records and kept decisions of these events; an empty list gives the time.

        With ``whole``, StoreLost unless everything asked for is sure to be there.
        """
        ...

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
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

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return the highest base seen of these homes in any shard; homes never seen are left out.

        Everything below it is committed: the note of that may have been lost with its worker.
        """
        ...


class RestorableStore(Store, Protocol):
    """A store that can tell whether it has lost something, and be filled again.

    A shard keeps a *mark* for each home, and which homes were verified since this server took over.
    """

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Note that there are so many home partitions now."""
        ...

    def bind_server(self) -> bool:
        """Take the server that answers now for the one to be verified; all others are StoreLost.

        Whether it is another than before: what is in it may be older.
        """
        ...

    def shards_behind(self, incarnation: int, base_offsets: Mapping[int, int]) -> list[tuple[int, int]]:
        """Return (shard, home) of the shards whose mark of a home lies below its base.

        Where the topic was made again, a home without a mark is one of them whatever its base: tasks from
        before may be gone although nothing was committed of it.
        """
        ...

    def pending_tokens(self, homes: Collection[int], shard_token: str) -> Mapping[int, str]:
        """Return the note of each shard that does not say of all these homes that they were verified.

        It is ``shard_token``, text that nobody had before, where the shard had none on this server: so a note
        that is still there tells that nothing was lost since, and that no home is being restored anew.
        """
        ...

    def verified(self, homes: Collection[int], of: int, shard_tokens: Mapping[int, str]) -> None:
        """Note in these shards that these homes, of so many, lack nothing; where the note is another, not."""
        ...

    def index_entries(
        self, shard: int, home: int, domains: Collection[str], limit: int
    ) -> list[tuple[Index, str]]:
        """Return some index entries of a home in a shard; none: it holds nothing of the home."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Which stretch of a long answer is wanted."""

    limit: int
    cursor: str | None = None
