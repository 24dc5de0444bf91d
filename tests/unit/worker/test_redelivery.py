"""Events that come again: the same answers, conflicts with others, and the cut before a replacement."""

from __future__ import annotations

import json

import pytest

from runner.errors import StoreUnavailable
from runner.kafka.message import Message
from runner.worker.attempts import MAX_ATTEMPTS
from runner.worker.result import BatchResult
from tests.unit.worker.asked import again, proceed, start
from tests.unit.worker.rig import (
    MINUTE,
    Harness,
    batch,
    event,
    sent,
    statuses,
)

# -- redelivery ------------------------------------------------------------------------------------


def redelivered_history() -> tuple[Harness, list[Message], BatchResult]:
    harness = Harness()
    values = [
        proceed("too-early"),
        start(timeout=MINUTE),
        proceed("req-2"),
        proceed("too-late"),
        event("StartTask", "task-2", "req-5", timeout="never"),
        event("StartTask", "task-3", "req-6", skipPattern="taskId"),
    ]
    messages = [harness.message(value) for value in values]
    return harness, messages, harness.run(*messages)


def test_redelivered_events_send_the_same_again_although_the_store_has_moved_on() -> None:
    harness, messages, first = redelivered_history()
    records = harness.store.records()
    second = again(harness, *messages)
    assert second.outgoing == first.outgoing
    assert second.positions == first.positions
    assert second.redelivered == 5, "only decisions on a task are kept"
    assert harness.store.records() == records


def test_redelivered_events_say_the_same_whatever_the_time_and_the_size_of_their_batch() -> None:
    harness, messages, first = redelivered_history()
    harness.ticker.advance(3600)
    second = [
        outgoing
        for message in messages[:4]
        for outgoing in harness.another().run(batch([message]), {}).outgoing
    ]
    assert second == first.outgoing[: len(second)]


def test_timers_are_told_of_redelivered_deadlines_too() -> None:
    harness = Harness()
    message = harness.message(start(timeout=MINUTE))
    first = harness.run(message)
    assert again(harness, message).scheduled == first.scheduled


def test_a_batch_that_is_partly_redelivered_decides_only_the_rest() -> None:
    harness = Harness()
    one, two = harness.message(start()), harness.message(proceed())
    first = harness.run(one)
    done = again(harness, one, two)
    assert done.outgoing[: len(first.outgoing)] == first.outgoing
    assert statuses(done.outgoing) == ["ACK", "PROCEEDED", "SUCCESS"]
    assert done.redelivered == 1


def test_a_zombie_and_its_successor_end_up_with_the_same_answer() -> None:
    harness = Harness()
    messages = [harness.message(start()), harness.message(proceed())]
    other: list[BatchResult] = []
    harness.faults.before("store.apply", lambda: other.append(again(harness, *messages)))
    done = harness.run(*messages)
    assert done.outgoing == other[0].outgoing
    assert done.conflicts == 1
    assert done.redelivered == 2
    assert len(harness.store.records()) == 1


def test_where_two_homes_start_one_task_the_second_is_decided_again_and_forwarded() -> None:
    harness = Harness()
    mine, theirs = harness.message(start("mine"), home=0), harness.message(start("theirs"), home=1)
    harness.faults.before("store.apply", lambda: again(harness, theirs))
    done = harness.run(mine)
    [forwarded] = done.outgoing
    assert (forwarded.stream, forwarded.partition) == ("requests", 1)
    record = harness.record()
    assert record is not None
    assert record.state.home == 1


def test_only_the_shard_in_conflict_is_decided_again() -> None:
    harness = Harness(shards=4)
    ids = {harness.store.shard(f"task-{n}"): f"task-{n}" for n in range(50)}
    assert len(ids) == 4
    mine = [harness.message(start(task_id, task_id)) for task_id in ids.values()]
    theirs = harness.message(start("theirs", ids[0]), home=1)
    harness.faults.before("store.apply", lambda: again(harness, theirs))
    done = harness.run(*mine)
    assert done.conflicts == 1
    assert statuses(done.outgoing).count("ACK") == 3
    assert [sent(outgoing).request_id for outgoing in done.outgoing if outgoing.stream == "responses"] == [
        ids[shard] for shard in ids if shard != 0
    ]


def test_records_that_never_stop_changing_are_an_outage_not_a_loop() -> None:
    harness = Harness()
    harness.handle(start())
    changes = 0

    def change() -> None:
        """The home of the task goes on, each time just before this one applies."""
        nonlocal changes
        changes += 1
        value = proceed(f"proceed-{changes}") if changes % 2 else start(f"start-{changes}")
        again(harness, harness.message(value))
        harness.faults.before("store.apply", change)

    harness.faults.before("store.apply", change)
    with pytest.raises(StoreUnavailable, match=f"{MAX_ATTEMPTS} attempts"):
        harness.handle(proceed("mine"), home=1)
    assert changes == MAX_ATTEMPTS


# -- the cut before a replacement ------------------------------------------------------------------


def test_a_closed_task_is_replaced_only_by_the_first_event_of_a_batch() -> None:
    harness = Harness()
    messages = [harness.message(value) for value in (start(), proceed(), start("new"), proceed("new-2"))]
    elsewhere = harness.message(start("other", "task-9"), home=1)
    first = harness.run(*messages, elsewhere)
    assert statuses(first.outgoing) == ["ACK", "PROCEEDED", "SUCCESS", "ACK"]
    assert first.positions == {0: 2, 1: 1}
    assert first.deferred == messages[2:]
    assert first.paused == {}
    second = harness.run(*first.deferred)
    assert [sent(outgoing).request_id for outgoing in second.outgoing] == ["new", "new", "new-2"]
    assert second.positions == {0: 4}


def test_what_was_cut_off_has_left_nothing_in_the_store() -> None:
    harness = Harness()
    messages = [
        harness.message(value)
        for value in (start(), proceed(), start("new"), start("behind", "task-2"), proceed("p", "task-2"))
    ]
    harness.run(*messages)
    assert harness.record("task-2") is None
    record = harness.record()
    assert record is not None
    assert json.loads(bytes(record.start.event))["requestMeta"]["id"] == "req-1"


def test_a_crash_before_the_replacement_is_committed_gives_the_same_twice() -> None:
    harness = Harness()
    messages = [harness.message(value) for value in (start(), proceed(), start("new"))]
    first = harness.run(*messages)
    assert again(harness, *messages).outgoing == first.outgoing
    second = harness.run(*first.deferred)
    assert again(harness, *first.deferred).outgoing == second.outgoing


def test_a_duplicate_on_a_closed_task_needs_no_cut() -> None:
    harness = Harness()
    done = harness.run(*(harness.message(value) for value in (start(), proceed(), start())))
    assert statuses(done.outgoing) == ["ACK", "PROCEEDED", "SUCCESS", "ACK"]
    assert done.deferred == []
