"""Exactly once, shown: real workers are killed and put to sleep under load, and a checker counts.

RUNNER_TEST_SEED repeats the plan of an earlier run; what the machine makes of it is new every time.
"""

import os
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import Report, check
from tests.e2e.feed_check import feed_findings
from tests.e2e.load import Load
from tests.e2e.site import CONSUMER, COOPERATIVE, RANGE, Site
from tests.e2e.workers import Fleet

SEED: Final = "RUNNER_TEST_SEED"
PARTITIONS: Final = 12
ANSWERS_BETWEEN: Final = 400
SECONDS_BETWEEN: Final = (0.7, 2.0)
"""A kill comes when so much was answered and the first of these has passed, or after the second."""

FENCED: Final = 6
"""Exit code of a worker whose transaction was taken away: whoever runs it starts it again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the group shares its partitions, and how much a history has of what."""

    assignment: str
    tasks: int
    kills: int
    sleeps: int

    def __str__(self) -> str:
        return self.assignment


PLANS: Final = (
    Plan(RANGE, tasks=5000, kills=20, sleeps=4),
    Plan(COOPERATIVE, tasks=1000, kills=5, sleeps=1),
    Plan(CONSUMER, tasks=1000, kills=5, sleeps=1),
)


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
    sleeps: int = 0
    _asleep: int | None = None
    _answered: int = ANSWERS_BETWEEN
    _seen: int = 0

    def __call__(self) -> None:
        self.fleet.tend()
        if self._asleep is not None:
            if PARTITIONS in self._taken_by(1 - self._asleep)[self._seen :]:
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


@pytest.fixture
def seed() -> int:
    """The seed of the plan, printed for whoever wants to repeat it."""
    chosen = int(os.environ.get(SEED) or secrets.randbits(32))
    print(f"{SEED}={chosen}")
    return chosen


@pytest.fixture(params=PLANS, ids=str)
def plan(request: pytest.FixtureRequest) -> Plan:
    """Every way of sharing partitions in turn."""
    chosen: Plan = request.param
    return chosen


@pytest.fixture
def wide_site(make_site: Callable[..., Site], plan: Plan) -> Site:
    """Twelve partitions, and a task feed."""
    feed = {"RUNNER_TOPICS__TASKS": f"tasks-{uuid.uuid4().hex[:10]}"}
    made = make_site(partitions=PARTITIONS, assignment=plan.assignment, settings=feed)
    made.create_topics()
    return made


@pytest.mark.timeout(240)
def test_kill_9_of_a_random_worker_again_and_again_loses_and_doubles_nothing(
    wide_site: Site, fleets: Callable[..., Fleet], plan: Plan, seed: int
) -> None:
    fleet = fleets(wide_site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(wide_site, seed, plan.tasks) as load:
        killer = Killer(fleet, load, Random(seed), plan.kills)
        load.run(150, killer)
        report = _closed(wide_site, fleet, load)
    print(f"{killer.kills} kills, {fleet.ended} ended by themselves; {dict(report.counts)}")
    assert not report.findings, report.say()
    assert killer.kills >= plan.kills // 2
    assert wide_site.open_tasks() == 0
    assert feed_findings(wide_site) == []


@pytest.mark.timeout(180)
def test_a_worker_that_slept_through_its_replacement_changes_and_sends_nothing(
    wide_site: Site, fleets: Callable[..., Fleet], plan: Plan, seed: int
) -> None:
    fleet = fleets(wide_site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(wide_site, seed, plan.tasks, window=300) as load:
        sandman = Sandman(fleet, load, Random(seed), plan.sleeps)
        load.run(120, sandman)
        report = _closed(wide_site, fleet, load)
    print(f"{sandman.sleeps} sleeps, {fleet.ended} ended by themselves; {dict(report.counts)}")
    assert not report.findings, report.say()
    assert sandman.sleeps == plan.sleeps
    assert wide_site.open_tasks() == 0
    assert feed_findings(wide_site) == []


def _closed(site: Site, fleet: Fleet, load: Load) -> Report:
    """Stop the workers once nothing is left to do, and check all that they ever answered."""
    wait_until_drained(site)
    assert set(fleet.stop()) == {0}
    return check(load.sent, read_all(site, site.responses))
