"""What happens to the servers and workers of a soak, and when: drawn from the seed."""

from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

PAUSE_SECONDS: Final = (2.0, 6.0)
"""Between the end of one disturbance and the next."""

WIDEN_AT: Final = 0.4
"""Share of the run after which partitions are added."""


class Kind(Enum):
    """A disturbance."""

    KILL = "kill -9 of a worker"
    SLEEP = "SIGSTOP of a worker past its session"
    REDIS_STOP = "restart of Redis"
    REDIS_KILL = "kill -9 of Redis"
    BROKER = "restart of the broker"
    WIDEN = "partitions added"


DECK: Final = (*[Kind.KILL] * 6, *[Kind.SLEEP] * 3, Kind.REDIS_STOP, Kind.REDIS_KILL, Kind.BROKER)
"""Dealt in random order, again and again: every kind comes, also in a short run."""


@dataclass(slots=True)
class Schedule:
    """The disturbances of one run, one after another."""

    random: Random
    seconds: float
    """Length of the run: nothing begins after it."""
    _deck: list[Kind]
    _next_at: float = 0.0
    _widened: bool = False

    @classmethod
    def of(cls, seed: int, seconds: float) -> "Schedule":
        """Return the schedule of a seed."""
        random = Random(seed)
        return cls(random, seconds, [], random.uniform(*PAUSE_SECONDS))

    def due(self, elapsed_seconds: float) -> Kind | None:
        """Return what is to begin now, if anything is; asked while nothing is under way."""
        if not self._next_at <= elapsed_seconds < self.seconds:
            return None
        if not self._widened and elapsed_seconds >= WIDEN_AT * self.seconds:
            self._widened = True
            return Kind.WIDEN
        if not self._deck:
            self._deck = self.random.sample(DECK, len(DECK))
        return self._deck.pop()

    def ended(self, elapsed_seconds: float) -> None:
        """Note that what was given last is over: the next comes after a pause."""
        self._next_at = elapsed_seconds + self.random.uniform(*PAUSE_SECONDS)
