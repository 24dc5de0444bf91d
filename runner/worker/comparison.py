"""Compares what a shard of the store holds with the changelog. Changes nothing; right while workers run.

A first look reads the shard's partition to its end, then all that the store has of it. What differs
may only have moved meanwhile, so it is looked at again, in an order that tells the two apart:

  1 the store: record and index entries, twice, so that they belong together
  2 the committed offsets of the homes
  3 what the changelog was told since

A task of which the changelog was told something in 3 is looked at once more. Otherwise the record in the
store was made by an event that is not committed yet, which is as it should be; or that event is
committed, so the changelog was told of it, and what the changelog says has to be what the store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Final, Protocol

from runner.store.calls import Index, IndexKind
from runner.store.indexing import entry_of, task_id_of
from runner.store.listing import IndexCursor, ListableStore
from runner.tasks.changelog import changelog_key, read_entry
from runner.tasks.record import Record, TaskKey
from runner.tasks.source import Source, parse_source
from runner.worker.changelog_snapshot import LIMIT_BYTES, ChangelogSnapshot
from runner.worker.restorer import ChangelogReader

TRIES: Final = 8
"""Looks at what differs, before what moves every time is believed to be alive."""

_CHUNK: Final = 500


class Difference(Enum):
    """How store and changelog differ about a task."""

    MISSING = "missing"
    """The changelog tells of a record, the store has none."""
    STALE = "stale"
    """The store has another record than the one the changelog told of last."""
    UNEXPECTED = "unexpected"
    """The store has something of a task that, by the changelog, is gone or never was."""
    UNINDEXED = "unindexed"
    """The record is right and its index entry is not there, or stands elsewhere as well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One task about which store and changelog differ."""

    shard: int
    home: int
    key: TaskKey
    what: Difference


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing a shard came to."""

    tasks: int
    """Tasks the changelog tells of."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the group has come."""

    committed: Mapping[int, int]
    """Committed offset by home."""
    now_ms: int
    """Time of the store."""


class Held(ListableStore, Protocol):
    """What is asked of a store."""

    def scores(self, entries: Sequence[tuple[Index, str]]) -> list[int | None]:
        """Return the moments of index entries; None where there is no such entry."""
        ...


class GrowingChangelog(ChangelogReader, Protocol):
    """A changelog that can be read on after its end was reached."""

    def extend(self) -> None:
        """Let the end be where it is by now."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What there is of tasks."""

    domains: Collection[str]
    homes: int
    incarnation: int


@dataclass(slots=True)
class _Suspect:
    """A task that is to be looked at again."""

    key: TaskKey
    home: int
    told: Record | None
    entries: set[tuple[Index, str]] = field(default_factory=set)
    """Index entries that were seen of it and are not what the changelog lets expect."""


