"""Carries out a schedule while the load runs, one disturbance at a time.

Each is a generator that is gone on with at every call; what takes long goes on in a thread.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Final

from tests.e2e.load import Load
from tests.e2e.workers import Fleet
from tests.soak.rig import MORE_HOMES, SoakRig
from tests.soak.schedule import Kind, Schedule

LONGER_THAN_SESSION: Final = 2.0
DOWN_SECONDS: Final = 1.0
"""How long a server is away, besides what its start takes."""


class Disturber:
    """Called again and again; ``spared`` is the slot whose worker is never killed: its memory is watched."""

    def __init__(
        self,
        rig: SoakRig,
        fleet: Fleet,
        load: Load,
        schedule: Schedule,
        spared: int,
        say: Callable[[str], None],
    ) -> None:
        self._stand = rig
        self._fleet = fleet
        self._load = load
        self._schedule = schedule
        self._spared = spared
        self._say = say
        self._random = Random(schedule.random.random())
        self._began = time.monotonic()
        self._under_way: Iterator[None] | None = None
        self._thread = ThreadPoolExecutor(1)
        self.counts: Counter[Kind] = Counter()
        self._acts: dict[Kind, Callable[[], Iterator[None]]] = {
            Kind.KILL: self._kill,
            Kind.SLEEP: self._sleep,
            Kind.REDIS_STOP: lambda: self._restart(rig.redis.stop, rig.redis.start),
            Kind.REDIS_KILL: lambda: self._restart(rig.redis.kill, rig.redis.start),
            Kind.BROKER: lambda: self._restart(rig.broker.stop, rig.broker.start),
            Kind.WIDEN: self._widen,
        }

    @property
    def elapsed_seconds(self) -> float:
        """Seconds of the run."""
        return time.monotonic() - self._began

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._under_way is None

    def go_on(self) -> None:
        """Go on with what is under way, or begin what is due."""
        if self._under_way is not None:
            if next(self._under_way, self) is self:
                self._under_way = None
                self._schedule.ended(self.elapsed_seconds)
            return
        kind = self._schedule.due(self.elapsed_seconds)
        if kind is not None:
            self.counts[kind] += 1
            self._say(f"{self.elapsed_seconds:6.1f} s  {kind.value}")
            self._under_way = self._acts[kind]()

    def close(self) -> None:
        """Wait for what goes on in the thread."""
        self._thread.shutdown()

    def _kill(self) -> Iterator[None]:
        self._fleet.replace(self._one())
        yield

    def _sleep(self) -> Iterator[None]:
        """Whoever sleeps past its session wakes as a zombie: others have its homes."""
        worker = self._fleet.slots[self._one()]
        worker.suspend()
        yield from self._pause(self._stand.site.session_ms / 1000 * LONGER_THAN_SESSION)
        worker.resume()

    def _restart(self, end: Callable[[], None], start: Callable[[], None]) -> Iterator[None]:
        """All of it in the thread: the load may stand still until its server is back."""

        def restart() -> None:
            end()
            time.sleep(DOWN_SECONDS)
            start()

        done = self._thread.submit(restart)
        while not done.done():
            yield
        done.result()

    def _widen(self) -> Iterator[None]:
        self._stand.site.widen(MORE_HOMES)
        self._load.widen(MORE_HOMES)
        yield

    def _one(self) -> int:
        return self._random.choice([slot for slot in range(len(self._fleet.slots)) if slot != self._spared])

    def _pause(self, seconds: float) -> Iterator[None]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield
