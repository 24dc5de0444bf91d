"""One scheduler over virtual time: which fiber goes on next is decided by the seed alone.

A fiber is a greenlet. It gives control back at every I/O call of the models, so the code between
two calls is atomic, as it is for the worker, whose loop is one thread. A fiber that is killed is
never resumed.

A fiber that waits chooses who goes on by itself, and switches there at once; control comes back to
whoever runs the scheduler only for timed actions, and where time has to pass.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Final, TypeAlias

import greenlet

START_MS: Final = 1_000_000
_TICK: Final = 0.25
"""How often a millisecond passes with a step."""

Action: TypeAlias = Callable[[], object]


class Stuck(Exception):
    """The history did not come to rest within its steps."""


class Fiber:
    """A line of execution that is suspended at its I/O calls."""

    __slots__ = ("_scheduler", "alive", "greenlet", "name", "ready_ms")

    def __init__(self, scheduler: Scheduler, name: str, body: Action) -> None:
        self._scheduler = scheduler
        self.greenlet = greenlet.greenlet(body, scheduler.hub)
        self.name = name
        self.ready_ms = scheduler.now_ms
        self.alive = True

    def wait(self, ms: int = 0) -> None:
        """Suspend this fiber, from inside it, for at least so long."""
        scheduler = self._scheduler
        self.ready_ms = scheduler.now_ms + ms
        chosen = scheduler.choose()
        if chosen is not self:
            (scheduler.hub if chosen is None else chosen.greenlet).switch()
        if not self.alive:
            raise greenlet.GreenletExit

    def check(self) -> None:
        """Leave silently if this fiber is dead: its I/O must reach nobody."""
        if not self.alive:
            raise greenlet.GreenletExit

    def wake(self, ms: int = 0) -> None:
        """Let it go on earlier than it asked for."""
        self.ready_ms = min(self.ready_ms, self._scheduler.now_ms + ms)

    def discard(self) -> None:
        """Drop a suspended fiber for good: its stack unwinds without any I/O."""
        self.alive = False
        if self.greenlet:
            self.greenlet.throw()


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
        self._is_hub_next = False

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

    def run(self, is_over: Callable[[], bool]) -> None:
        """Go on until nothing is ready and ``is_over`` says so."""
        while True:
            fiber = self.choose()
            if fiber is not None:
                fiber.greenlet.switch()
            if not self._is_hub_next:
                continue
            if self._timed and self._timed[0][0] <= self.now_ms:
                heapq.heappop(self._timed)[2]()
            else:
                self._pass_time()
                if is_over():
                    return

    def choose(self) -> Fiber | None:
        """Draw which fiber goes on; None: a timed action does, or nothing is ready."""
        self.steps += 1
        if self.steps > self._max_steps:
            raise Stuck(f"not at rest after {self._max_steps} steps")
        random = self._random
        if random() < _TICK:
            self.now_ms += 1
        now = self.now_ms
        ready = [fiber for fiber in self._fibers if fiber.ready_ms <= now]
        is_due = bool(self._timed) and self._timed[0][0] <= now
        chosen = int(random() * (len(ready) + is_due))
        self._is_hub_next = chosen == len(ready)
        return None if self._is_hub_next else ready[chosen]

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