class Comparison:
    """Compares shard by shard."""

    def __init__(
        self,
        store: Held,
        changelog: GrowingChangelog,
        scope: Scope,
        standing: Callable[[], Standing],
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        """``standing`` asks the group and the store. Either may raise LogUnavailable, StoreUnavailable."""
        self._store = store
        self._changelog = changelog
        self._scope = scope
        self._standing = standing
        self._limit_bytes = limit_bytes

    def shard(self, shard: int) -> Compared:
        """Compare one shard."""
        last = ChangelogSnapshot(range(self._scope.homes), self._limit_bytes)
        tasks, findings = 0, list[Finding]()
        while True:
            self._changelog.begin(shard)
            while (found := self._changelog.read()) is not None:
                last.take(found)
            tasks += len(last.told)
            suspects = self._look(shard, last)
            findings += self._look_again(shard, suspects)
            if not last.go_on():
                return Compared(tasks, tuple(findings))

    # -- the first look ----------------------------------------------------------------------------

    def _look(self, shard: int, last: ChangelogSnapshot) -> dict[bytes, _Suspect]:
        suspects: dict[bytes, _Suspect] = {}
        domains = set(self._scope.domains)
        told = iter(last.told.items())
        while chunk := list(islice(told, _CHUNK)):
            records = [read_entry(value).record for _, value in chunk]
            domains |= {record.key.domain for record in records}
            held = self._store.records_of([record.key for record in records])
            for (name, _), record, found in zip(chunk, records, held, strict=True):
                if found != record:
                    suspects[name] = _Suspect(record.key, record.state.home, record)
        self._look_at_indexes(shard, last, domains, suspects)
        return suspects

    def _look_at_indexes(
        self, shard: int, last: ChangelogSnapshot, domains: Collection[str], suspects: dict[bytes, _Suspect]
    ) -> None:
        """Find what has an entry it should not have, and what has none."""
        indexed: set[bytes] = set()
        for index, member, score in self._entries(shard, domains):
            key = TaskKey(index.domain, task_id_of(index, member))
            name = changelog_key(key)
            if not last.covers(name):
                continue
            value = last.told.get(name)
            record = None if value is None else read_entry(value).record
            if entry_of(record, shard) == (index, member, score):
                indexed.add(name)
                continue
            suspect = suspects.setdefault(name, _Suspect(key, index.home, record))
            suspect.entries.add((index, member))
        for name in last.told.keys() - indexed - suspects.keys():
            record = read_entry(last.told[name]).record
            suspects[name] = _Suspect(record.key, record.state.home, record)

    def _entries(self, shard: int, domains: Collection[str]) -> Iterator[tuple[Index, str, int]]:
        for domain in sorted(domains):
            for home in range(self._scope.homes):
                for kind in IndexKind:
                    index = Index(kind, domain, shard, home)
                    stop = IndexCursor()
                    while found := self._store.entries({index: stop}, None, _CHUNK)[index]:
                        yield from ((index, member, score) for member, score in found)
                        stop = IndexCursor(found[-1][1], member=found[-1][0])

    # -- the second look ---------------------------------------------------------------------------

    def _look_again(self, shard: int, suspects: dict[bytes, _Suspect]) -> list[Finding]:
        findings = []
        for _ in range(TRIES):
            if not suspects:
                break
            held = self._held(shard, list(suspects.values()))
            standing = self._standing()
            moved = self._told_since(suspects)
            for name, suspect in tuple(suspects.items()):
                found = held[suspect.key]
                if name in moved or found is None:
                    continue
                del suspects[name]
                what = self._judged(suspect, found, standing)
                if what is not None:
                    findings.append(Finding(shard, suspect.home, suspect.key, what))
        return findings

    def _held(self, shard: int, suspects: Sequence[_Suspect]) -> dict[TaskKey, _Found | None]:
        """Return what the store has of these tasks; None of those that changed while it was read."""
        found: dict[TaskKey, _Found | None] = {}
        for first in range(0, len(suspects), _CHUNK):
            chunk = suspects[first : first + _CHUNK]
            keys = [suspect.key for suspect in chunk]
            before = self._store.records_of(keys)
            own = [entry_of(record, shard) for record in before]
            asked = [entry[:2] for entry in own if entry is not None]
            asked += [entry for suspect in chunk for entry in suspect.entries]
            scores = dict(zip(asked, self._store.scores(asked), strict=True))
            after = self._store.records_of(keys)
            for suspect, record, entry, again in zip(chunk, before, own, after, strict=True):
                others = suspect.entries - ({entry[:2]} if entry is not None else set())
                found[suspect.key] = _Found(
                    record,
                    is_indexed=entry is None or scores[entry[:2]] == entry[2],
                    has_others=any(scores[other] is not None for other in others),
                )
                if record != again:
                    found[suspect.key] = None
        return found

    def _told_since(self, suspects: Mapping[bytes, _Suspect]) -> set[bytes]:
        """Read the changelog on to its end; return those of which it was told something, and note what."""
        moved: set[bytes] = set()
        self._changelog.extend()
        while (found := self._changelog.read()) is not None:
            for message in found:
                suspect = suspects.get(message.key)
                if suspect is not None:
                    moved.add(message.key)
                    suspect.told = None if message.value is None else read_entry(message.value).record
        return moved

    def _judged(self, suspect: _Suspect, found: _Found, standing: Standing) -> Difference | None:
        told, record = suspect.told, found.record
        if record is None and told is not None:
            return Difference.MISSING
        if record != told and record is not None and not self._is_moving(record, standing):
            is_going = told is None and _is_past(record, standing.now_ms)
            if not is_going:
                return Difference.UNEXPECTED if told is None else Difference.STALE
        if found.has_others and record is None:
            return Difference.UNEXPECTED
        return Difference.UNINDEXED if found.has_others or not found.is_indexed else None

    def _is_moving(self, record: Record, standing: Standing) -> bool:
        """Whether the event that made the record what it is has not been committed yet."""
        source = _made_by(record)
        if source.incarnation != self._scope.incarnation:
            return False
        return source.offset >= standing.committed.get(source.partition, 0)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the store has of a task, all at one moment."""

    record: Record | None
    is_indexed: bool
    """Whether the index entry of the record is there."""
    has_others: bool
    """Whether it has another index entry besides."""


def _made_by(record: Record) -> Source:
    """Return the event that changed the record last."""
    closing = record.state.closing
    return record.started_by if closing is None else parse_source(closing.source)


def _is_past(record: Record, now_ms: int) -> bool:
    """Whether the retention has passed: told to be gone, and about to go."""
    closing = record.state.closing
    return closing is not None and closing.remove_at_ms <= now_ms
