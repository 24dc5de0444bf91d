"""The dispatcher decides what is sent next: pure, without threads and clocks of its own.

Jobs of one recipient about one task (a *lane*) go one after the other. A job that fails is tried
again after a growing pause, and so is a channel on which several different ones fail in a row: it is *down*,
and then only one job at a time is tried on it. So neither a mailbox that refuses nor a service that is
away holds up anybody else. What has failed for too long is given up.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Final

DOWN_AFTER: Final = 3
"""Different jobs that fail one after the other before their channel counts as down."""

_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How a job that failed is tried again."""

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    give_up_seconds: float = 3600.0
    """After that much time since it was first due, a job that fails is given up."""

    def pause(self, failures: int, chance: float) -> float:
        """Return the pause after so many failures: doubled each time, by chance up to half less."""
        doubled = self.first_seconds * 2.0 ** min(failures - 1, 30)
        return min(self.longest_seconds, doubled) * (0.5 + chance / 2)


@dataclass(slots=True, eq=False)
class Job:
    """Something to be done on a channel, until it succeeds or is given up."""

    channel: str
    kind: str
    lane: Hashable
    attempt: Callable[[], str]
    """Tries it; returns why it failed, empty if it did not. May block."""
    at_once: int = 1
    """How many its channel takes at the same time."""
    queued_seconds: float = 0.0
    due_seconds: float = 0.0
    failures: int = 0
    reason: str = ""
    """Why it failed last."""
    is_busy: bool = False


@dataclass(slots=True, eq=False)
class _Channel:
    """The jobs of one channel, and how it is; forgotten once there are none."""

    lanes: dict[Hashable, deque[Job]] = field(default_factory=dict)
    heads: list[tuple[float, int, Job]] = field(default_factory=list)
    """A heap of the first of every lane by the moment it is due; outdated entries are skipped."""
    failing: set[Job] = field(default_factory=set)
    """Jobs that failed since the last success."""
    is_down: bool = False
    """Whether several failed in a row; only a success ends it."""
    busy: int = 0
    pauses: int = 0
    paused_until: float = 0.0
    reason: str = ""


