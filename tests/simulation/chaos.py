"""What goes wrong, and when: every choice is the seed's, and every one is at a named point.

A worker passes a point before each of its calls. There it may be killed (never resumed), or fall
asleep for longer than its session (a zombie), to wake when its time is over or, worse, right after
something happened to a task.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Protocol

from tests.simulation.profile import Profile
from tests.simulation.scheduler import Scheduler


class Fault(Enum):
    """What becomes of a call."""

    NONE = "none"
    BEFORE = "before"
    """It did not happen, and the caller is told that it does not know."""
    AFTER = "after"
    """It did happen, and the caller is told that it does not know."""
    LATE = "late"
    """It happens after the caller has gone on."""


class Victim(Protocol):
    """A worker process, as chaos sees it."""

    def kill(self) -> None:
        """End now; does not return if called from inside."""
        ...

    def sleep(self, ms: int) -> None:
        """Do nothing at all for a while, heartbeats included."""
        ...


class Chaos:
    """Decides about faults until it is stopped."""

    def __init__(self, scheduler: Scheduler, rng: Random, profile: Profile) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._random = rng.random
        self._profile = profile
        self._sleepers: list[Callable[[], None]] = []
        self.active = True
        self.left = 8
        """Kills and sleeps still allowed."""
        self.store_down = False

    def stop(self) -> None:
        """From now on everything is healthy."""
        self.active = False
        self.store_down = False
        self._wake_all()

    def at(self, point: str, victim: Victim) -> None:
        """Pass a point: die, sleep or, mostly, go on."""
        if not self.active or self.left <= 0:
            return
        profile, drawn = self._profile, self._random()
        weight = 12.0 if point == profile.focus else 1.0
        kills = profile.kills * weight
        if drawn < kills:
            self.left -= 1
            victim.kill()
        elif drawn < kills + profile.freezes * weight:
            self.left -= 1
            victim.sleep(int(profile.session_ms * self._rng.choice(profile.sleeps)))

    def sleeper(self, wake: Callable[[], None]) -> None:
        """Remember how to wake someone when something happens."""
        self._sleepers.append(wake)

    def happened(self, what: str) -> None:
        """Something happened to a task in the store: the moment to wake a zombie, for some seeds."""
        if self._sleepers and self._random() < 0.3:
            wanted = self._profile.wake_on
            if what in wanted or "any" in wanted:
                self._wake_all()

    def store_fault(self, point: str) -> Fault:
        """Return what becomes of a call to the store."""
        if self.store_down:
            return Fault.BEFORE
        if point == "remove" and self.active and self._random() < self._profile.late_removals:
            return Fault.LATE
        if not self.active or self._random() >= self._profile.store_faults:
            return Fault.NONE
        return self._rng.choice((Fault.BEFORE, Fault.AFTER, Fault.LATE))

    def log_fault(self) -> bool:
        """Whether a call to the log fails, or its answer is lost."""
        return self.active and self._random() < self._profile.log_faults

    def some_ms(self, most: int) -> int:
        """Draw a delay."""
        return int(self._random() * most)

    def one_of(self, choices: tuple[int, ...]) -> int:
        """Draw one of a few."""
        return choices[int(self._random() * len(choices))]

    def _wake_all(self) -> None:
        sleepers, self._sleepers = self._sleepers, []
        for wake in sleepers:
            wake()
