"""What does not answer is waited for, and what is refused is blamed on the one event that it is."""

from __future__ import annotations

import pytest

from runner.errors import Fenced, LogUnavailable, StoreUnavailable, Superseded
from runner.worker.components import LoopLimits
from tests.unit.worker.opened import answered, opened, proceed, start
from tests.unit.worker.rig import NOW, Worker, event, sent

DOWN = StoreUnavailable("no answer")
REFUSED = LogUnavailable("too large", refused=True)
STORE_CALLS = ("ping", "load", "apply", "due", "note_committed", "committed")


# -- when something does not answer ----------------------------------------------------------------


def test_an_outage_of_the_store_is_waited_for_while_polling_goes_on() -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.faults.always(DOWN, *(f"store.{call}" for call in STORE_CALLS))
    worker.log.append(start("a"))
    worker.log.append(start("b"), home=1)
    worker.step()
    assert worker.recorder.events == ["aborted"]
    assert worker.log.paused == {0, 1}
    assert worker.log.reading == {0: 0, 1: 0}, "rewound to what is committed"
    worker.log.calls.clear()
    worker.step(20)
    assert worker.log.calls.count("poll") == 20, "a consumer that does not poll is thrown out"
    assert worker.store.asked.count("ping") <= 20
    assert worker.log.sent == []
    worker.faults.mend()
    worker.until_idle()
    assert worker.recorder.events[-1] == "recovered"
    assert worker.log.paused == set()
    assert sorted(answered(worker)) == ["a", "b"]


def test_while_the_store_is_down_it_is_asked_at_a_measured_pace() -> None:
    worker = opened(Worker(homes=(0,), limits=LoopLimits(retry_seconds=0.25)))
    worker.faults.always(DOWN, *(f"store.{call}" for call in STORE_CALLS))
    worker.log.append(start("a"))
    worker.step()
    before = worker.ticker()
    worker.store.asked.clear()
    while worker.ticker() - before < 10:
        worker.step()
    assert 30 <= len(worker.store.asked) <= 10 / 0.25 + 1
    assert set(worker.store.asked) == {"ping"}


@pytest.mark.parametrize("call", ["load", "apply", "note_committed"])
def test_each_call_of_the_store_may_fail_and_every_event_is_answered_once(call: str) -> None:
    worker = opened(Worker(homes=(0,)))
    worker.faults.once(f"store.{call}", DOWN)
    for value in (start("a"), proceed("a"), start("b")):
        worker.log.append(value)
    worker.until_idle()
    assert worker.statuses == ["ACK", "PROCEEDED", "SUCCESS", "ACK"]


def period_of_replies(worker: Worker) -> list[int | None]:
    """The beginning of the period of each TimeoutBetween that was answered."""
    results = [sent(message).value["result"] for message in worker.log.sent if message.stream == "responses"]
    return [result["from"] for result in results if "requested" in result]


@pytest.mark.parametrize("fault", ["log.commit", "store.note_committed", "store.note_timeout"])
def test_a_pass_is_noted_once_it_is_committed_whatever_fails_round_it(fault: str) -> None:
    worker = opened(Worker(homes=(0,)))
    worker.store.note_timeout(["orders"], NOW - 1000)
    down = LogUnavailable("no answer") if fault.startswith("log") else DOWN
    worker.faults.once(fault, down)
    first, second = (event("TimeoutBetween", None, f"sweep-{n}", meta={"domain": "orders"}) for n in (1, 2))
    worker.log.append(first)
    worker.until_idle()
    assert period_of_replies(worker) == [NOW - 1000], "also where the event came again"
    worker.log.append(start("a"))
    worker.until_idle()
    noted = worker.store.last_timeout("orders")
    assert noted is not None
    assert noted >= NOW
    worker.log.append(second)
    worker.until_idle()
    assert period_of_replies(worker)[-1] == noted


@pytest.mark.parametrize(
    "call", ["poll", "begin", "produce", "send_offsets", "commit", "rewind", "pause", "resume"]
)
def test_each_call_of_the_log_may_fail_and_every_event_is_answered_once(call: str) -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.faults.once(f"log.{call}", LogUnavailable("no answer"))
    if call in {"rewind", "pause", "resume"}:
        worker.faults.once("log.commit", LogUnavailable("no answer"))
    for value in (start("a"), proceed("a"), start("b")):
        worker.log.append(value)
    worker.log.append(start("c"), home=1)
    worker.until_idle()
    assert sorted(worker.statuses) == sorted(["ACK", "PROCEEDED", "SUCCESS", "ACK", "ACK"])
    assert worker.log.offsets == {0: 3, 1: 1}


