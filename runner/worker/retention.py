"""Retention: the owner of a home removes its closed records once their retention is over.

A removal goes through the same script as every other change, with the committed offset as its base. The
store refuses it while a kept decision of the home may still be needed by redelivery. A zombie's removal,
or its change after a removal, is fenced. With a changelog, the tombstone is committed before the removal:
hence the two steps ``removals`` and ``remove``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import Policy
from runner.changelog.writer import Changelog
from runner.errors import Superseded
from runner.store.calls import Change, Completeness, HomeCall, Index, IndexKind, ShardCall, Store, Verdict
from runner.store.indexing import parse_removal
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source, parse_source
from runner.worker.components import Round
from runner.worker.result import BatchResult
from runner.worker.schedule import Schedule, StoreClock

PAUSE_MS: Final = 1000
"""Time between two passes: a removal is never urgent."""

BUSY_PAUSE_MS: Final = 50
"""Time between two passes while more records are due than fit into one."""

CHUNK: Final = 500
"""Records of one pass, about: events wait until it is done."""

MAX_TOMBSTONES: Final = 10_000
"""Changelog messages of one pass, unless one record has more: they are one transaction, which the queue of
the producer (100,000 messages) has to hold."""


@dataclass(frozen=True, slots=True)
class Removals:
    """Closed records to remove, each with the index that named it."""

    records: tuple[tuple[Index, Record], ...] = ()

    @property
    def homes(self) -> set[int]:
        return {index.home for index, _ in self.records}


NOTHING: Final = Removals()


class Retention:
    """The closed records of the open homes of one worker."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        incarnation: int,
        time: StoreClock,
        changelog: Changelog | None = None,
        removed: Callable[[int], object] = lambda _: None,
    ) -> None:
        """``changelog`` makes the tombstones; None: there is no changelog.

        ``removed`` is told how many records were removed.
        """
        self._changelog = changelog
        self._restores = changelog is not None and changelog.restores
        self._removed = removed
        self._store = store
        self._policy = policy
        self._incarnation = incarnation
        self._time = time
        self._schedule = Schedule((IndexKind.REMOVALS,), policy.domains, store.shards)
        self._not_before_ms = 0

    @property
    def phase(self) -> str:
        return "other"

    def assign(self, homes: Collection[int], paused: Collection[int] = ()) -> None:
        """Own exactly these homes, the paused ones as well."""
        del paused
        self._schedule.assign(homes)

    def committed(self, result: BatchResult) -> None:
        """Schedule the removal of the records that a batch has closed."""
        self._time.observe(result.now_ms)
        self._schedule.add(result.scheduled)

    def aborted(self) -> None:
        """Do nothing: records that stay are due again by themselves."""

    def wait_ms(self) -> int | None:
        """Return None: a removal is never urgent."""
        return None

    def due(self, now: Round) -> Sequence[OutgoingMessage]:
        """Remove the records whose retention is over; their tombstones are committed before.

        A record without a tombstone would be restored again.
        """
        removals = self.removals(now.positions)
        if not removals.records:
            return ()
        if self._changelog is not None:
            tombstones = [each for _, record in removals.records for each in self._changelog.removed(record)]
            now.commit(tombstones, removals.homes)
        removed = self.remove(removals, now.positions)
        if removed:
            self._removed(removed)
        return ()

    def removals(self, positions: Mapping[int, int]) -> Removals:
        """Return closed records of these homes whose retention is over, at most once a second.

        ``positions`` are the committed offsets of the open homes: only records whose closing is
        committed are returned. Call it only while no batch is between apply and commit, and ``remove``
        before the next one. Raises StoreUnavailable.
        """
        now_ms = self._time.now_ms()
        if now_ms is None or now_ms < self._not_before_ms:
            return NOTHING
        indexes = [index for index in self._schedule.pop_due(now_ms) if index.home in positions]
        if not indexes:
            return NOTHING
        self._not_before_ms = now_ms + PAUSE_MS
        try:
            return self._one_pass(self._removable(self._due_entries(indexes), positions))
        except BaseException:
            self._schedule_all(indexes, now_ms + PAUSE_MS)
            raise

    def remove(self, removals: Removals, positions: Mapping[int, int]) -> int:
        """Remove the records that ``removals`` returned, and return how many were removed.

        A record that stays, for whatever reason, is due again a second later. Raises
        StoreUnavailable, or Superseded.
        """
        calls: dict[tuple[int, int], list[Change]] = defaultdict(list)
        for index, record in removals.records:
            calls[index.shard, index.home].append(Change(record.key, record, None, remove=True))
        verdicts = self._store.apply([self._call(at, calls[at], positions) for at in calls])
        if Verdict.SUPERSEDED in verdicts:
            raise Superseded("a later batch of one of these homes has been seen in the store")
        removed = sum(
            len(changes)
            for changes, verdict in zip(calls.values(), verdicts, strict=True)
            if verdict is Verdict.APPLIED
        )
        next_ms, now_ms = self._schedule.next_ms(), self._time.now_ms() or 0
        if removed and next_ms is not None and next_ms <= now_ms:
            self._not_before_ms = now_ms + BUSY_PAUSE_MS
        return removed

    def _due_entries(self, indexes: list[Index]) -> list[tuple[Index, TaskKey, int]]:
        """Return index, task and revision of the index entries that are due."""
        due = self._store.due(indexes, CHUNK // len(indexes) + 1)
        self._time.observe(due.now_ms)
        entries: list[tuple[Index, TaskKey, int]] = []
        for index in indexes:
            page = due.by_index[index]
            for member, _ in page.entries:
                revision, task_id = parse_removal(index, member)
                entries.append((index, TaskKey(index.domain, task_id), revision))
            if page.next_ms is not None:
                self._schedule.schedule(index, page.next_ms)
            if page.entries:
                self._schedule.schedule(index, due.now_ms + PAUSE_MS)
        return entries

    def _removable(self, entries: list[tuple[Index, TaskKey, int]], positions: Mapping[int, int]) -> Removals:
        """Return the records of these entries that redelivery cannot need any more."""
        if not entries:
            return NOTHING
        reads = [(key, Source(self._incarnation, index.home, -1)) for index, key, _ in entries]
        # After a loss a removed record may be back while its task was started again in another home: the
        # tombstone of the old record would delete the new one from the changelog.
        completeness = Completeness(dict(positions)) if self._restores else None
        records = self._store.load(self._incarnation, reads, completeness).records
        return Removals(
            tuple(
                (index, record)
                for index, key, revision in entries
                if (record := records[key]) is not None
                and record.revision == revision
                and self._is_closing_committed(record, positions[index.home])
            )
        )

    def _one_pass(self, removals: Removals) -> Removals:
        """Return the first of these records, at least one; the indexes of the others are due at once."""
        left = MAX_TOMBSTONES
        for number, (_, record) in enumerate(removals.records):
            left -= 2 + len(record.part_names)
            if left < 0 and number:
                self._schedule_all({each for each, _ in removals.records[number:]}, 0)
                return Removals(removals.records[:number])
        return removals

    def _is_closing_committed(self, record: Record, position: int) -> bool:
        """Whether the event that closed a record is committed, and any verb after it."""
        if record.is_open:
            return False
        source = parse_source(record.last_source)
        return source.incarnation < self._incarnation or source.offset < position

    def _call(self, at: tuple[int, int], changes: list[Change], positions: Mapping[int, int]) -> ShardCall:
        shard, home = at
        call = HomeCall(home, positions[home], require_none_kept=True)
        return ShardCall(shard, self._incarnation, (call,), tuple(changes))

    def _schedule_all(self, indexes: Collection[Index], moment_ms: int) -> None:
        for index in indexes:
            self._schedule.schedule(index, moment_ms)
