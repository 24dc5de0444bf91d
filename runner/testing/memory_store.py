"""Memory store: the Store Protocol in this process, for the simulation and for tests of the worker.

The code is also a plain description of the Redis scripts. Records and outcomes are kept as the same encoded
bytes, so that no object is shared by accident.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from runner.actions.decision import decode_outcome, encode_outcome
from runner.errors import StoreLost, StoreMismatch
from runner.store.calls import (
    NO_READS,
    Change,
    Completeness,
    Due,
    DueEntries,
    HomeCall,
    Index,
    IndexCursor,
    IndexKind,
    Loaded,
    Opened,
    Ownership,
    Phase,
    Restoring,
    ShardCall,
    Verdict,
)
from runner.store.connection.command import OnWait, idle
from runner.store.indexing import moves
from runner.store.keys import Keys
from runner.store.versions import ABSENT, is_open, revision_of, version_of
from runner.tasks.keys import TaskKey
from runner.tasks.parts import LIFE, encode_part
from runner.tasks.record import Record, read_record
from runner.tasks.source import Source

_ALWAYS: Final = ("state", "start", LIFE)
"""Parts that are always read."""


@dataclass(slots=True)
class _Verified:
    shard_token: str
    homes: set[int] = field(default_factory=set)
    is_complete: bool = False


@dataclass(slots=True)
class _Home:
    incarnation: int = 0
    fence: int = -1
    kept: dict[int, bytes] = field(default_factory=dict)
    applied_offset: int = 0
    restore_lease: str | None = None


class Stored(NamedTuple):
    """A record as stored; a change makes another one."""

    version: str
    parts: Mapping[str, bytes]
    """All parts by name, state and start among them."""


class MemoryStore:
    """The Store Protocol without I/O; ``now_ms`` is the clock of the store, epoch ms."""

    def __init__(self, now_ms: Callable[[], int], shards: int = 16) -> None:
        self._now_ms = now_ms
        self._keys = Keys("memory", shards)
        self._tasks: dict[TaskKey, Stored] = {}
        self._homes: dict[tuple[int, int], _Home] = {}
        self._indexes: dict[Index, list[tuple[int, bytes]]] = {}
        self._owner: Ownership | None = None
        self._incarnations: dict[str, int] = {}
        self._inherited = 0
        """Number of homes that may have tasks of an earlier topic."""
        self._committed: dict[tuple[int, int], int] = {}
        self._timeouts: dict[str, int] = {}
        self._verified: dict[int, _Verified] = {}

    @property
    def shards(self) -> int:
        return self._keys.shards

    def shard(self, task_id: str) -> int:
        return self._keys.shard(task_id)

    def exists(self) -> bool:
        return self._owner is not None

    def ping(self) -> None:
        """Return: the store always answers."""

    def open(self, ownership: Ownership) -> Opened:
        """Compare, or write, the owner of the store. Raises StoreMismatch where Redis would."""
        before = self._owner
        if before is not None:
            _check_owner(before, ownership)
        known = self._incarnations.get(ownership.topic_id)
        current = max(self._incarnations.values(), default=0)
        if known is not None and known < current:
            raise StoreMismatch(f"topic id {ownership.topic_id} is older than the one in use")
        first = 0 if known is None or before is None else before.partitions
        if known is None:
            known = max(current + 1, ownership.incarnation)
            self._incarnations[ownership.topic_id] = known
            self._inherited = ownership.partitions if known > 1 else 0
        self._owner = ownership
        for partition in range(first, ownership.partitions):
            self._committed.setdefault((known, partition), -1)
        return Opened(known, created=before is None)

    def homes(self) -> int:
        return 0 if self._owner is None else self._owner.partitions

    def add_homes(self, incarnation: int, homes: int) -> None:
        current = max(self._incarnations.values(), default=0)
        if self._owner is None or incarnation != current or homes <= self._owner.partitions:
            return
        for partition in range(self._owner.partitions, homes):
            self._committed.setdefault((incarnation, partition), -1)
        self._owner = replace(self._owner, partitions=homes)

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
        parts: Mapping[TaskKey, Collection[str]] = NO_READS,
    ) -> Loaded:
        on_wait()
        shard_tokens = (
            {} if completeness is None else self._require_complete(incarnation, reads, completeness)
        )
        records = {
            key: read_stored(key, self._tasks[key], parts.get(key, ())) if key in self._tasks else None
            for key, _ in reads
        }
        kept = {}
        for key, source in reads:
            home = self._homes.get((self.shard(key.id), source.partition))
            if home is not None and home.incarnation == incarnation:
                outcome = home.kept.get(source.offset)
                if outcome is not None:
                    kept[source] = decode_outcome(outcome)
        return Loaded(self._now_ms(), records, kept, shard_tokens)

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
        on_wait()
        return [self.apply_shard(call) for call in calls]

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Apply one call, all or nothing: every check before the first write."""
        verified = self._verified.get(call.shard)
        if call.shard_token and (verified is None or verified.shard_token != call.shard_token):
            return Verdict.LOST
        for home in call.homes:
            verdict = self._check_home(call, home)
            if verdict is not Verdict.APPLIED:
                return verdict
        for change in call.changes:
            is_compared = call.restoring is None or not change.remove
            if is_compared and self._version(change.key) != version_of(change.before):
                return Verdict.CONFLICT
        for home in call.homes:
            self._write_home(call, home)
        for change in call.changes:
            self._write_change(change, call.shard)
        for index, member in call.forget:
            self._indexes[index] = [e for e in self._indexes.get(index, []) if e[1] != member.encode()]
        return Verdict.APPLIED

    def bind_server(self) -> bool:
        """Return False: there is only one server."""
        return False

    def shards_behind(self, incarnation: int, base_offsets: Mapping[int, int]) -> list[tuple[int, int]]:
        return [
            (shard, home)
            for home, base_offset in base_offsets.items()
            for shard in range(self.shards)
            if self._applied_offset(incarnation, shard, home, none=-1 if home < self._inherited else 0)
            < base_offset
        ]

    def pending_tokens(self, homes: Collection[int], shard_token: str) -> dict[int, str]:
        shards = {
            shard: self._verified.setdefault(shard, _Verified(shard_token)) for shard in range(self.shards)
        }
        return {
            shard: verified.shard_token
            for shard, verified in shards.items()
            if not verified.homes.issuperset(homes)
        }

    def verified(self, homes: Collection[int], of: int, shard_tokens: Mapping[int, str]) -> None:
        for shard, shard_token in shard_tokens.items():
            verified = self._verified.get(shard)
            if verified is not None and verified.shard_token == shard_token:
                verified.homes.update(homes)
                verified.is_complete = verified.is_complete or verified.homes.issuperset(range(of))

    def index_entries(
        self, shard: int, home: int, domains: Collection[str], limit: int
    ) -> list[tuple[Index, str]]:
        indexes = [Index(kind, domain, shard, home) for kind in IndexKind for domain in domains]
        entries = [(index, m.decode()) for index in indexes for _, m in self._indexes.get(index, [])]
        return entries[:limit]

    def _applied_offset(self, incarnation: int, shard: int, partition: int, *, none: int = 0) -> int:
        home = self._homes.get((shard, partition))
        if home is None or home.incarnation != incarnation:
            return none
        return -1 if home.restore_lease is not None else home.applied_offset

    def _require_complete(
        self, incarnation: int, reads: Sequence[tuple[TaskKey, Source]], completeness: Completeness
    ) -> dict[int, str]:
        """Return the tokens of the shards read. Raises StoreLost unless they are known to be complete."""
        shard_tokens: dict[int, str] = {}
        for key, source in reads:
            shard = self.shard(key.id)
            if shard not in self._verified:
                raise StoreLost(f"shard {shard} is not verified")
            shard_tokens[shard] = self._verified[shard].shard_token
            if (
                self._applied_offset(incarnation, shard, source.partition)
                < completeness.base_offsets[source.partition]
            ):
                raise StoreLost(f"shard {shard} lacks what was committed of home {source.partition}")
            stored = self._tasks.get(key)
            is_certain = stored is not None and is_open(stored.version) and key not in completeness.others
            if not is_certain and not self._is_complete(shard):
                raise StoreLost(f"shard {shard} is not verified for every home")
        return shard_tokens

    def _is_complete(self, shard: int) -> bool:
        return shard in self._verified and self._verified[shard].is_complete

    def due(self, indexes: Sequence[Index], limit: int) -> Due:
        now = self._now_ms()
        return Due(now, {index: self._due(index, now, limit) for index in indexes})

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        for domain in domains:
            self._timeouts[domain] = max(self._timeouts.get(domain, to_ms), to_ms)

    def last_timeout(self, domain: str) -> int | None:
        return self._timeouts.get(domain)

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        for partition, offset in offsets.items():
            place = (incarnation, partition)
            self._committed[place] = max(self._committed.get(place, -1), offset)

    def committed(self, incarnation: int) -> dict[int, int]:
        return {
            partition: offset for (era, partition), offset in self._committed.items() if era == incarnation
        }

    def fences(self, incarnation: int, partitions: Collection[int]) -> dict[int, int]:
        fences: dict[int, int] = {}
        for (_, partition), home in self._homes.items():
            if home.incarnation == incarnation and partition in partitions:
                fences[partition] = max(home.fence, fences.get(partition, home.fence))
        return fences

    def record(self, key: TaskKey) -> Record | None:
        stored = self._tasks.get(key)
        return None if stored is None else read_stored(key, stored, stored.parts)

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        return [self.record(key) for key in keys]

    def whole_records(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        return self.records_of(keys)

    def records_with(self, parts: Mapping[TaskKey, Collection[str]]) -> list[Record | None]:
        return self.records_of(list(parts))

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        ranges: dict[Index, Sequence[tuple[str, int]]] = {}
        for index, cursor in cursors.items():
            entries = self._indexes.get(index, [])
            first = _first(entries, cursor)
            ranges[index] = [
                (member.decode(), score)
                for score, member in entries[first : first + limit]
                if to_ms is None or score <= to_ms
            ]
        return ranges

    def scores(self, entries: Sequence[tuple[Index, str]]) -> list[int | None]:
        index_entries = {
            index: {m.decode(): score for score, m in self._indexes.get(index, ())} for index, _ in entries
        }
        return [index_entries[index].get(member) for index, member in entries]

    def records(self) -> list[Record]:
        return [read_stored(key, stored, stored.parts) for key, stored in self._tasks.items()]

    def all_index_entries(self) -> set[tuple[Index, str, int]]:
        """Return every index entry; for checkers and tests."""
        return {
            (index, member.decode(), score)
            for index, entries in self._indexes.items()
            for score, member in entries
        }

    def _version(self, key: TaskKey) -> str:
        stored = self._tasks.get(key)
        return ABSENT if stored is None else stored.version

    def _check_home(self, call: ShardCall, home_call: HomeCall) -> Verdict:
        home = self._homes.get((call.shard, home_call.partition))
        if call.restoring is not None and call.restoring.phase in {Phase.WRITE, Phase.END}:
            has_lease = home is not None and home.restore_lease == call.restoring.token
            return Verdict.APPLIED if has_lease else Verdict.SUPERSEDED
        if home is not None and (home.incarnation, home.fence) > (call.incarnation, home_call.base_offset):
            return Verdict.SUPERSEDED
        return Verdict.APPLIED if call.restoring else self._check_batch(call, home_call, home)

    def _check_batch(self, call: ShardCall, home_call: HomeCall, home: _Home | None) -> Verdict:
        applied_offset = self._applied_offset(call.incarnation, call.shard, home_call.partition)
        if home_call.decided_up_to is not None and applied_offset < home_call.base_offset:
            return Verdict.LOST
        if home is None or home.incarnation < call.incarnation:
            return Verdict.APPLIED
        if any(offset in home.kept for offset, _ in home_call.kept):
            return Verdict.CONFLICT
        if home_call.require_none_kept and any(offset >= home_call.base_offset for offset in home.kept):
            return Verdict.CONFLICT
        return Verdict.APPLIED

    def _write_home(self, call: ShardCall, home_call: HomeCall) -> None:
        if call.restoring is not None and call.restoring.phase is not Phase.SET_OFFSET:
            self._write_restoring(call, home_call, call.restoring)
            return
        home = self._homes.setdefault((call.shard, home_call.partition), _Home())
        if home.incarnation != call.incarnation:
            home.incarnation, home.kept, home.applied_offset = call.incarnation, {}, 0
        home.fence = home_call.base_offset
        home.kept = {
            offset: outcome for offset, outcome in home.kept.items() if offset >= home_call.base_offset
        }
        home.kept.update((offset, encode_outcome(outcome)) for offset, outcome in home_call.kept)
        home.applied_offset = max(home.applied_offset, home_call.decided_up_to or 0)

    def _write_restoring(self, call: ShardCall, home_call: HomeCall, restoring: Restoring) -> None:
        place = (call.shard, home_call.partition)
        if restoring.phase is Phase.BEGIN:
            self._homes[place] = _Home(call.incarnation, home_call.base_offset, restore_lease=restoring.token)
            verified = self._verified.setdefault(call.shard, _Verified(restoring.token))
            verified.shard_token, verified.is_complete = restoring.token, False
            verified.homes.discard(home_call.partition)
        elif restoring.phase is Phase.END:
            home = self._homes[place]
            home.applied_offset, home.restore_lease = home_call.base_offset, None

    def _write_change(self, change: Change, shard: int) -> None:
        old, new = moves(change, shard)
        if change.remove:
            self._tasks.pop(change.key, None)
        elif change.after is not None:
            after = change.after
            self._tasks[change.key] = Stored(version_of(after), self._parts_after(change, after))
        for index, member, _ in (*old, *new):
            entries = self._indexes.setdefault(index, [])
            entries[:] = [entry for entry in entries if entry[1] != member.encode()]
        for index, member, at_ms in new:
            insort(self._indexes[index], (at_ms, member.encode()))

    def _parts_after(self, change: Change, after: Record) -> dict[str, bytes]:
        before = self._tasks.get(change.key)
        parts = {} if before is None else dict(before.parts)
        parts |= {"state": encode_part(after.state), "start": encode_part(after.start)}
        for name, part in change.parts.items():
            parts.pop(name, None)
            if part is not None:
                parts[name] = part
        return parts

    def _due(self, index: Index, now: int, limit: int) -> DueEntries:
        entries = self._indexes.get(index, [])
        due = [entry for entry in entries[:limit] if entry[0] <= now]
        rest = entries[len(due) : len(due) + 1]
        pairs = tuple((member.decode(), score) for score, member in due)
        return DueEntries(pairs, rest[0][0] if rest else None)


def read_stored(key: TaskKey, stored: Stored, names: Collection[str]) -> Record:
    """Return a stored record with those of its parts beside start and state that are named."""
    parts = {name: part for name, part in stored.parts.items() if name in names and name not in _ALWAYS}
    state, start, life = (stored.parts.get(name) for name in _ALWAYS)
    return read_record(key, revision_of(stored.version), state or b"", start or b"", life, parts)


def _first(entries: Sequence[tuple[int, bytes]], cursor: IndexCursor) -> int:
    """Return the position of the first entry from a cursor on."""
    if cursor.score_ms is None:
        return 0
    if cursor.member:
        return bisect_right(entries, (cursor.score_ms, cursor.member.encode()))
    return (bisect_left if cursor.at_moment else bisect_right)(entries, cursor.score_ms, key=_score)


def _score(entry: tuple[int, bytes]) -> int:
    return entry[0]


def _check_owner(stored: Ownership, ownership: Ownership) -> None:
    for name in ("cluster_id", "topic", "group", "changelog"):
        if getattr(stored, name) != getattr(ownership, name):
            raise StoreMismatch(
                f"the store belongs to {name} {getattr(stored, name)!r}, not {getattr(ownership, name)!r}"
            )
    if ownership.partitions < stored.partitions:
        raise StoreMismatch(f"the store knows {stored.partitions} partitions, not {ownership.partitions}")
