"""Timers: an event is sent to the home of each task whose deadline has come, or whose hooks are due.

A timer changes nothing: the event is decided in its place in the log, and a second one does nothing. A
timer is not sent again until it was decided or its lease is over. A lease does not end before the log has
been read to its end once since: a worker that lags must not fill its own log with timers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Final, TypeAlias

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import Policy, TopicCatalog
from runner.actions.timer_token import HookToken, timer_message, token_of
from runner.clock import Ticker
from runner.store.calls import Due, Index, IndexKind, Store
from runner.tasks.due import DueTask, parse_member
from runner.worker.components import Round
from runner.worker.result import BatchResult
from runner.worker.schedule import Schedule, StoreClock

MAX_CHUNKS_IN_FLIGHT: Final = 4
"""Chunks of timers that may be sent and undecided; beyond them the log catches up first."""

FULL_PAUSE_MS: Final = 10
"""Longest wait for decisions while no lease is free."""


_Timer: TypeAlias = tuple[Index, str, int]
"""A timer that was sent: index, member, and the deadline it was sent for, which a verb may move."""


@dataclass(frozen=True, slots=True)
class TimerSettings:
    """How many timers are sent at once, and when an undecided one is sent again."""

    chunk: int = 1000
    lease_seconds: float = 10.0
    kinds: tuple[IndexKind, ...] = (IndexKind.DEADLINES, IndexKind.HOOKS)
    """What timers are sent for."""


class Timers:
    """The deadlines of the open homes of one worker."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        topics: TopicCatalog,
        settings: TimerSettings,
        time: StoreClock,
        ticker: Ticker,
    ) -> None:
        """``settings.of_deadlines`` false: hooks alone."""
        self._store = store
        self._policy = policy
        self._topics = topics
        self._settings = settings
        self._time = time
        self._ticker = ticker
        self._schedule = Schedule(settings.kinds, policy.domains, store.shards)
        self._leases: dict[_Timer, float] = {}
        self._postponed: dict[_Timer, float] = {}
        self._caught_up_at = 0.0

    @property
    def phase(self) -> str:
        return "timers"

    def assign(self, homes: Collection[int], paused: Collection[int] = ()) -> None:
        """Own exactly these homes; the deadline indexes of new ones are due at once.

        A paused home decides nothing: timers sent there would only pile up in its log.
        """
        self._schedule.assign(set(homes).difference(paused))
        self._leases = self._of_homes(self._leases)
        self._postponed = self._of_homes(self._postponed)

    def committed(self, result: BatchResult) -> None:
        """Schedule the deadlines of a batch, and end the leases of the timers it decided."""
        self._time.observe(result.now_ms)
        self._schedule.add(result.scheduled)
        self.release([*result.timed_out, *result.hooked, *result.stale])
        self.postpone(result.undeliverable)

    def release(self, decided: Iterable[DueTask]) -> None:
        """End the leases of timers that were decided."""
        for task in decided:
            self._leases.pop(self._timer(task), None)

    def postpone(self, undeliverable: Iterable[DueTask]) -> None:
        """Postpone undeliverable timers: they are sent again after their lease.

        Their leases are free for others: a topic that is gone must not hold up the other tasks.
        """
        for task in undeliverable:
            at = self._timer(task)
            end = self._leases.pop(at, None)
            if end is not None:
                self._postponed[at] = end

    def caught_up(self) -> None:
        """Record that the log of the open homes has been read to its end."""
        self._caught_up_at = self._ticker()

    def wait_ms(self) -> int | None:
        """Return the ms until a timer may be sent, by the store clock; None: nothing is scheduled."""
        moment_ms, now_ms = self._schedule.next_ms(), self._time.now_ms()
        if moment_ms is None:
            return None
        if self._free_leases() <= 0:
            return FULL_PAUSE_MS
        return 0 if now_ms is None else max(0, moment_ms - now_ms)

    def due(self, now: Round) -> list[OutgoingMessage]:
        """Return the timers to send now, by deadline; queries the store only if a moment has come."""
        if now.is_caught_up:
            self.caught_up()
        free = min(self._free_leases(), self._settings.chunk)
        if free <= 0:
            self._expire_leases()
            return []
        indexes = self._schedule.pop_due(self._time.now_ms() or 0)
        if not indexes:
            return []
        try:
            return self._due_messages(indexes, free)
        except BaseException:
            self._schedule_all(indexes, 0)
            raise

    def aborted(self) -> None:
        """Drop all leases after an aborted batch: its timers are sent again at once."""
        self._schedule_all(dict.fromkeys(index for index, _, _ in self._leases), 0)
        self._leases.clear()

    def _due_messages(self, indexes: list[Index], free: int) -> list[OutgoingMessage]:
        answer = self._store.due(indexes, self._page(indexes, free))
        self._time.observe(answer.now_ms)
        self._expire_postponed()
        for index in indexes:
            next_ms = answer.by_index[index].next_ms
            if next_ms is not None:
                self._schedule.schedule(index, next_ms)
        # Entries beyond the page of an index, or of an index not read by now, may be due before these.
        horizon_ms = self._schedule.next_ms()
        messages: list[OutgoingMessage] = []
        for deadline_ms, index, member in _by_deadline(answer):
            at = _timer_of(index, member, deadline_ms)
            if self._is_leased(at):
                continue
            if len(messages) >= free or (horizon_ms is not None and deadline_ms > horizon_ms):
                self._schedule.schedule(index, deadline_ms)
                continue
            self._leases[at] = self._ticker() + self._settings.lease_seconds
            messages.append(self._timer_message(index, member, deadline_ms))
        self._schedule_next_look(answer)
        return messages

    def _page(self, indexes: list[Index], free: int) -> int:
        """Return the size of a page of each index: together about twice the free leases."""
        sent = Counter(index for index, _, _ in chain(self._leases, self._postponed))
        return max(sent[index] for index in indexes) + 2 * free // len(indexes) + 1

    def _schedule_next_look(self, answer: Due) -> None:
        """Schedule a query for the end of the leases: an entry that is still there then is sent again."""
        lease_ms = int(self._settings.lease_seconds * 1000)
        for index, page in answer.by_index.items():
            if page.entries:
                self._schedule.schedule(index, answer.now_ms + lease_ms)

    def _free_leases(self) -> int:
        return self._settings.chunk * MAX_CHUNKS_IN_FLIGHT - len(self._leases)

    def _is_leased(self, at: _Timer) -> bool:
        """Whether a timer was sent and may not be sent again yet."""
        end = self._leases.get(at)
        return at in self._postponed or (end is not None and not self._is_over(end))

    def _of_homes(self, leases: dict[_Timer, float]) -> dict[_Timer, float]:
        return {at: end for at, end in leases.items() if self._schedule.owns(at[0])}

    def _expire_leases(self) -> None:
        self._leases = {at: end for at, end in self._leases.items() if not self._is_over(end)}

    def _expire_postponed(self) -> None:
        now = self._ticker()
        self._postponed = {at: end for at, end in self._postponed.items() if end > now}

    def _is_over(self, end: float) -> bool:
        return end <= self._ticker() and end <= self._caught_up_at

    def _schedule_all(self, indexes: Collection[Index], moment_ms: int) -> None:
        for index in indexes:
            self._schedule.schedule(index, moment_ms)

    def _timer(self, task: DueTask) -> _Timer:
        key = task.key
        kind = IndexKind.HOOKS if task.is_hook else IndexKind.DEADLINES
        index = Index(kind, key.domain, self._store.shard(key.id), task.home)
        return _timer_of(index, task.member, task.deadline_ms)

    def _timer_message(self, index: Index, member: str, deadline_ms: int) -> OutgoingMessage:
        task = parse_member(member, index.domain, index.home, deadline_ms)
        token = HookToken(task.started_by, task.epoch) if index.kind is IndexKind.HOOKS else token_of(task)
        return timer_message(task.key, task.home, token, self._policy, self._topics)


def _timer_of(index: Index, member: str, deadline_ms: int) -> _Timer:
    """Return what is leased of an entry: the member of hooks has a number of its own for every moment."""
    return index, member, deadline_ms if index.kind is IndexKind.DEADLINES else 0


def _by_deadline(answer: Due) -> list[tuple[int, Index, str]]:
    entries = (
        (deadline_ms, index, member)
        for index, page in answer.by_index.items()
        for member, deadline_ms in page.entries
    )
    return sorted(entries, key=itemgetter(0))
