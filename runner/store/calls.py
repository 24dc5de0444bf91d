"""The Protocol of a store, with the plain data of its calls and answers.

Two stores implement the Protocol: Redis (``redis_store``) and memory (``memory_store``). One contract
suite tests both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec

from runner.actions.decision import Outcome
from runner.store.connection.command import OnWait, idle
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source


@dataclass(frozen=True, slots=True)
class Loaded:
    """Answer of a load: the record of every task read, and the decision kept of any event read."""

    now_ms: int
    """Clock of the store at the load, epoch ms."""
    records: Mapping[TaskKey, Record | None]
    kept: Mapping[Source, Outcome]
    """Outcomes of the events read, where an earlier delivery of the same message kept one."""
    shard_tokens: Mapping[int, str] = field(default_factory=dict)
    """Shard token of each shard read, where the load demands completeness; a loss changes the token."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """Demand on a load: the shards hold every committed change of the homes and of the tasks read."""

    base_offsets: Mapping[int, int]
    """Base offset of each home; the applied offset of the home in a shard must have reached it.

    That a record is absent or closed is certain only once all homes are verified in the shard: a closed
    record may have been removed, and its task started again in a home of which the shard lost everything.
    """

    others: Collection[TaskKey] = ()
    """Records of other tasks than those of the events: whether there or not, certain only then as well."""


NO_READS: Final[Mapping[TaskKey, Collection[str]]] = {}
"""None; never changed."""


class Change(msgspec.Struct, frozen=True):
    """Change of one task: the record expected in the store, and the record that replaces it."""

    key: TaskKey
    before: Record | None
    """Record from which the decision was made; its version must still be the stored one."""
    after: Record | None
    """New record; None leaves the record unchanged, unless ``remove``."""
    remove: bool = False
    parts: Mapping[str, bytes | None] = {}
    """Parts beside start and state that are written; None: removed."""
    entries: tuple[Entry, ...] | None = None
    """Index entries of the new record, where they are known already; None: they follow from it."""


class Phase(Enum):
    """Step of restoring a home in a shard."""

    BEGIN = "BEGIN"
    """Take the restore lease; delete kept decisions and applied offset. Only the holder writes then."""
    WRITE = "WRITE"
    """Write records after comparing versions, or remove records without comparing."""
    END = "END"
    """Release the lease: the shard holds every change committed below the base offset."""
    SET_OFFSET = "SET_OFFSET"
    """Set the first applied offset of a home without restoring it; decisions kept beyond it stay."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """Restore lease and step: only the worker that took the lease last may continue, others are refused."""

    token: str
    phase: Phase


class HomeCall(msgspec.Struct, frozen=True):
    """One home in a call: base offset of the batch, and the decisions to keep."""

    partition: int
    base_offset: int
    """The committed offset from which the batch of this home began."""
    kept: tuple[tuple[int, Outcome], ...] = ()
    """(offset, outcome), ascending."""
    require_none_kept: bool = False
    """Whether a decision kept at or after the base offset is a CONFLICT (used by removal)."""
    decided_up_to: int | None = None
    """Next applied offset: with this call the shard holds every change of the home's events below it.

    A stored applied offset below the base offset is LOST. None: no applied offset is kept or compared.
    """


class ShardCall(msgspec.Struct, frozen=True):
    """Atomic call to one shard: everything in it is written, or nothing."""

    shard: int
    incarnation: int
    homes: tuple[HomeCall, ...]
    changes: tuple[Change, ...]
    restoring: Restoring | None = None
    """Step of restoring the homes of the call; removed records are not compared then."""
    forget: tuple[tuple[Index, str], ...] = ()
    """Index entries to remove, whatever their tasks are (used by restoring)."""
    shard_token: str = ""
    """Shard token at the load; a different one now is LOST. Empty: not compared."""


class Verdict(Enum):
    """Result of a ShardCall."""

    APPLIED = "APPLIED"
    CONFLICT = "CONFLICT"
    """A record changed, or a decision of one of the events is kept already: load and decide again."""
    SUPERSEDED = "SUPERSEDED"
    """A later batch of one of the homes was seen: this worker no longer owns the home."""
    LOST = "LOST"
    """The shard lacks a committed change: restore it first."""


class IndexKind(Enum):
    """Moment of a task by which an index is ordered."""

    DEADLINES = "deadlines"
    """Open tasks by deadline; members as ``DueTask.member``."""
    UNDATED = "undated"
    """Open tasks without a deadline by start; members are ids. For lists only."""
    HOOKS = "hooks"
    """Open tasks by when their next hooks are due; members as ``DueTask.member``, with their number."""
    REMOVALS = "removals"
    """Closed tasks by the end of their retention; members as ``revision;id``."""

    # A member is one object; the hash of Enum is a call of Python, some of them an event.
    __hash__ = object.__hash__


class Index(NamedTuple):
    """Sorted set of the tasks of one domain, shard and home."""

    kind: IndexKind
    domain: str
    shard: int
    home: int


@dataclass(frozen=True, slots=True)
class IndexCursor:
    """Position in an index at which reading begins: after a moment, at a moment, or after an entry."""

    score_ms: int | None = None
    """None: from the start."""
    at_moment: bool = False
    """Whether reading begins with the entries of the moment itself."""
    member: str = ""
    """Last entry read at the moment, whether or not the entry is still there; empty: none."""


Entry: TypeAlias = tuple[Index, str, int]
"""Entry of an index: the index, the member, and its moment in epoch ms."""


@dataclass(frozen=True, slots=True)
class DueEntries:
    """Due entries of an index, earliest first, and the moment of the entry after them."""

    entries: tuple[tuple[str, int], ...]
    """(member, epoch ms)."""
    next_ms: int | None
    """Moment of the first entry that is not in ``entries``; None: there is none."""


@dataclass(frozen=True, slots=True)
class Due:
    """Due entries of some indexes, and the clock of the store with which they were compared."""

    now_ms: int
    by_index: Mapping[Index, DueEntries]


NONE: Final = "none"
"""Changelog setting of a key space without a changelog."""

LISTS: Final = "lists"
"""Changelog setting where the changelog is not written in transactions: it serves lists, not restoring."""

FILLING: Final = "filling/"
"""Prefix of the setting while the changelog is filled from the store; the token of the filler follows."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Owner of a key space. Only ``topic_id``, ``incarnation`` and ``partitions`` may change."""

    cluster_id: str
    topic: str
    topic_id: str
    group: str
    partitions: int
    changelog: str = ""
    """Id of the topic from which the store can be restored; LISTS; empty: there is none.

    The id of a topic must not change; opening with LISTS or without a changelog ends a filling.
    """
    incarnation: int = 0
    """Incarnation of the topic id before the store lost it; 0: not known."""