def test_nothing_is_skipped_where_the_log_does_not_step_back_at_first() -> None:
    """Messages read on from the wrong place must not be taken for the next ones."""
    worker = opened(Worker(homes=(0,), limits=LoopLimits(batch_events=2)))
    for n in range(6):
        worker.log.append(start(f"task-{n}"))
    worker.faults.once("log.commit", LogUnavailable("no answer"))
    worker.faults.once("log.rewind", *[LogUnavailable("no answer")] * 3)
    worker.until_idle()
    assert answered(worker) == [f"task-{n}" for n in range(6)]


def test_a_batch_that_was_applied_but_not_committed_is_answered_the_same_when_it_comes_again() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.faults.once("log.commit", LogUnavailable("no answer"))
    for value in (start("a"), proceed("a"), proceed("a")):
        worker.log.append(value)
    worker.until_idle()
    assert worker.statuses == ["ACK", "PROCEEDED", "SUCCESS", "SUCCESS"]
    redelivered = [done.redelivered for _, done, _ in worker.recorder.processed_batches]
    assert redelivered == [3]


def test_homes_assigned_during_an_outage_are_opened_after_it() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.faults.always(DOWN, *(f"store.{call}" for call in STORE_CALLS))
    worker.log.append(start("a"))
    worker.step()
    worker.log.assign(3)
    worker.log.append(start("b"), home=3)
    worker.step(3)
    assert 3 not in worker.log.reading
    worker.faults.mend()
    worker.until_idle()
    assert sorted(answered(worker)) == ["a", "b"]


def test_a_superseded_worker_gives_the_batch_up_and_polls_on() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.faults.once("store.apply", Superseded("later batch"))
    worker.log.append(start("a"))
    worker.step()
    assert [type(error) for error in worker.recorder.errors] == [Superseded]
    worker.log.revoke(0)
    worker.step(5)
    assert worker.log.sent == []
    assert worker.loop.positions == {}


@pytest.mark.parametrize("call", ["poll", "begin", "send_offsets", "commit", "abort"])
def test_a_fatal_error_passes_through(call: str) -> None:
    worker = opened(Worker(homes=(0,)))
    worker.log.append(start("a"))
    if call == "abort":
        worker.faults.once("log.commit", LogUnavailable("no answer"))
    worker.faults.once(f"log.{call}", Fenced("fenced"))
    with pytest.raises(Fenced):
        worker.step()
    assert worker.log.sent == []


# -- batches that are refused ----------------------------------------------------------------------


def test_the_event_to_blame_for_a_refusal_blocks_its_home_and_the_others_go_on() -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.log.refused = b"culprit"
    for name in ("a", "culprit", "c"):
        worker.log.append(start(name))
    for name in ("d", "e"):
        worker.log.append(start(name), home=1)
    worker.step(30)
    assert set(answered(worker)) == {"a", "d", "e"}
    assert worker.loop.positions == {0: 1, 1: 2}
    assert set(worker.recorder.stopped) == {0}
    assert worker.log.paused == {0}


def test_once_the_one_to_blame_is_found_the_others_go_in_batches_again() -> None:
    worker = opened(Worker(homes=(0, 1), limits=LoopLimits(paused_seconds=1e9)))
    worker.log.refused = b"culprit"
    worker.log.append(start("culprit"))
    worker.log.append(start("a"), home=1)
    worker.step(20)
    assert answered(worker) == ["a"]
    worker.recorder.processed_batches.clear()
    for n in range(10):
        worker.log.append(start(f"b-{n}"), home=1)
    worker.step(3)
    assert [len(batch.messages) for batch, _, _ in worker.recorder.processed_batches] == [10]


def test_a_blocked_home_goes_on_when_what_stood_in_its_way_is_gone() -> None:
    worker = opened(Worker(homes=(0, 1), limits=LoopLimits(paused_seconds=5.0)))
    worker.log.refused = b"culprit"
    for name in ("culprit", "b"):
        worker.log.append(start(name))
    worker.step(10)
    assert answered(worker) == []
    worker.log.refused = b"\xff nothing"
    worker.ticker.advance(5)
    worker.until_idle()
    assert answered(worker) == ["culprit", "b"]
    assert worker.recorder.paused_homes == set()


def test_a_refusal_that_was_seen_before_does_not_blame_a_later_batch() -> None:
    """An outage while nothing is in hand blames nobody, whatever the log says of it."""
    worker = opened(Worker(homes=(0,)))
    worker.log.append(start("a"))
    worker.step()
    assert answered(worker) == ["a"]
    worker.faults.once("log.poll", REFUSED)
    worker.step(10)
    assert worker.recorder.stopped == {}
