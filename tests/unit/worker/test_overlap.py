"""A call that is waited for, and what is done meanwhile."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from runner.errors import LogUnavailable
from runner.worker.overlap import Overlap, OverlapThread, Step, no_step, run_in_sequence

SECONDS = 30.0


def idle() -> bool:
    """Have nothing to do, which only shows when it is tried."""
    return False


@pytest.mark.parametrize("overlap", [run_in_sequence, OverlapThread()])
@pytest.mark.parametrize("more", [no_step, idle])
def test_the_call_is_over_when_it_returns_and_its_error_is_raised(overlap: Overlap, more: Step) -> None:
    called: list[str] = []
    overlap(lambda: called.append("once"), more)
    assert called == ["once"]

    def refuses() -> None:
        raise LogUnavailable("no answer")

    with pytest.raises(LogUnavailable, match="no answer"):
        overlap(refuses, more)


def test_nobody_else_is_asked_where_there_is_nothing_to_do_meanwhile() -> None:
    threads: list[int] = []
    OverlapThread()(lambda: threads.append(threading.get_ident()), no_step)
    assert threads == [threading.get_ident()]
    OverlapThread()(lambda: threads.append(threading.get_ident()), idle)
    assert threads[1] != threads[0]


def test_more_is_done_while_the_call_waits() -> None:
    answer = threading.Event()

    def more() -> bool:
        answer.set()
        return False

    def call() -> None:
        assert answer.wait(SECONDS), "nothing was done meanwhile"

    OverlapThread()(call, more)


def test_nothing_more_is_begun_once_the_call_is_over() -> None:
    over, steps = threading.Event(), 0

    def more() -> bool:
        nonlocal steps
        steps += 1
        # The thread is over a moment after its call is: what is left is endless, and must end all the same.
        return over.wait(SECONDS)

    OverlapThread()(over.set, more)
    assert over.is_set()


def test_the_call_is_waited_for_where_what_is_done_meanwhile_fails() -> None:
    began, done = threading.Event(), threading.Event()

    def call() -> None:
        began.wait(SECONDS)
        done.set()

    def more() -> bool:
        began.set()
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        OverlapThread()(call, more)
    assert done.is_set()


def test_a_call_that_fails_leaves_nothing_behind_that_only_the_collector_finds() -> None:
    class Waiting:
        """What waits, and holds something."""

        def __call__(self) -> bool:
            return False

    def refuses() -> None:
        raise LogUnavailable("no answer")

    gc.collect()
    gc.disable()
    try:
        waiting = Waiting()
        left = weakref.ref(waiting)
        with pytest.raises(LogUnavailable):
            OverlapThread()(refuses, waiting)
        del waiting
        assert left() is None
    finally:
        gc.enable()
