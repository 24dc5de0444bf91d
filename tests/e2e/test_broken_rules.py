"""The proof that the proof can fail: with the rule of one transaction broken, the checker finds it.

A test-only delivery commits messages and offsets in two transactions, and the worker is killed between
them. Everything else is as it is in the histories of test_crashes.
"""

from collections.abc import Callable
from typing import Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import Report, check
from tests.e2e.faulty_worker import BETWEEN_TRANSACTIONS, FAULT, MESSAGES_FIRST, OFFSETS_FIRST, RULE
from tests.e2e.load import Load
from tests.e2e.mix import BRISK, Mix
from tests.e2e.site import Site
from tests.e2e.workers import Fleet
from tests.waiting import until

TASKS: Final = 60
ALL_AT_ONCE: Final = Mix(again=0.0, racing=0.0, lived=0.0, safety_ms=BRISK.safety_ms)
KILLED: Final = -9


@pytest.fixture
def slow_site(make_site: Callable[..., Site]) -> Site:
    made = make_site(partitions=2, settings={"RUNNER_WORKER__BATCHSIZE": "25"})
    made.create_topics()
    return made


def test_with_offsets_committed_before_the_emits_answers_are_lost_and_the_checker_finds_it(
    slow_site: Site, fleets: Callable[..., Fleet]
) -> None:
    report = _history(slow_site, fleets(slow_site), OFFSETS_FIRST)
    assert any("sent, only" in finding for finding in report.findings), report.say()
    assert not any("replies" in finding for finding in report.findings), report.say()


def test_with_emits_committed_before_the_offsets_answers_are_doubled_and_the_checker_finds_it(
    slow_site: Site, fleets: Callable[..., Fleet]
) -> None:
    report = _history(slow_site, fleets(slow_site), MESSAGES_FIRST)
    assert any("replies" in finding for finding in report.findings), report.say()
    assert not any("sent, only" in finding for finding in report.findings), report.say()


def _history(site: Site, fleet: Fleet, rule: str) -> Report:
    """Kill a worker between its two transactions, let another finish, and check."""
    with Load(site, seed=1, tasks=TASKS, mix=ALL_AT_ONCE, window=10 * TASKS) as load:
        first = fleet.one({RULE: rule, FAULT: f"{BETWEEN_TRANSACTIONS}/2/kill"}, faulty=True)
        load.run(stop=lambda: first.exit_code is not None)
        assert first.exit_code == KILLED, first.last_lines()
        fleet.start()
        # What is lost never comes: the end is when the tasks have ended and nothing is left to read.
        wait_until_drained(site)
        until(lambda: site.open_tasks() == 0, "the end of every task")
        wait_until_drained(site)
        assert fleet.stop() == [0]
        return check(load.sent, read_all(site, site.responses))
