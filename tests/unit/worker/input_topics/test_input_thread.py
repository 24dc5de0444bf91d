"""The thread of an input: opened again after every failure, and ended only when asked to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from runner.clock import ManualTicker
from runner.errors import Fenced, LogUnavailable, PositionUnknown, RunnerError
from runner.metrics import Metrics
from runner.worker.health import HealthState
from runner.worker.input_topics.reporter import InputReporter
from runner.worker.input_topics.thread import InputThread
from runner.worker.loop import Loop

SECONDS = 10.0


class FakeLoop:
    """Steps as it is told to, until asked to stop."""

    def __init__(self, act: Callable[[], None], reporter: InputReporter) -> None:
        self._act = act
        self._reporter = reporter

    def run(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            self._act()
            self._reporter.phase_ended("poll")
            self._reporter.phase_ended("other")


class Reading:
    """An input whose loop does what a test says, one act per opening; the last goes on for ever."""

    def __init__(self, *acts: Callable[[], None]) -> None:
        self.health = HealthState(0.0)
        self.opened = 0
        self.closed = 0
        self.stale = False
        self.settled = threading.Event()
        self._acts = [*acts, self._settle]
        self._reporter = InputReporter("desk", Metrics(), self.health, ManualTicker())
        self.thread = InputThread("desk", self._opening, self._is_stale, self._reporter, again_seconds=0.0)

    @property
    def trouble(self) -> list[str]:
        return [reason for reason in self.health.readiness(0.0, 1.0).reasons if "desk" in reason]

    def _settle(self) -> None:
        if not self.trouble:
            self.settled.set()

    def _is_stale(self) -> bool:
        stale, self.stale = self.stale, False
        return stale

    @contextmanager
    def _opening(self) -> Iterator[Loop]:
        act = self._acts[min(self.opened, len(self._acts) - 1)]
        self.opened += 1
        try:
            yield cast(Loop, FakeLoop(act, self._reporter))
        finally:
            self.closed += 1


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [Fenced("x"), PositionUnknown("x"), LogUnavailable("x")])
def test_whatever_ends_the_loop_it_is_opened_again(error: RunnerError) -> None:
    reading = Reading(failing(error), failing(error))
    reading.thread.start()
    assert reading.settled.wait(SECONDS)
    assert (reading.opened, reading.closed) == (3, 2)
    assert not reading.thread.has_died
    reading.thread.close()
    assert (reading.closed, reading.trouble) == (3, [])
    assert not reading.thread.has_died


def test_a_topic_that_was_made_again_is_opened_again() -> None:
    reading = Reading()
    reading.stale = True
    reading.thread.start()
    assert reading.settled.wait(SECONDS)
    reading.thread.close()
    assert reading.opened == reading.closed == 2


def test_why_it_cannot_go_on_is_told_until_it_has_come_round_again() -> None:
    told: list[Any] = []
    reading = Reading(failing(PositionUnknown("offsets are gone")), lambda: None)

    def look() -> None:
        told.append(reading.trouble)
        reading.stale = True

    reading._acts[1] = look
    reading.thread.start()
    assert reading.settled.wait(SECONDS)
    reading.thread.close()
    assert told[0] == ["input desk: offsets are gone"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_ours_is_noticed() -> None:
    reading = Reading(failing(ZeroDivisionError()))
    reading.thread.start()
    reading.thread._thread.join(SECONDS)
    assert reading.thread.has_died
