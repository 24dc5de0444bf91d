"""Compares a shard of the store with the changelog; changes nothing, and is right while workers run.

The first pass reads the shard's changelog partition to its end, then all records of the shard. A task that
differs may only have changed meanwhile, so it is read again, in an order that tells the two apart:

  1 the store: record and index entries, twice, so that they belong together
  2 the committed offsets of the homes
  3 the changelog messages written since

A task with a new changelog message in 3 is read once more. Otherwise either the record in the store was
made by an event that is not committed yet, which is no difference; or that event is committed, so its
changelog message is written, and the record in the changelog has to equal the one in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Final, Protocol

from runner.changelog.codec import changelog_key, split_key
from runner.changelog.restorer import ChangelogReader
from runner.changelog.snapshot import LIMIT_BYTES, ChangelogSnapshot
from runner.store.calls import Index, IndexCursor, IndexKind
from runner.store.indexing import entries_of, task_id_of
from runner.store.listing import ListableStore
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import parse_source

TRIES: Final = 8
"""Passes over the tasks that differ; one that changes every time is taken to be in use."""

_CHUNK: Final = 500


class Difference(Enum):
    """How store and changelog differ about a task."""

    MISSING = "missing"
    """The changelog has a record, the store has none."""
    STALE = "stale"
    """The store has another record than the changelog."""
    UNEXPECTED = "unexpected"
    """The store has a record or entry of a task that has no record in the changelog."""
    UNINDEXED = "unindexed"
    """The record is right, and its index entry is missing or there is a second one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One task about which store and changelog differ."""

    shard: int
    home: int
    key: TaskKey
    what: Difference


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of comparing a shard."""

    tasks: int
    """Tasks with a record in the changelog."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """The committed offsets of the group, and the time of the store."""

    committed: Mapping[int, int]
    """Committed offset by home."""
    now_ms: int


class ComparedStore(ListableStore, Protocol):
    """The store as a comparison reads it."""

    def scores(self, entries: Sequence[tuple[Index, str]]) -> list[int | None]:
        """Return the moments of index entries; None where there is no such entry."""


class GrowingChangelog(ChangelogReader, Protocol):
    """A changelog reader that can go on after it has reached the end."""

    def extend(self) -> None:
        """Move the end of reading to the present end of the partition."""


@dataclass(frozen=True, slots=True)
class ComparisonScope:
    """What is compared: domains, homes and incarnation."""

    domains: Collection[str]
    homes: int
    incarnation: int


@dataclass(slots=True)
class _Suspect:
    """A task that differed, and is read again."""

    key: TaskKey
    home: int
    expected: Record | None
    entries: set[tuple[Index, str]] = field(default_factory=set)
    """Index entries of the task that do not belong to the record in the changelog."""


class Comparison:
    """Compares store and changelog, one shard at a time."""

    def __init__(
        self,
        store: ComparedStore,
        changelog: GrowingChangelog,
        scope: ComparisonScope,
        standing: Callable[[], Standing],
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        """``standing`` asks the group and the store; it may raise LogUnavailable or StoreUnavailable."""
        self._store = store
        self._changelog = changelog
        self._scope = scope
        self._standing = standing
        self._limit_bytes = limit_bytes

    def shard(self, shard: int) -> Compared:
        """Compare one shard, and return its differences."""
        snapshot = ChangelogSnapshot(range(self._scope.homes), self._limit_bytes)
        tasks, findings = 0, list[Finding]()
        while True:
            self._changelog.begin(shard)
            while (messages := self._changelog.read()) is not None:
                snapshot.take(messages)
            tasks += len(snapshot.values)
            suspects = self._suspects(shard, snapshot)
            findings += self._confirmed(shard, suspects, snapshot)
            if not snapshot.next_part():
                return Compared(tasks, tuple(findings))

    # -- the first pass ----------------------------------------------------------------------------

    def _suspects(self, shard: int, snapshot: ChangelogSnapshot) -> dict[bytes, _Suspect]:
        suspects: dict[bytes, _Suspect] = {}
        domains = set(self._scope.domains)
        names = iter(snapshot.values)
        while chunk := list(islice(names, _CHUNK)):
            records = {name: record for name in chunk if (record := snapshot.record(name)) is not None}
            domains |= {record.key.domain for record in records.values()}
            stored_records = self._store.whole_records([record.key for record in records.values()])
            for (name, record), stored_record in zip(records.items(), stored_records, strict=True):
                if stored_record != record:
                    suspects[name] = _Suspect(record.key, record.state.home, record)
        self._look_at_indexes(shard, snapshot, domains, suspects)
        return suspects

    def _look_at_indexes(
        self,
        shard: int,
        snapshot: ChangelogSnapshot,
        domains: Collection[str],
        suspects: dict[bytes, _Suspect],
    ) -> None:
        """Add tasks with a wrong index entry, and tasks without one."""
        indexed: dict[bytes, int] = {}
        complete: set[bytes] = set()
        for index, member, score in self._entries(shard, domains):
            key = TaskKey(index.domain, task_id_of(index, member))
            name = changelog_key(key)
            if not snapshot.covers(name):
                continue
            record = snapshot.record(name)
            own = entries_of(record, shard)
            if (index, member, score) in own:
                indexed[name] = indexed.get(name, 0) + 1
                if indexed[name] == len(own):
                    complete.add(name)
                continue
            suspect = suspects.setdefault(name, _Suspect(key, index.home, record))
            suspect.entries.add((index, member))
        for name in snapshot.values.keys() - complete - suspects.keys():
            record = snapshot.record(name)
            if record is not None:
                suspects[name] = _Suspect(record.key, record.state.home, record)

    def _entries(self, shard: int, domains: Collection[str]) -> Iterator[tuple[Index, str, int]]:
        for domain in sorted(domains):
            for home in range(self._scope.homes):
                for kind in IndexKind:
                    index = Index(kind, domain, shard, home)
                    cursor = IndexCursor()
                    while page := self._store.entries({index: cursor}, None, _CHUNK)[index]:
                        yield from ((index, member, score) for member, score in page)
                        cursor = IndexCursor(page[-1][1], member=page[-1][0])

    # -- the passes after it -----------------------------------------------------------------------

    def _confirmed(
        self, shard: int, suspects: dict[bytes, _Suspect], snapshot: ChangelogSnapshot
    ) -> list[Finding]:
        findings = []
        for _ in range(TRIES):
            if not suspects:
                break
            stored_tasks = self._stored_tasks(shard, list(suspects.values()))
            standing = self._standing()
            moved = self._changed_since(suspects, snapshot)
            for name, suspect in tuple(suspects.items()):
                stored = stored_tasks[suspect.key]
                if name in moved or stored is None:
                    continue
                del suspects[name]
                what = self._difference(suspect, stored, standing)
                if what is not None:
                    findings.append(Finding(shard, suspect.home, suspect.key, what))
        return findings

    def _stored_tasks(self, shard: int, suspects: Sequence[_Suspect]) -> dict[TaskKey, _StoredTask | None]:
        """Return record and entries of these tasks; None for a task that changed while it was read."""
        stored_tasks: dict[TaskKey, _StoredTask | None] = {}
        for first in range(0, len(suspects), _CHUNK):
            chunk = suspects[first : first + _CHUNK]
            keys = [suspect.key for suspect in chunk]
            before = self._store.whole_records(keys)
            own = [entries_of(record, shard) for record in before]
            entries = [entry[:2] for each in own for entry in each]
            entries += [entry for suspect in chunk for entry in suspect.entries]
            scores = dict(zip(entries, self._store.scores(entries), strict=True))
            after = self._store.whole_records(keys)
            for suspect, record, own_entries, record_after in zip(chunk, before, own, after, strict=True):
                others = suspect.entries - {entry[:2] for entry in own_entries}
                stored_tasks[suspect.key] = _StoredTask(
                    record,
                    is_indexed=all(scores[index, member] == at_ms for index, member, at_ms in own_entries),
                    has_others=any(scores[other] is not None for other in others),
                )
                if record != record_after:
                    stored_tasks[suspect.key] = None
        return stored_tasks

    def _changed_since(self, suspects: Mapping[bytes, _Suspect], snapshot: ChangelogSnapshot) -> set[bytes]:
        """Read the new changelog messages; update these tasks, and return the keys of those that changed."""
        moved: set[bytes] = set()
        self._changelog.extend()
        while (messages := self._changelog.read()) is not None:
            snapshot.take(messages)
            moved |= {split_key(message.key)[0] for message in messages} & suspects.keys()
        for name in moved:
            suspects[name].expected = snapshot.record(name)
        return moved

    def _difference(self, suspect: _Suspect, stored: _StoredTask, standing: Standing) -> Difference | None:
        expected, record = suspect.expected, stored.record
        if record is None and expected is not None:
            return Difference.MISSING
        if record != expected and record is not None and not self._is_moving(record, standing):
            is_going = expected is None and _is_past(record, standing.now_ms)
            if not is_going:
                return Difference.UNEXPECTED if expected is None else Difference.STALE
        if stored.has_others and record is None:
            return Difference.UNEXPECTED
        return Difference.UNINDEXED if stored.has_others or not stored.is_indexed else None

    def _is_moving(self, record: Record, standing: Standing) -> bool:
        """Whether the last event that changed the record is not committed yet."""
        source = parse_source(record.last_source)
        if source.incarnation != self._scope.incarnation:
            return False
        return source.offset >= standing.committed.get(source.partition, 0)


@dataclass(frozen=True, slots=True)
class _StoredTask:
    """Record and index entries of a task in the store, at one moment."""

    record: Record | None
    is_indexed: bool
    """Whether the index entry of the record exists."""
    has_others: bool
    """Whether the task has another index entry."""


def _is_past(record: Record, now_ms: int) -> bool:
    """Whether the retention is over: the tombstone is written, and the removal follows."""
    closing = record.state.closing
    return closing is not None and closing.remove_at_ms <= now_ms