@dataclass(frozen=True, slots=True)
class KeySpace:
    """Owner and form of a key space, for readers that do not open it."""

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
    """Answer of opening a store."""

    incarnation: int
    created: bool = field(default=False)
    """Whether the key space was empty until now."""


class Store(Protocol):
    """Store of records, indexes and kept decisions.

    Every method blocks until the answer arrives. StoreUnavailable: no answer; the call may or may not
    have taken effect. No other error is raised while the store is healthy, except StoreMismatch by
    ``open``.
    """

    @property
    def shards(self) -> int:
        """Number of shards; fixed for the life of a key space."""

    def shard(self, task_id: str) -> int: ...

    def open(self, ownership: Ownership) -> Opened:
        """Compare, or write, the owner of the key space. A new topic id is a new incarnation."""

    def exists(self) -> bool:
        """Whether the key space has been opened before."""

    def homes(self) -> int:
        """Return the number of home partitions of the key space; it only grows."""

    def add_homes(self, incarnation: int, homes: int) -> None:
        """Raise the number of home partitions to ``homes``; the new ones have nothing committed.

        Known homes do not change. No effect where the key space is gone or of another incarnation.
        """

    def ping(self) -> None: ...

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
        parts: Mapping[TaskKey, Collection[str]] = NO_READS,
    ) -> Loaded:
        """Return the records and kept decisions of these events; without reads, only the time.

        ``parts`` names the parts of records that are read beside start, state and life.
        With ``completeness``, StoreLost unless the shards are known to hold every committed change.
        """

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
        """Apply each call atomically, in order; return one verdict for each."""

    def due(self, indexes: Sequence[Index], limit: int) -> Due:
        """Return the due entries of each index, at most ``limit``, by the clock of the store."""

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        """Return up to ``limit`` entries (member, epoch ms) of each index from its cursor on."""

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        """Raise the last timeout of the domains; a lower value has no effect."""

    def last_timeout(self, domain: str) -> int | None:
        """Return the end of the last TimeoutBetween pass of a domain, epoch ms."""

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Raise the offsets known to be committed, by partition; lower values have no effect."""

    def committed(self, incarnation: int) -> dict[int, int]:
        """Return the offsets known to be committed, by partition; -1: none yet."""

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        """Return the fence of each of these homes, the highest of any shard; homes without one are left out.

        Events below the fence are committed, even if no worker has recorded that (``note_committed``).
        """


class RestorableStore(Store, Protocol):
    """Store that detects its losses, and that can be restored.

    A shard keeps the applied offset of each home, and the homes that are verified on this server.
    """

    def bind_server(self) -> bool:
        """Bind reads and changes to the server that answers now; any other server is StoreLost from now on.

        Return whether it is another server than before: its content may be older.
        """

    def shards_behind(self, incarnation: int, base_offsets: Mapping[int, int]) -> list[tuple[int, int]]:
        """Return (shard, home) wherever the applied offset of a home lies below its base offset.

        Where the topic was made again, a home without an applied offset is always behind: tasks of the
        earlier topic may be gone although nothing of the home is committed.
        """

    def pending_tokens(self, homes: Collection[int], shard_token: str) -> Mapping[int, str]:
        """Return the shard token of each shard in which one of these homes is not verified.

        A shard without a token on this server gets ``shard_token``, which must be new. A token that is
        unchanged later proves that the shard lost nothing since, and that no restoring began.
        """

    def verified(self, homes: Collection[int], of: int, shard_tokens: Mapping[int, str]) -> None:
        """Mark homes, of ``of`` in all, as verified; no effect in shards whose token has changed."""

    def index_entries(
        self, shard: int, home: int, domains: Collection[str], limit: int
    ) -> list[tuple[Index, str]]:
        """Return up to ``limit`` index entries of a home in a shard; empty: no task of the home is there."""


@dataclass(frozen=True, slots=True)
class Page:
    """Limit and starting cursor of one page of a long answer."""

    limit: int
    cursor: str | None = None
