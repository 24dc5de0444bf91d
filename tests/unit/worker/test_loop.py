"""The loop as a whole: opening homes, batches, timers, the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.errors import LogUnavailable, PositionUnknown, StoreUnavailable
from runner.worker.components import LoopLimits
from runner.worker.delivery import AtLeastOnce
from tests.unit.worker.opened import answered, opened, proceed, start
from tests.unit.worker.rig import Worker, event

DOWN = StoreUnavailable("no answer")
STORE_CALLS = ("ping", "load", "apply", "due", "note_committed", "committed")


# -- opening and reading ---------------------------------------------------------------------------


def test_homes_are_opened_outside_the_poll_that_assigns_them_and_read_from_the_start() -> None:
    worker = Worker(homes=(0, 2))
    worker.log.append(start("a"), home=2)
    assert worker.log.reading == {}
    worker.step()
    assert worker.log.calls[:3] == ["poll", "committed", "read_from"]
    assert worker.recorder.open == {0, 2}
    worker.until_idle()
    assert worker.statuses == ["ACK"]
    assert worker.loop.positions == {0: 0, 2: 1}


def test_a_home_is_read_from_its_committed_offset() -> None:
    worker = Worker(homes=(0,))
    worker.log.append(start("before"))
    worker.log.append(start("after"))
    worker.log.offsets = {0: 1}
    worker.until_idle()
    assert answered(worker) == ["after"]


def test_a_home_that_cannot_be_opened_yet_is_opened_when_the_store_answers() -> None:
    worker = Worker(homes=(0,))
    worker.log.append(start("a"))
    worker.faults.once("store.committed", DOWN, DOWN)
    worker.faults.once("log.read_from", LogUnavailable("no answer"))
    worker.until_idle()
    assert answered(worker) == ["a"]
    assert worker.recorder.events == ["aborted", "recovered"] * 3


def test_a_home_nobody_knows_the_position_of_ends_the_process() -> None:
    worker = Worker(homes=(0,))
    worker.harness.store._committed.clear()
    with pytest.raises(PositionUnknown):
        worker.step()


@pytest.mark.parametrize("events", [1, 3, 100])
def test_everything_is_answered_once_and_in_order_whatever_the_size_of_batches(events: int) -> None:
    worker = Worker(homes=(0, 1), limits=LoopLimits(batch_events=events))
    for n in range(20):
        worker.log.append(start(f"task-{n}"), home=n % 2)
    worker.until_idle()
    assert sorted(answered(worker)) == sorted(f"task-{n}" for n in range(20))
    assert worker.log.offsets == {0: 10, 1: 10} == worker.loop.positions
    for home in (0, 1):
        assert [name for name in answered(worker) if int(name[5:]) % 2 == home] == [
            f"task-{n}" for n in range(home, 20, 2)
        ]


def test_the_store_is_told_what_is_committed() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.log.append(start("a"))
    worker.until_idle()
    assert worker.store.committed(1)[0] == 1


def test_what_is_cut_off_goes_on_in_the_next_batch_without_being_read_again() -> None:
    worker = opened(Worker(homes=(0,)))
    for value in (start("a"), proceed("a"), event("StartTask", "a", "a-again"), proceed("b")):
        worker.log.append(value)
    worker.until_idle()
    assert worker.statuses == ["ACK", "PROCEEDED", "SUCCESS", "ACK", "FAIL"]
    assert "rewind" not in worker.log.calls
    assert [len(batch.messages) for batch, _, _ in worker.recorder.processed_batches] == [4, 2]


def test_forwarded_events_are_answered_at_their_home() -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.log.append(start("a"), home=0)
    worker.until_idle()
    worker.log.append(proceed("a"), home=1)
    worker.until_idle()
    assert worker.statuses == ["ACK", "PROCEEDED", "SUCCESS"]


def test_an_idle_worker_waits_as_long_as_it_may_and_asks_nothing() -> None:
    worker = opened(Worker(homes=(0,), limits=LoopLimits(poll_seconds=2.0)))
    asked, before = len(worker.store.asked), worker.ticker()
    assert not worker.loop.step()
    assert worker.ticker() - before == 2.0
    assert len(worker.store.asked) == asked


def test_with_at_least_once_delivery_everything_is_answered_too() -> None:
    worker = Worker(homes=(0,), delivery=AtLeastOnce)
    for value in (start("a"), proceed("a")):
        worker.log.append(value)
    worker.faults.once("log.flush", LogUnavailable("no answer"))
    worker.until_idle()
    assert worker.statuses[-3:] == ["ACK", "PROCEEDED", "SUCCESS"]
    assert worker.log.offsets == {0: 2}


# -- timers and retention --------------------------------------------------------------------------


def test_a_deadline_ends_the_wait_and_the_task_times_out() -> None:
    worker = opened(Worker(homes=(0,), limits=LoopLimits(poll_seconds=60.0)))
    worker.log.append(start("a", timeout=1500))
    worker.step()
    before = worker.ticker()
    while "TIMEOUT" not in worker.statuses:
        worker.step()
    assert worker.ticker() - before == pytest.approx(1.5, abs=0.01)
    assert worker.statuses == ["ACK", "TIMEOUT"]


def test_without_timers_no_task_times_out_by_itself() -> None:
    worker = opened(Worker(homes=(0,), timers=()))
    worker.log.append(start("a", timeout=1))
    worker.until_idle()
    worker.ticker.advance(3600)
    worker.step(5)
    assert worker.statuses == ["ACK"]
    worker.log.append(event("TimeoutBetween", None, "sweep"))
    worker.until_idle()
    assert worker.statuses == ["ACK", "SUCCESS", "TIMEOUT"]


def test_timers_of_an_aborted_transaction_are_sent_again() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.log.append(start("a", timeout=5000))
    worker.until_idle()
    worker.faults.once("log.commit", LogUnavailable("no answer"))
    worker.ticker.advance(5)
    worker.step()
    assert worker.recorder.events == ["aborted"]
    worker.step(8)
    assert worker.statuses == ["ACK", "TIMEOUT"]


def test_closed_records_go_after_their_retention() -> None:
    worker = opened(Worker(homes=(0,)))
    for value in (start("a"), proceed("a")):
        worker.log.append(value)
    worker.until_idle()
    worker.ticker.advance(61)
    worker.step(3)
    assert worker.recorder.gone == 1
    assert worker.store.records() == []


# -- the end ---------------------------------------------------------------------------------------


def stop_after(steps: int) -> Callable[[], bool]:
    left = iter(range(steps))
    return lambda: next(left, None) is None


def test_the_batch_in_hand_is_finished_before_the_loop_ends() -> None:
    worker = opened(Worker(homes=(0,)))
    for n in range(3):
        worker.log.append(start(f"task-{n}"))
    told: list[bool] = []
    worker.faults.before("store.apply", lambda: told.append(True))
    worker.loop.run(lambda: bool(told))
    assert len(answered(worker)) == 3
    assert worker.log.offsets == {0: 3}
    assert worker.log.calls[-1] == "commit"


def test_a_loop_that_is_told_to_stop_at_once_does_nothing() -> None:
    worker = Worker(homes=(0,))
    worker.loop.run(stop_after(0))
    assert worker.log.calls == []


def test_a_loop_can_be_stopped_while_the_store_is_down() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.faults.always(DOWN, *(f"store.{call}" for call in STORE_CALLS))
    worker.log.append(start("a"))
    worker.loop.run(stop_after(4))
    assert worker.log.sent == []
