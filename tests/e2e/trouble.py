"""Trouble for a fleet under load: workers are killed, or put to sleep until they were replaced."""

import time
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.changelog_check import changelog_of
from tests.e2e.checker import Report, check
from tests.e2e.load import Load
from tests.e2e.site import Site
from tests.e2e.workers import Fleet

ANSWERS_BETWEEN: Final = 400
SECONDS_BETWEEN: Final = (0.7, 2.0)
"""A kill comes when so much was answered and the first of these has passed, or after the second."""

FENCED: Final = 6
"""Exit code of a worker whose transaction was taken away: whoever runs it starts it again."""


@dataclass(slots=True)
class Killer:
    """Kills a random worker of a fleet, again and again, and starts another in its place."""

    fleet: Fleet
    load: Load
    random: Random
    wanted: int
    kills: int = 0
    _answered: int = 0
    _at: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        self.fleet.tend()
        waited = time.monotonic() - self._at
        progress = self.load.answered - self._answered
        soonest, latest = SECONDS_BETWEEN
        due = self.load.answered and (waited > latest or (waited > soonest and progress > ANSWERS_BETWEEN))
        if due and self.kills < self.wanted:
            self.fleet.replace(self.random.randrange(len(self.fleet.slots)))
            self.kills += 1
            self._answered = self.load.answered
            # Not always at the moment an answer was seen: that is always the same step of the loop.
            self._at = time.monotonic() + self.random.uniform(-0.2, 0.2)


@dataclass(slots=True)
class Sandman:
    """Stops workers in their tracks until another has taken over their partitions, then wakes them."""

    fleet: Fleet
    load: Load
    random: Random
    wanted: int
    partitions: int
    sleeps: int = 0
    _asleep: int | None = None
    _answered: int = ANSWERS_BETWEEN
    _seen: int = 0

    def __call__(self) -> None:
        self.fleet.tend()
        if self._asleep is not None:
            if self.partitions in self._taken_by(1 - self._asleep)[self._seen :]:
                self.fleet.slots[self._asleep].resume()
                self._asleep = None
                self._answered = self.load.answered + ANSWERS_BETWEEN
        elif self.sleeps < self.wanted and self.load.answered > self._answered and self._is_shared():
            self._asleep = self.random.randrange(2)
            self._seen = len(self._taken_by(1 - self._asleep))
            self.fleet.slots[self._asleep].suspend()
            self.sleeps += 1

    def _is_shared(self) -> bool:
        """Whether both have partitions: who has none does not leave a batch half done."""
        return all(taken and taken[-1] for taken in map(self._taken_by, range(2)))

    def _taken_by(self, slot: int) -> list[int]:
        """Return how many partitions a worker had open, time after time."""
        return [len(event["open"]) for event in self.fleet.slots[slot].events("homes")]


def closed(site: Site, fleet: Fleet, load: Load) -> Report:
    """Stop the workers once nothing is left to do, and check all that they ever answered."""
    wait_until_drained(site)
    assert set(fleet.stop()) == {0}
    return check(load.sent, read_all(site, site.responses), changelog_of(site))
