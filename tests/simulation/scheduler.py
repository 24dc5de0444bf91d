"""One scheduler over virtual time: which fiber goes on next is decided by the seed alone.

A fiber is a greenlet. It gives control back at every I/O call of the models, so the code between
two calls is atomic, as it is for the worker, whose loop is one thread. A fiber that is killed is
never resumed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Final, TypeAlias

import greenlet

START_MS: Final = 1_000_000
Action: TypeAlias = Callable[[], object]


class Stuck(Exception):
    """The history did not come to rest within its steps."""


class Fiber:
    """A line of execution that is suspended at its I/O calls."""

    __slots__ = ("_greenlet", "_scheduler", "alive", "name", "ready_ms")

    def __init__(self, scheduler: Scheduler, name: str, body: Action) -> None:
        self._scheduler = scheduler
        self._greenlet = greenlet.greenlet(body, scheduler.hub)
        self.name = name
        self.ready_ms = scheduler.now_ms
        self.alive = True

    def wait(self, ms: int = 0) -> None:
        """Suspend this fiber, from inside it, for at least so long."""
        self.ready_ms = self._scheduler.now_ms + ms
        self._scheduler.hub.switch()
        self.check()

    def check(self) -> None:
        """Leave silently if this fiber is dead: its I/O must reach nobody."""
        if not self.alive:
            raise greenlet.GreenletExit

    def wake(self, ms: int = 0) -> None:
        """Let it go on earlier than it asked for."""
        self.ready_ms = min(self.ready_ms, self._scheduler.now_ms + ms)

    def resume(self) -> None:
        """Go on until its next I/O call."""
        self._greenlet.switch()

    def discard(self) -> None:
        """Drop a suspended fiber for good: its stack unwinds without any I/O."""
        self.alive = False
        if self._greenlet:
            self._greenlet.throw()


class Scheduler:
    """Runs fibers and timed actions in an order that the seed decides."""

    def __init__(self, rng: Random, max_steps: int) -> None:
        self.hub = greenlet.getcurrent()
        self.now_ms = START_MS
        self.steps = 0
        self._random = rng.random
        self._max_steps = max_steps
        self._fibers: list[Fiber] = []
        self._ended: list[Fiber] = []
        self._timed: list[tuple[int, int, Action]] = []
        self._count = 0

    def spawn(self, name: str, body: Action) -> Fiber:
        """Start a fiber; it runs when it is chosen."""
        fiber = Fiber(self, name, body)
        self._fibers.append(fiber)
        return fiber

    def end(self, fiber: Fiber) -> None:
        """Never resume a fiber again; it may be the one that asks."""
        fiber.alive = False
        self._fibers.remove(fiber)
        self._ended.append(fiber)

    def after(self, ms: int, action: Action) -> None:
        """Do something after so much virtual time, at the earliest."""
        self._count += 1
        heapq.heappush(self._timed, (self.now_ms + ms, self._count, action))

    def step(self) -> bool:
        """Do one thing, or let time pass to the next; whether anything was ready."""
        self.steps += 1
        if self.steps > self._max_steps:
            raise Stuck(f"not at rest after {self._max_steps} steps")
        now, drawn = self.now_ms, self._random()
        ready = [fiber for fiber in self._fibers if fiber.ready_ms <= now]
        due = bool(self._timed) and self._timed[0][0] <= now
        if not ready and not due:
            self._pass_time()
            return False
        chosen = int(drawn * (len(ready) + due))
        if chosen == len(ready):
            heapq.heappop(self._timed)[2]()
        else:
            ready[chosen].resume()
        if self._random() < 0.25:
            self.now_ms += 1
        return True

    def close(self) -> None:
        """Drop every fiber."""
        for fiber in [*self._fibers, *self._ended]:
            fiber.discard()

    def _pass_time(self) -> None:
        moments = [fiber.ready_ms for fiber in self._fibers]
        moments += [self._timed[0][0]] if self._timed else []
        if not moments:
            raise Stuck("nothing is left to happen")
        self.now_ms = max(self.now_ms + 1, min(moments))
