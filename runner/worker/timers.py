"""Deadlines of the homes this worker owns: tells each task to time out, when its moment has come.

A timer changes nothing. It sends TimeoutTask to the task's home partition, and the log decides; sent
twice, the second finds nothing to do. What was sent is not sent again until it was decided or its
lease is over; and a lease does not end before everything in the log has been read once since: a
worker that lags must not fill its own log with reminders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import Policy, TopicCatalog
from runner.actions.timer_token import timer_emit, token_of
from runner.clock import Ticker
from runner.store.calls import Due, Index, IndexKind
from runner.tasks.due import DueTask, parse_member
from runner.tasks.record import TaskKey
from runner.worker.process import ShardedStore
from runner.worker.schedule import Schedule
from runner.worker.store_clock import StoreClock

MAX_CHUNKS_IN_FLIGHT: Final = 4
"""Chunks of timers sent and not yet decided, beyond which no more are sent: the log catches up first."""

FULL_PAUSE_MS: Final = 10
"""How long to wait for decisions, at most, while no more timers may be sent."""


@dataclass(frozen=True, slots=True)
class TimerSettings:
    """How many timers go at once, and when an undecided one is sent again."""

    chunk: int = 1000
    lease_seconds: float = 10.0


class Timers:
    """The deadlines of the open homes of one worker."""

    def __init__(
        self,
        store: ShardedStore,
        policy: Policy,
        topics: TopicCatalog,
        settings: TimerSettings,
        time: StoreClock,
        ticker: Ticker,
    ) -> None:
        self._store = store
        self._policy = policy
        self._topics = topics
        self._settings = settings
        self._time = time
        self._ticker = ticker
        self._schedule = Schedule(IndexKind.DEADLINES, policy.domains, store.shards)
        self._leases: dict[tuple[Index, str], float] = {}
        self._resting: dict[tuple[Index, str], float] = {}
        self._caught_up_at = 0.0

    def assign(self, homes: Collection[int]) -> None:
        """Take over these homes and let go of all others; what is new is looked at once."""
        self._schedule.assign(homes)
        self._leases = self._of_homes(self._leases)
        self._resting = self._of_homes(self._resting)

    def schedule(self, deadlines: Iterable[tuple[TaskKey, int, int]]) -> None:
        """Note deadlines that were just stored: (task, home, epoch ms)."""
        for key, home, deadline_ms in deadlines:
            self._schedule.schedule(self._index(key, home), deadline_ms)

    def release(self, decided: Iterable[DueTask]) -> None:
        """Note timers that were decided: their leases are over."""
        for task in decided:
            self._leases.pop((self._index(task.key, task.home), task.member), None)

    def postpone(self, undeliverable: Iterable[DueTask]) -> None:
        """Note timers whose task cannot be resumed for now: tried again after their lease.

        They do not count as in flight: a topic that is gone must not hold up the others.
        """
        for task in undeliverable:
            at = (self._index(task.key, task.home), task.member)
            end = self._leases.pop(at, None)
            if end is not None:
                self._resting[at] = end

    def caught_up(self) -> None:
        """Note that everything in the log of the open homes has been read."""
        self._caught_up_at = self._ticker()

    def wait_ms(self) -> int | None:
        """Return how long nothing is due, by the estimated time of the store; None: no end known."""
        moment_ms, now_ms = self._schedule.next_ms(), self._time.now_ms()
        if moment_ms is None:
            return None
        if self._free_leases() <= 0:
            return FULL_PAUSE_MS
        return 0 if now_ms is None else max(0, moment_ms - now_ms)

    def due(self) -> list[OutgoingMessage]:
        """Return the timers to send now, by deadline; asks the store only if a moment has come."""
        free = min(self._free_leases(), self._settings.chunk)
        if free <= 0:
            self._expire_leases()
            return []
        indexes = self._schedule.pop_due(self._time.now_ms() or 0)
        if not indexes:
            return []
        try:
            return self._swept(indexes, free)
        except BaseException:
            self._again(indexes, 0)
            raise

    def forget_sent(self) -> None:
        """Note that what was sent last may not have arrived: look again at once."""
        self._again(dict.fromkeys(index for index, _ in self._leases), 0)
        self._leases.clear()

    def _swept(self, indexes: list[Index], free: int) -> list[OutgoingMessage]:
        answer = self._store.due(indexes, self._page(indexes, free))
        self._time.observe(answer.now_ms)
        self._expire_resting()
        for index in indexes:
            next_ms = answer.by_index[index].next_ms
            if next_ms is not None:
                self._schedule.schedule(index, next_ms)
        # What an index holds beyond its page, or one not read by now, may be due before what was found.
        horizon_ms = self._schedule.next_ms()
        emits: list[OutgoingMessage] = []
        for deadline_ms, index, member in _by_deadline(answer):
            if self._is_leased(index, member):
                continue
            if len(emits) >= free or (horizon_ms is not None and deadline_ms > horizon_ms):
                self._schedule.schedule(index, deadline_ms)
                continue
            self._leases[index, member] = self._ticker() + self._settings.lease_seconds
            emits.append(self._emit(index, member, deadline_ms))
        self._look_again(answer)
        return emits

    def _page(self, indexes: list[Index], free: int) -> int:
        """Return how many entries to ask of each index: together about twice what may be sent."""
        sent = Counter(index for index, _ in chain(self._leases, self._resting))
        return max(sent[index] for index in indexes) + 2 * free // len(indexes) + 1

    def _look_again(self, answer: Due) -> None:
        """What is still there when its lease ends was not resumed: whoever was told did not get it."""
        lease_ms = int(self._settings.lease_seconds * 1000)
        for index, found in answer.by_index.items():
            if found.entries:
                self._schedule.schedule(index, answer.now_ms + lease_ms)

    def _free_leases(self) -> int:
        return self._settings.chunk * MAX_CHUNKS_IN_FLIGHT - len(self._leases)

    def _is_leased(self, index: Index, member: str) -> bool:
        """Whether an entry was sent, and may not be sent again yet."""
        at = (index, member)
        end = self._leases.get(at)
        return at in self._resting or (end is not None and not self._is_over(end))

    def _of_homes(self, leases: dict[tuple[Index, str], float]) -> dict[tuple[Index, str], float]:
        return {at: end for at, end in leases.items() if self._schedule.owns(at[0])}

    def _expire_leases(self) -> None:
        self._leases = {at: end for at, end in self._leases.items() if not self._is_over(end)}

    def _expire_resting(self) -> None:
        now = self._ticker()
        self._resting = {at: end for at, end in self._resting.items() if end > now}

    def _is_over(self, end: float) -> bool:
        return end <= self._ticker() and end <= self._caught_up_at

    def _again(self, indexes: Collection[Index], moment_ms: int) -> None:
        for index in indexes:
            self._schedule.schedule(index, moment_ms)

    def _index(self, key: TaskKey, home: int) -> Index:
        return Index(IndexKind.DEADLINES, key.domain, self._store.shard(key.id), home)

    def _emit(self, index: Index, member: str, deadline_ms: int) -> OutgoingMessage:
        task = parse_member(member, index.domain, index.home, deadline_ms)
        return timer_emit(task.key, task.home, token_of(task), self._policy, self._topics)


def _by_deadline(answer: Due) -> list[tuple[int, Index, str]]:
    entries = (
        (deadline_ms, index, member)
        for index, found in answer.by_index.items()
        for member, deadline_ms in found.entries
    )
    return sorted(entries, key=itemgetter(0))


class NoTimers(Timers):
    """``timers.enabled: false``: deadlines are left to TimeoutBetween."""

    def assign(self, homes: Collection[int]) -> None:
        """Own nothing."""
