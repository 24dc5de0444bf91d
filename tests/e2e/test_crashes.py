"""A worker ends, or falls asleep, at every named point between load and commit; nobody notices.

A case is a whole history with topics, a key space and workers of its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import pytest
from _pytest.mark import ParameterSet

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import Report, check
from tests.e2e.faulty_worker import AFTER_APPLY, AFTER_COMMIT, AFTER_SEND_OFFSETS, FAULT, POINTS
from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.site import CONSUMER, COOPERATIVE, RANGE, Site
from tests.e2e.workers import Fleet, Worker
from tests.waiting import until

TASKS: Final = 120
BATCH: Final = "25"
FAULTY_BATCH: Final = 3
QUICK: Final = (AFTER_APPLY, AFTER_SEND_OFFSETS)
KILLED: Final = -9
FENCED: Final = 6

Run = Callable[[Site, str], Report]


@dataclass(frozen=True, slots=True)
class Case:
    """One history: what happens to its workers, and at which point."""

    run: Run
    point: str
    assignment: str = RANGE

    def __str__(self) -> str:
        return self.point if self.assignment == RANGE else f"{self.point}-{self.assignment}"


def crash_twice(site: Site, point: str) -> Report:
    """A worker is killed at a point, and its successor at the same point of the same batch."""
    with Fleet(site) as fleet, Load(site, _seed(point), TASKS, BRISK, window=100) as load:
        first = fleet.one({FAULT: f"{point}/{FAULTY_BATCH}/kill"}, faulty=True)
        load.run(stop=lambda: first.exit_code is not None)
        assert first.exit_code == KILLED, first.last_lines()
        committed = site.committed()
        second = fleet.one({FAULT: f"{point}/1/kill"}, faulty=True)
        assert second.wait() == KILLED, second.last_lines()
        if point != AFTER_COMMIT:
            assert site.committed() == committed, "the successor was to crash in the very same batch"
        fleet.start()
        load.run(fleet.tend)
        return _closed(site, fleet, load)


def sleep_until_replaced(site: Site, point: str) -> Report:
    """A worker stands still at a point until another has its partitions open, and then goes on."""

    def is_replaced(_: Worker, other: Worker) -> bool:
        return len(other.events("homes")[-1]["open"]) == site.partitions

    return _sleep(site, point, is_replaced)


def sleep_in_transaction(site: Site, point: str) -> Report:
    """A worker wakes while its transaction is still open, but its partitions are another's."""

    def is_assigned(sleeper: Worker, other: Worker) -> bool:
        del sleeper, other
        return site.members() == [site.partitions]

    return _sleep(site, point, is_assigned)


def _sleep(site: Site, point: str, until_when: Callable[[Worker, Worker], bool]) -> Report:
    with (
        Fleet(site, frozenset({FENCED})) as fleet,
        Load(site, _seed(point), TASKS, BRISK, window=100) as load,
    ):
        other = fleet.start()
        other.wait_for("homes")
        sleeper = fleet.one({FAULT: f"{point}/{FAULTY_BATCH}/stop"}, faulty=True)
        fleet.slots.append(sleeper)
        sleeper.wait_for("homes")
        load.run(fleet.tend, stop=sleeper.is_suspended)
        assert sleeper.is_suspended(), sleeper.last_lines()
        until(lambda: until_when(sleeper, other), f"a successor at {point}")
        sleeper.resume()
        load.run(fleet.tend)
        return _closed(site, fleet, load)


def _closed(site: Site, fleet: Fleet, load: Load) -> Report:
    wait_until_drained(site)
    assert set(fleet.stop()) == {0}
    return check(load.sent, read_all(site, site.responses))


def _once(cases: Iterable[Case]) -> list[ParameterSet]:
    """Give the cases to a test; at one point, in one way of sharing, also to the quick run."""
    elsewhere = pytest.mark.thorough("a point, or a way of sharing, at which the simulation crashes as well")
    return [
        pytest.param(
            case,
            id=str(case),
            marks=() if case.assignment == RANGE and case.point in QUICK else elsewhere,
        )
        for case in cases
    ]


def _seed(point: str) -> int:
    return POINTS.index(point) + 1


CRASHES: Final = _once(Case(crash_twice, point) for point in POINTS)
SLEEPS: Final = _once(
    [
        *(Case(sleep_until_replaced, point) for point in POINTS),
        *(Case(sleep_until_replaced, AFTER_APPLY, assignment) for assignment in (COOPERATIVE, CONSUMER)),
    ]
)
WAKES: Final = _once(
    Case(sleep_in_transaction, AFTER_SEND_OFFSETS, assignment)
    for assignment in (RANGE, COOPERATIVE, CONSUMER)
)


@pytest.fixture
def run(make_site: Callable[..., Site]) -> Callable[[Case], Report]:
    """Run a case to its end, at a site of its own."""

    def to_its_end(case: Case) -> Report:
        site = make_site(assignment=case.assignment, settings={"RUNNER_WORKER__BATCHSIZE": BATCH})
        site.create_topics()
        return case.run(site, case.point)

    return to_its_end


@pytest.mark.parametrize("case", CRASHES)
def test_crashing_twice_in_the_same_batch_loses_and_doubles_nothing(
    run: Callable[[Case], Report], case: Case
) -> None:
    report = run(case)
    assert not report.findings, report.say()


@pytest.mark.parametrize("case", SLEEPS)
def test_waking_after_a_successor_took_over_loses_and_doubles_nothing(
    run: Callable[[Case], Report], case: Case
) -> None:
    report = run(case)
    assert not report.findings, report.say()


@pytest.mark.parametrize("case", WAKES)
def test_waking_in_an_open_transaction_loses_and_doubles_nothing(
    run: Callable[[Case], Report], case: Case
) -> None:
    report = run(case)
    assert not report.findings, report.say()
