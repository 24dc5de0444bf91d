"""The states of the loop: every transition that docs/design.md draws, and no other."""

from __future__ import annotations

import pytest

from runner.clock import ManualTicker
from runner.kafka.message import Message
from runner.worker.outage import RESTORING_SECONDS, LoopState, Outage

RETRY, VERIFY = 0.25, 5.0
MESSAGES = [Message(0, 7, None, b""), Message(0, 8, None, b""), Message(1, 3, None, b"")]


def outage(ticker: ManualTicker | None = None, *, state: LoopState = LoopState.NORMAL) -> Outage:
    """An outage in a state, whichever way it got there."""
    made = Outage(RETRY, VERIFY, ticker or ManualTicker())
    match state:
        case LoopState.ISOLATING:
            made.isolate(MESSAGES)
        case LoopState.WAITING:
            made.failed()
        case LoopState.RESTORING:
            made.behind()
        case _:
            pass
    assert made.state is state
    return made


def state_of(made: Outage) -> LoopState:
    return made.state


@pytest.mark.parametrize("state", LoopState)
def test_what_fails_is_waited_for_from_every_state(state: LoopState) -> None:
    made = outage(state=state)
    made.failed()
    assert (made.state, made.is_down) == (LoopState.WAITING, True)


@pytest.mark.parametrize("state", LoopState)
def test_what_is_behind_is_restored_from_every_state(state: LoopState) -> None:
    made = outage(state=state)
    made.behind()
    assert (made.state, made.is_down) == (LoopState.RESTORING, True)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (LoopState.NORMAL, LoopState.NORMAL),
        (LoopState.ISOLATING, LoopState.ISOLATING),
        (LoopState.WAITING, LoopState.NORMAL),
        (LoopState.RESTORING, LoopState.NORMAL),
    ],
)
def test_a_complete_store_ends_every_outage_and_no_isolation(state: LoopState, after: LoopState) -> None:
    made = outage(state=state)
    made.complete()
    assert (made.state, made.is_down) == (after, False)


def test_isolating_begins_by_way_of_waiting_and_ends_when_all_of_the_batch_is_committed() -> None:
    made = outage(state=LoopState.WAITING)
    made.isolate(MESSAGES)
    assert state_of(made) is LoopState.WAITING
    made.complete()
    for positions in ({0: 7, 1: 3}, {0: 8, 1: 4}, {0: 8, 1: 9}):
        made.committed(positions)
        assert state_of(made) is LoopState.ISOLATING
    made.committed({0: 9, 1: 9})
    assert state_of(made) is LoopState.NORMAL


def test_homes_that_are_paused_or_revoked_isolate_nothing() -> None:
    made = outage(state=LoopState.ISOLATING)
    made.forget({0})
    assert state_of(made) is LoopState.ISOLATING
    made.committed({0: 7})
    assert state_of(made) is LoopState.NORMAL, "home 1 is not ours any more"


def test_steps_out_of_waiting_are_made_at_a_measured_pace() -> None:
    ticker = ManualTicker()
    made = outage(ticker, state=LoopState.WAITING)
    assert (made.is_step_due(), made.wait_seconds()) == (False, RETRY)
    ticker.advance(RETRY)
    assert made.is_step_due()
    made.failed()
    assert not made.is_step_due(), "another failure is waited for anew"


def test_steps_of_restoring_follow_each_other_at_once() -> None:
    made = outage(state=LoopState.RESTORING)
    assert (made.is_step_due(), made.wait_seconds()) == (True, RESTORING_SECONDS)


def test_the_store_is_checked_at_once_and_then_a_while_after_it_was_complete() -> None:
    ticker = ManualTicker()
    made = outage(ticker)
    assert made.is_check_due()
    made.complete()
    ticker.advance(VERIFY - 0.01)
    assert not made.is_check_due()
    ticker.advance(0.01)
    assert made.is_check_due()
