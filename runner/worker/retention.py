"""Removes closed records whose retention is over, as the owner of their home.

Goes through the same script as every other change, with the committed offset as its base: the store
refuses while a decision on the home is kept that redelivery may still ask for, and a zombie's
removal, or a zombie's change after a removal, finds the floor raised.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from runner.actions.policy import Policy
from runner.errors import Superseded
from runner.store.calls import Change, HomeCall, Index, IndexKind, ShardCall, Verdict
from runner.store.indexing import parse_removal
from runner.tasks.record import TaskKey
from runner.tasks.source import Source
from runner.worker.agenda import Agenda
from runner.worker.process import ShardedStore
from runner.worker.store_time import StoreTime

PAUSE_MS: Final = 1000
"""Time between two passes: removal is never urgent."""

BUSY_PAUSE_MS: Final = 50
"""Time between two passes while there is more to remove than fits into one."""

CHUNK: Final = 500
"""Records of one pass, about: events wait for as long as it takes."""


class Retention:
    """The closed records of the open homes of one worker."""

    def __init__(self, store: ShardedStore, policy: Policy, incarnation: int, time: StoreTime) -> None:
        self._store = store
        self._policy = policy
        self._incarnation = incarnation
        self._time = time
        self._agenda = Agenda(IndexKind.REMOVALS, policy.domains, store.shards)
        self._not_before_ms = 0

    def own(self, homes: Collection[int]) -> None:
        """Take over these homes and let go of all others."""
        self._agenda.own(homes)

    def expect(self, removals: Iterable[tuple[TaskKey, int, int]]) -> None:
        """Note records that were just closed: (task, home, epoch ms of their removal)."""
        for key, home, remove_at_ms in removals:
            shard = self._store.shard(key.id)
            self._agenda.expect(Index(IndexKind.REMOVALS, key.domain, shard, home), remove_at_ms)

    def sweep(self, positions: Mapping[int, int]) -> int:
        """Remove what is due, at most once a second; return how many records went.

        ``positions`` are the committed offsets of the open homes; call it only while no batch is
        between apply and commit. Raises StoreUnavailable, or Superseded.
        """
        now_ms = self._time.now_ms()
        if now_ms is None or now_ms < self._not_before_ms:
            return 0
        indexes = [index for index in self._agenda.take(now_ms) if index.home in positions]
        if not indexes:
            return 0
        self._not_before_ms = now_ms + PAUSE_MS
        try:
            return self._removed(indexes, positions)
        except BaseException:
            self._again(indexes, now_ms + PAUSE_MS)
            raise

    def _removed(self, indexes: list[Index], positions: Mapping[int, int]) -> int:
        due = self._store.due(indexes, CHUNK // len(indexes) + 1)
        self._time.observe(due.now_ms)
        closed: list[tuple[Index, TaskKey, int]] = []
        for index in indexes:
            found = due.found[index]
            for member, _ in found.entries:
                revision, task_id = parse_removal(member)
                closed.append((index, TaskKey(index.domain, task_id), revision))
            if found.next_ms is not None:
                self._agenda.expect(index, found.next_ms)
            if found.entries:
                self._agenda.expect(index, due.now_ms + PAUSE_MS)
        removed = self._remove(closed, positions) if closed else 0
        next_ms = self._agenda.next_ms()
        if removed and next_ms is not None and next_ms <= due.now_ms:
            self._not_before_ms = due.now_ms + BUSY_PAUSE_MS
        return removed

    def _remove(self, closed: list[tuple[Index, TaskKey, int]], positions: Mapping[int, int]) -> int:
        reads = [(key, Source(self._incarnation, index.home, -1)) for index, key, _ in closed]
        loaded = self._store.load(self._incarnation, reads)
        calls: dict[tuple[int, int], list[Change]] = defaultdict(list)
        for index, key, revision in closed:
            record = loaded.records[key]
            if record is not None and record.revision == revision and not record.is_open:
                change = Change(key, record, None, remove=True)
                calls[index.shard, index.home].append(change)
        verdicts = self._store.apply([self._call(at, calls[at], positions) for at in calls])
        if Verdict.SUPERSEDED in verdicts:
            raise Superseded("a later batch of one of these homes has been seen in the store")
        return sum(
            len(changes)
            for changes, verdict in zip(calls.values(), verdicts, strict=True)
            if verdict is Verdict.APPLIED
        )

    def _call(self, at: tuple[int, int], changes: list[Change], positions: Mapping[int, int]) -> ShardCall:
        shard, home = at
        call = HomeCall(home, positions[home], settled=True)
        return ShardCall(shard, self._incarnation, (call,), tuple(changes))

    def _again(self, indexes: Collection[Index], moment_ms: int) -> None:
        for index in indexes:
            self._agenda.expect(index, moment_ms)


class NoRetention(Retention):
    """For a loop that keeps no records."""

    def own(self, homes: Collection[int]) -> None:
        """Own nothing."""