class Dispatcher:
    """Which job is next. Not for several threads: its caller locks."""

    def __init__(self, retry: RetrySettings, chance: Callable[[], float]) -> None:
        """``chance`` gives numbers from 0 to 1: pauses of many processes shall not end together."""
        self._retry = retry
        self._chance = chance
        self._channels: OrderedDict[str, _Channel] = OrderedDict()
        self._order = count()
        self.waiting = 0
        """Jobs that are not finished, the busy ones included."""

    def add(self, job: Job, now: float) -> None:
        job.queued_seconds = job.due_seconds = now
        channel = self._channels.setdefault(job.channel, _Channel())
        lane = channel.lanes.setdefault(job.lane, deque())
        lane.append(job)
        self.waiting += 1
        if len(lane) == 1:
            self._push(channel, job)

    def take(self, now: float) -> Job | None:
        """Return the next job that may be tried now, and count it as busy; None if there is none.

        Channels take turns.
        """
        for name in list(self._channels):
            channel = self._channels[name]
            job = self._next(channel, now)
            if job is not None:
                self._channels.move_to_end(name)
                channel.busy += 1
                job.is_busy = True
                return job
        return None

    def finish(self, job: Job, reason: str, now: float) -> bool:
        """Note how an attempt went; return whether the job is over: done, or given up."""
        channel = self._channels[job.channel]
        channel.busy -= 1
        job.is_busy = False
        if not reason:
            channel.failing.clear()
            channel.is_down, channel.pauses = False, 0
            self._remove(channel, job)
            return True
        job.failures += 1
        job.reason = channel.reason = reason
        channel.failing.add(job)
        channel.is_down = channel.is_down or len(channel.failing) >= DOWN_AFTER
        if channel.is_down:
            channel.pauses += 1
            channel.paused_until = now + self._retry.pause(channel.pauses, self._chance())
        deadline = job.queued_seconds + self._retry.give_up_seconds
        if now >= deadline:
            self._remove(channel, job)
            return True
        job.due_seconds = min(deadline, now + self._retry.pause(job.failures, self._chance()))
        self._push(channel, job)
        return False

    def expired(self, now: float) -> list[Job]:
        """Remove and return what has waited too long on channels that are down, tried or not."""
        limit = now - self._retry.give_up_seconds
        old = [
            each
            for channel in self._channels.values()
            if channel.is_down
            for each in self._idle(channel)
            if each.queued_seconds <= limit
        ]
        return self._withdraw(old)

    def stuck(self, most: int) -> list[Job]:
        """Remove and return the oldest that do not get on: they failed, or their channel is down."""
        found = [
            each
            for channel in self._channels.values()
            for each in self._idle(channel)
            if each.failures or channel.is_down
        ]
        found.sort(key=lambda each: each.queued_seconds)
        return self._withdraw(found[:most])

    def withdraw(self, is_unwanted: Callable[[Job], bool]) -> list[Job]:
        """Remove and return what is unwanted; what is busy stays."""
        unwanted = [
            each for channel in self._channels.values() for each in self._idle(channel) if is_unwanted(each)
        ]
        return self._withdraw(unwanted)

    def is_busy(self, is_meant: Callable[[Job], bool]) -> bool:
        """Whether any job of those meant is being tried just now."""
        return any(each.is_busy and is_meant(each) for each in self._all())

    def gets_on(self) -> bool:
        """Whether anything is being tried, or will be at once: not only what failed before is left."""
        return any(
            channel.busy
            or (not channel.is_down and any(not lane[0].failures for lane in channel.lanes.values()))
            for channel in self._channels.values()
        )

    def down(self) -> dict[str, str]:
        """Return the channels that are down, each with its last reason."""
        return {name: channel.reason for name, channel in self._channels.items() if channel.is_down}

    def wait_seconds(self, now: float) -> float:
        """Return after how long ``take`` may give something that it does not give now."""
        moments = (self._moment(channel) for channel in self._channels.values())
        return max(0.0, min(moments, default=_NEVER) - now)

    def _next(self, channel: _Channel, now: float) -> Job | None:
        if channel.is_down:
            if channel.busy or channel.paused_until > now:
                return None
            # The latest of those that were tried least: the older ones are perhaps to blame themselves.
            return min(
                self._heads(channel), key=lambda each: (each.failures, -each.queued_seconds), default=None
            )
        due = self._first_due(channel)
        if due is None or due.due_seconds > now or channel.busy >= due.at_once:
            return None
        heappop(channel.heads)
        return due

    def _moment(self, channel: _Channel) -> float:
        """Return when ``_next`` may give something; if a job is finished before, ask anew."""
        if channel.is_down:
            return _NEVER if channel.busy or not channel.lanes else channel.paused_until
        due = self._first_due(channel)
        return _NEVER if due is None or channel.busy >= due.at_once else due.due_seconds

    def _first_due(self, channel: _Channel) -> Job | None:
        while channel.heads:
            due_seconds, _, job = channel.heads[0]
            lane = channel.lanes.get(job.lane)
            is_head = lane is not None and lane[0] is job
            if is_head and not job.is_busy and due_seconds == job.due_seconds:
                return job
            heappop(channel.heads)
        return None

    def _remove(self, channel: _Channel, job: Job) -> None:
        lane = channel.lanes[job.lane]
        was_first = lane[0] is job
        lane.remove(job)
        channel.failing.discard(job)
        self.waiting -= 1
        if not lane:
            del channel.lanes[job.lane]
        elif was_first:
            self._push(channel, lane[0])
        if not channel.lanes:
            del self._channels[job.channel]

    def _withdraw(self, jobs: list[Job]) -> list[Job]:
        for each in jobs:
            self._remove(self._channels[each.channel], each)
        return jobs

    def _push(self, channel: _Channel, job: Job) -> None:
        heappush(channel.heads, (job.due_seconds, next(self._order), job))

    def _heads(self, channel: _Channel) -> Iterator[Job]:
        return (lane[0] for lane in channel.lanes.values() if not lane[0].is_busy)

    def _idle(self, channel: _Channel) -> Iterator[Job]:
        return (each for lane in channel.lanes.values() for each in lane if not each.is_busy)

    def _all(self) -> Iterator[Job]:
        return (
            each for channel in self._channels.values() for lane in channel.lanes.values() for each in lane
        )
