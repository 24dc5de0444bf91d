"""Exactly once, shown: real workers are killed and put to sleep under load, and a checker counts.

RUNNER_TEST_SEED repeats the plan of an earlier run; what the machine makes of it is new every time.
"""

import os
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import pytest

from tests.e2e.changelog_check import changelog_findings
from tests.e2e.load import Load
from tests.e2e.site import CONSUMER, COOPERATIVE, RANGE, Site
from tests.e2e.trouble import FENCED, Killer, Sandman, closed
from tests.e2e.workers import Fleet

SEED: Final = "RUNNER_TEST_SEED"
PARTITIONS: Final = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """How the group shares its partitions, and how much a history has of what."""

    assignment: str
    tasks: int
    kills: int
    sleeps: int


SHORT: Final = Plan(RANGE, tasks=700, kills=4, sleeps=1)
PLANS: Final = (
    pytest.param(SHORT, id="short"),
    *(
        pytest.param(plan, id=plan.assignment, marks=pytest.mark.thorough(reason))
        for plan, reason in (
            (Plan(RANGE, tasks=5000, kills=20, sleeps=4), "the short history, many times as long"),
            (replace(SHORT, assignment=COOPERATIVE), "the short history, shared another way"),
            (replace(SHORT, assignment=CONSUMER), "the short history, shared a third way"),
        )
    ),
)


@pytest.fixture
def seed() -> int:
    """The seed of the plan, printed for whoever wants to repeat it."""
    chosen = int(os.environ.get(SEED) or secrets.randbits(32))
    print(f"{SEED}={chosen}")
    return chosen


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> Plan:
    """Every way of sharing partitions in turn."""
    chosen: Plan = request.param
    return chosen


@pytest.fixture
def wide_site(make_site: Callable[..., Site], plan: Plan) -> Site:
    """Twelve partitions, and a changelog."""
    changelog = {"RUNNER_TOPICS__TASKS": f"tasks-{uuid.uuid4().hex[:10]}"}
    made = make_site(partitions=PARTITIONS, assignment=plan.assignment, settings=changelog)
    made.create_topics()
    return made


def test_kill_9_of_a_random_worker_again_and_again_loses_and_doubles_nothing(
    wide_site: Site, fleets: Callable[..., Fleet], plan: Plan, seed: int
) -> None:
    fleet = fleets(wide_site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(wide_site, seed, plan.tasks) as load:
        killer = Killer(fleet, load, Random(seed), plan.kills)
        load.run(killer)
        report = closed(wide_site, fleet, load)
    print(f"{killer.kills} kills, {fleet.ended} ended by themselves; {dict(report.counts)}")
    assert not report.findings, report.say()
    assert killer.kills >= plan.kills // 2
    assert wide_site.open_tasks() == 0
    assert changelog_findings(wide_site) == []


def test_a_worker_that_slept_through_its_replacement_changes_and_sends_nothing(
    wide_site: Site, fleets: Callable[..., Fleet], plan: Plan, seed: int
) -> None:
    fleet = fleets(wide_site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(wide_site, seed, plan.tasks, window=300) as load:
        sandman = Sandman(fleet, load, Random(seed), plan.sleeps, PARTITIONS)
        load.run(sandman)
        report = closed(wide_site, fleet, load)
    print(f"{sandman.sleeps} sleeps, {fleet.ended} ended by themselves; {dict(report.counts)}")
    assert not report.findings, report.say()
    assert sandman.sleeps == plan.sleeps
    assert wide_site.open_tasks() == 0
    assert changelog_findings(wide_site) == []
