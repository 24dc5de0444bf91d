"""The loop as a whole: opening homes, batches, outages, refusals, blocked homes, rebalances, the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runner.errors import Fenced, LogUnavailable, PositionUnknown, StoreUnavailable, Superseded
from runner.worker.delivery import AtLeastOnce
from runner.worker.parts import Limits
from runner.worker.timers import NoTimers
from tests.unit.worker.rig import DEAD_LETTERS, HOMES, Middle, Worker, event, sent, topics

DOWN = StoreUnavailable("no answer")
REFUSED = LogUnavailable("too large", refused=True)
STORE_CALLS = ("ping", "load", "apply", "due", "note_committed", "committed")


def start(name: str, **parameters: Any) -> bytes:
    return event("StartTask", name, name, **parameters)


def proceed(name: str) -> bytes:
    return event("ProceedTask", name, f"{name}-done")


def answered(worker: Worker) -> list[str]:
    """The request ids that were answered, in order."""
    return [sent(emit).request_id for emit in worker.log.sent if emit.stream == "responses"]


def opened(worker: Worker) -> Worker:
    """Step until its homes are open and it has nothing to do."""
    worker.until_idle()
    worker.log.calls.clear()
    return worker


# -- opening and reading ---------------------------------------------------------------------------


def test_homes_are_opened_outside_the_poll_that_assigns_them_and_read_from_the_start() -> None:
    worker = Worker(homes=(0, 2))
    worker.log.append(start("a"), home=2)
    assert worker.log.reading == {}
    worker.step()
    assert worker.log.calls[:3] == ["poll", "committed", "read_from"]
    assert worker.watcher.open == {0, 2}
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
    assert worker.watcher.events == ["aborted", "recovered"] * 3


def test_a_home_nobody_knows_the_position_of_ends_the_process() -> None:
    worker = Worker(homes=(0,))
    worker.middle.store._committed.clear()
    with pytest.raises(PositionUnknown):
        worker.step()


@pytest.mark.parametrize("events", [1, 3, 100])
def test_everything_is_answered_once_and_in_order_whatever_the_size_of_batches(events: int) -> None:
    worker = Worker(homes=(0, 1), limits=Limits(batch_events=events))
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
    assert [len(batch.messages) for batch, _, _ in worker.watcher.processed_batches] == [4, 2]


def test_forwarded_events_are_answered_at_their_home() -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.log.append(start("a"), home=0)
    worker.until_idle()
    worker.log.append(proceed("a"), home=1)
    worker.until_idle()
    assert worker.statuses == ["ACK", "PROCEEDED", "SUCCESS"]


def test_an_idle_worker_waits_as_long_as_it_may_and_asks_nothing() -> None:
    worker = opened(Worker(homes=(0,), limits=Limits(poll_seconds=2.0)))
    asked, before = len(worker.store.asked), worker.ticker()
    assert not worker.loop.step()
    assert worker.ticker() - before == 2.0
    assert len(worker.store.asked) == asked


def test_with_at_least_once_delivery_everything_is_answered_too() -> None:
    worker = Worker(homes=(0,), delivery=AtLeastOnce())
    for value in (start("a"), proceed("a")):
        worker.log.append(value)
    worker.faults.once("log.flush", LogUnavailable("no answer"))
    worker.until_idle()
    assert worker.statuses[-3:] == ["ACK", "PROCEEDED", "SUCCESS"]
    assert worker.log.offsets == {0: 2}


# -- timers and retention --------------------------------------------------------------------------


def test_a_deadline_ends_the_wait_and_the_task_times_out() -> None:
    worker = opened(Worker(homes=(0,), limits=Limits(poll_seconds=60.0)))
    worker.log.append(start("a", timeout=1500))
    worker.step()
    before = worker.ticker()
    while "TIMEOUT" not in worker.statuses:
        worker.step()
    assert worker.ticker() - before == pytest.approx(1.5, abs=0.01)
    assert worker.statuses == ["ACK", "TIMEOUT"]


def test_without_timers_no_task_times_out_by_itself() -> None:
    worker = opened(Worker(homes=(0,), timers=NoTimers))
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
    assert worker.watcher.events == ["aborted"]
    worker.step(8)
    assert worker.statuses == ["ACK", "TIMEOUT"]


def test_closed_records_go_after_their_retention() -> None:
    worker = opened(Worker(homes=(0,)))
    for value in (start("a"), proceed("a")):
        worker.log.append(value)
    worker.until_idle()
    worker.ticker.advance(61)
    worker.step(3)
    assert worker.watcher.gone == 1
    assert worker.store.records() == []


# -- when something does not answer ----------------------------------------------------------------


def test_an_outage_of_the_store_is_waited_for_while_polling_goes_on() -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.faults.always(DOWN, *(f"store.{call}" for call in STORE_CALLS))
    worker.log.append(start("a"))
    worker.log.append(start("b"), home=1)
    worker.step()
    assert worker.watcher.events == ["aborted"]
    assert worker.log.paused == {0, 1}
    assert worker.log.reading == {0: 0, 1: 0}, "rewound to what is committed"
    worker.log.calls.clear()
    worker.step(20)
    assert worker.log.calls.count("poll") == 20, "a consumer that does not poll is thrown out"
    assert worker.store.asked.count("ping") <= 20
    assert worker.log.sent == []
    worker.faults.mend()
    worker.until_idle()
    assert worker.watcher.events[-1] == "recovered"
    assert worker.log.paused == set()
    assert sorted(answered(worker)) == ["a", "b"]


def test_while_the_store_is_down_it_is_asked_at_a_measured_pace() -> None:
    worker = opened(Worker(homes=(0,), limits=Limits(retry_seconds=0.25)))
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
    worker = opened(Worker(homes=(0,), limits=Limits(batch_events=2)))
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
    redelivered = [done.redelivered for _, done, _ in worker.watcher.processed_batches]
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
    assert [type(error) for error in worker.watcher.errors] == [Superseded]
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
    assert set(worker.watcher.stopped) == {0}
    assert worker.log.paused == {0}


def test_once_the_one_to_blame_is_found_the_others_go_in_batches_again() -> None:
    worker = opened(Worker(homes=(0, 1), limits=Limits(blocked_seconds=1e9)))
    worker.log.refused = b"culprit"
    worker.log.append(start("culprit"))
    worker.log.append(start("a"), home=1)
    worker.step(20)
    assert answered(worker) == ["a"]
    worker.watcher.processed_batches.clear()
    for n in range(10):
        worker.log.append(start(f"b-{n}"), home=1)
    worker.step(3)
    assert [len(batch.messages) for batch, _, _ in worker.watcher.processed_batches] == [10]


def test_a_blocked_home_goes_on_when_what_stood_in_its_way_is_gone() -> None:
    worker = opened(Worker(homes=(0, 1), limits=Limits(blocked_seconds=5.0)))
    worker.log.refused = b"culprit"
    for name in ("culprit", "b"):
        worker.log.append(start(name))
    worker.step(10)
    assert answered(worker) == []
    worker.log.refused = b"\xff nothing"
    worker.ticker.advance(5)
    worker.until_idle()
    assert answered(worker) == ["culprit", "b"]
    assert worker.watcher.paused == set()


def test_a_refusal_that_was_seen_before_does_not_blame_a_later_batch() -> None:
    """An outage while nothing is in hand blames nobody, whatever the log says of it."""
    worker = opened(Worker(homes=(0,)))
    worker.log.append(start("a"))
    worker.step()
    assert answered(worker) == ["a"]
    worker.faults.once("log.poll", REFUSED)
    worker.step(10)
    assert worker.watcher.stopped == {}


# -- homes that cannot go on -----------------------------------------------------------------------


def test_the_limit_of_poison_pauses_a_home_for_good_and_the_others_go_on() -> None:
    worker = opened(Worker(Middle(poison_limit=3), homes=(0, 1)))
    for _ in range(5):
        worker.log.append(b"poison")
    worker.log.append(start("a"), home=1)
    worker.step(5)
    assert [emit.stream for emit in worker.log.sent].count(DEAD_LETTERS) == 3
    assert worker.loop.positions == {0: 3, 1: 1}
    assert worker.watcher.paused == {0}
    worker.ticker.advance(3600)
    worker.step(10)
    assert worker.loop.positions == {0: 3, 1: 1}
    assert worker.watcher.events == ["blocked 0"]


def test_runs_of_poison_are_counted_across_batches() -> None:
    worker = opened(Worker(Middle(poison_limit=3), homes=(0,), limits=Limits(batch_events=1)))
    for value in (b"1", b"2", start("a"), b"3", b"4", b"5", b"6"):
        worker.log.append(value)
    worker.step(12)
    assert worker.loop.positions == {0: 6}
    assert worker.watcher.paused == {0}


def test_a_home_paused_for_poison_goes_on_where_it_is_assigned_anew() -> None:
    worker = opened(Worker(Middle(poison_limit=2), homes=(0,)))
    for value in (b"1", b"2", b"3", start("a")):
        worker.log.append(value)
    worker.step(5)
    assert worker.loop.positions == {0: 2}
    worker.log.revoke(0)
    worker.log.assign(0)
    worker.until_idle()
    assert answered(worker) == ["a"]
    assert worker.watcher.paused == set()


def test_without_a_limit_poison_never_stops_a_home() -> None:
    worker = opened(Worker(Middle(poison_limit=0), homes=(0,)))
    for _ in range(100):
        worker.log.append(b"poison")
    worker.log.append(start("a"))
    worker.until_idle()
    assert answered(worker) == ["a"]


def test_a_home_without_room_for_its_dead_letter_waits_and_is_tried_again() -> None:
    worker = opened(Worker(homes=(0, 1), limits=Limits(blocked_seconds=5.0)))
    worker.middle.outlet.cluster = topics(dead_letters=None)
    for value in (start("a"), b"poison", start("b")):
        worker.log.append(value)
    worker.log.append(start("c"), home=1)
    worker.step(5)
    assert sorted(answered(worker)) == ["a", "c"]
    assert "'dead-letters'" in worker.watcher.stopped[0]
    worker.ticker.advance(5)
    worker.step(5)
    assert worker.watcher.events == ["blocked 0", "blocked 0"]
    worker.middle.outlet.cluster = topics()
    worker.ticker.advance(5)
    worker.until_idle()
    assert sorted(answered(worker)) == ["a", "b", "c"]


def test_timers_of_a_blocked_home_wait_until_it_goes_on() -> None:
    worker = opened(Worker(homes=(0,), limits=Limits(blocked_seconds=5.0)))
    worker.middle.outlet.cluster = topics(dead_letters=None)
    for value in (start("a", timeout=1000), b"poison"):
        worker.log.append(value)
    worker.step(3)
    worker.ticker.advance(2)
    worker.step(3)
    assert len(worker.log.requests[0]) == 2, "a timer would only pile up"
    worker.middle.outlet.cluster = topics()
    worker.ticker.advance(5)
    worker.step(10)
    assert worker.statuses == ["ACK", "TIMEOUT"]


# -- rebalances ------------------------------------------------------------------------------------


def test_a_home_revoked_in_the_middle_is_dropped_and_comes_back_where_it_was_committed() -> None:
    worker = opened(Worker(homes=(0, 1), limits=Limits(batch_events=2)))
    for n in range(6):
        worker.log.append(start(f"a-{n}"), home=0)
        worker.log.append(start(f"b-{n}"), home=1)
    worker.step(2)
    worker.log.revoke(0)
    worker.until_idle()
    assert set(worker.loop.positions) == {1}
    done = worker.log.offsets.get(0, 0)
    assert done < 6
    worker.log.assign(0)
    worker.until_idle()
    assert sorted(answered(worker)) == sorted(f"{home}-{n}" for home in "ab" for n in range(6))


def test_homes_that_come_and_go_leave_the_others_alone() -> None:
    worker = opened(Worker(homes=(0, 1), limits=Limits(batch_events=2)))
    for n in range(6):
        for home in range(3):
            worker.log.append(start(f"{home}-{n}"), home=home)
    worker.step(2)
    others = worker.loop.positions[1]
    worker.log.revoke(0)
    worker.log.assign(2)
    worker.log.calls.clear()
    worker.step()
    assert worker.log.calls.count("committed") == worker.log.calls.count("read_from") == 1
    assert not {"rewind", "pause", "abort"} & set(worker.log.calls)
    assert worker.loop.positions[1] >= others
    worker.until_idle()
    assert set(worker.loop.positions) == {1, 2}
    worker.log.assign(0)
    worker.until_idle()
    assert sorted(answered(worker)) == sorted(f"{home}-{n}" for home in range(3) for n in range(6))


def test_a_home_revoked_before_it_was_opened_is_not_opened() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.log.append(start("a"), home=1)
    worker.faults.once("log.committed", LogUnavailable("no answer"))
    worker.log.assign(1)
    worker.step()
    worker.log.revoke(1)
    worker.until_idle()
    assert worker.log.reading.keys() == worker.loop.positions.keys() == {0}
    assert answered(worker) == []


def test_a_home_revoked_while_it_is_held_back_by_a_cut_leaves_nothing_behind() -> None:
    worker = opened(Worker(homes=(0, 1)))
    for value in (start("a"), proceed("a"), event("StartTask", "a", "a-again")):
        worker.log.append(value)
    worker.step(1)
    assert answered(worker) == ["a", "a", "a-done"]
    worker.log.revoke(0)
    worker.step(3)
    assert len(answered(worker)) == 3
    worker.log.assign(0)
    worker.until_idle()
    assert answered(worker)[-1] == "a-again"


def test_a_home_revoked_while_the_store_is_down_is_not_resumed() -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.faults.always(DOWN, *(f"store.{call}" for call in STORE_CALLS))
    worker.log.append(start("a"))
    worker.step()
    worker.log.revoke(0)
    worker.step(2)
    worker.faults.mend()
    worker.step(5)
    assert worker.loop.positions == {1: 0}
    assert worker.log.sent == []
    assert worker.watcher.open == {1}


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


def test_a_home_that_was_just_added_waits_until_its_topic_is_known_and_the_others_go_on() -> None:
    worker = opened(Worker(homes=(0,), limits=Limits(poll_seconds=2.0)))
    worker.log.requests[HOMES] = []
    early = worker.log.append(event("StartTask", "early", "req-early"), HOMES)
    worker.log.assign(HOMES)
    worker.log.append(event("StartTask", "old", "req-old"))
    worker.step(5)
    assert worker.statuses == ["ACK"]
    assert HOMES not in worker.loop.positions
    assert HOMES in worker.topic.asked
    before = worker.ticker()
    worker.step()
    assert worker.ticker() - before == 2.0, "does not turn round and round while it waits"
    worker.topic.homes = HOMES + 1
    worker.until_idle()
    assert worker.statuses == ["ACK", "ACK"]
    assert worker.loop.positions[HOMES] == early + 1


def test_a_home_that_was_added_is_not_replayed_when_it_is_taken_over() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.topic.homes = HOMES + 1
    worker.log.requests[HOMES] = []
    worker.log.append(event("StartTask", "task", "req"), HOMES)
    worker.log.assign(HOMES)
    worker.until_idle()
    worker.log.revoke(HOMES)
    worker.step()
    worker.log.offsets.pop(HOMES)
    worker.log.assign(HOMES)
    worker.until_idle()
    assert worker.statuses == ["ACK"]
