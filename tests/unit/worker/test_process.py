"""A batch in, changes and messages out: order, redelivery, conflicts, cuts and blocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from runner.actions.decision import Emit
from runner.clock import Ticker
from runner.errors import StoreUnavailable, Superseded
from runner.tasks.record import Record, Status, TaskKey
from runner.worker.event_log import Message
from runner.worker.process import MAX_ATTEMPTS, Process
from runner.worker.processed import Processed
from tests.unit.worker.rig import (
    DEAD_LETTERS,
    MINUTE,
    NOW,
    Middle,
    batch,
    event,
    sent,
    statuses,
    topics,
)


def status_of(record: Record | None) -> Status | None:
    return None if record is None else record.state.status


def start(request_id: str = "req-1", task_id: str = "task-1", **parameters: Any) -> bytes:
    return event("StartTask", task_id, request_id, **parameters)


def proceed(request_id: str = "req-2", task_id: str = "task-1") -> bytes:
    return event("ProceedTask", task_id, request_id)


def again(middle: Middle, *messages: Message) -> Processed:
    """The same messages, delivered to a fresh process."""
    return middle.another().run(batch(messages), {})


def sliced(middle: Middle, events: int, ticker: Ticker = lambda: 0.0, **terms: Any) -> Process:
    """A process that decides so many events at once."""
    terms_of = replace(middle.terms, slice_events=events, **terms)
    return Process(terms_of, middle.store, middle.outlet, DEAD_LETTERS, middle.feed, ticker)


# -- order and composition -------------------------------------------------------------------------


def test_the_answers_of_a_batch_come_in_the_order_of_each_homes_messages() -> None:
    middle = Middle()
    done = middle.run(*(middle.message(start(f"req-{n}", f"task-{n}"), home=n % 3) for n in range(12)))
    answered = [sent(emit).request_id for emit in done.emits]
    assert answered == [f"req-{n}" for home in range(3) for n in range(home, 12, 3)]
    assert done.positions == {0: 4, 1: 4, 2: 4}
    assert done.held == []
    assert done.blocked == {}


def test_the_home_that_has_waited_longest_comes_first() -> None:
    middle = Middle()
    done = middle.run(*(middle.message(start(f"req-{n}", f"task-{n}"), home=2 - n % 3) for n in range(6)))
    assert [sent(emit).request_id for emit in done.emits] == [f"req-{n}" for n in (0, 3, 1, 4, 2, 5)]


def test_what_is_decided_is_sent_before_the_next_slice_and_the_rest_is_returned() -> None:
    middle = Middle()
    process = sliced(middle, 5)
    messages = [middle.message(start(f"req-{n}", f"task-{n}")) for n in range(12)]
    sendings: list[list[str | None]] = []

    def send(emits: Sequence[Emit]) -> None:
        sendings.append([sent(emit).request_id for emit in emits])

    done = process.run(batch(messages), {}, send=send)
    assert sendings == [[f"req-{n}" for n in range(5)], [f"req-{n}" for n in range(5, 10)]]
    assert [sent(emit).request_id for emit in done.emits] == ["req-10", "req-11"]
    assert done.positions == {0: 12}


def test_where_the_time_is_over_the_rest_waits_and_every_shard_is_told_how_far_the_batch_went() -> None:
    middle = Middle(with_feed=True)
    passed, sendings = count(0.0), list[Sequence[Emit]]()
    process = sliced(middle, 2, lambda: next(passed) if sendings else 0.0, batch_seconds=2.0)
    messages = [middle.message(start(f"req-{n}", f"task-{n}"), home=n % 2) for n in range(12)]
    done = process.run(batch(messages), {}, send=sendings.append)
    end = done.positions[0]
    assert 2 < end < 6
    assert done.positions == {0: end}
    assert done.held == [each for each in messages if (each.partition, each.offset) >= (0, end)]
    assert middle.store.lost(1, {0: end, 1: 0}) == []
    assert len(middle.store.lost(1, {0: end + 1})) == middle.store.shards


def test_a_home_that_was_cut_stays_cut_in_the_slices_after() -> None:
    middle = Middle()
    process = sliced(middle, 1)
    middle.handle(start("req-0", "task-0"))
    middle.handle(proceed("req-1", "task-0"))
    again = [middle.message(start(f"req-{n}", f"task-{n % 2}")) for n in (3, 4, 5)]
    done = process.run(batch(again), {}, send=lambda _: None)
    assert done.positions == {0: again[0].offset + 1}
    assert done.held == again[1:]


def test_events_of_one_task_build_on_each_other_within_a_batch() -> None:
    middle = Middle()
    messages = [
        middle.message(value)
        for value in (proceed("early"), start(), start(), proceed(), proceed(), proceed("late"), start())
    ]
    done = middle.run(*messages)
    assert [(sent(emit).request_id, sent(emit).status) for emit in done.emits] == [
        ("early", "FAIL"),
        ("req-1", "ACK"),
        ("req-1", "ACK"),
        ("req-1", "PROCEEDED"),
        ("req-2", "SUCCESS"),
        ("req-2", "SUCCESS"),
        ("late", "FAIL"),
        ("req-1", "ACK"),
    ]
    assert [sent(done.emits[n]).code for n in (0, 6)] == [10118, 10119]
    assert status_of(middle.record()) is Status.PROCEEDED
    assert middle.store.asked == ["load", "apply"], "a batch is one load and one apply"


def test_the_same_batch_comes_to_the_same_one_message_at_a_time() -> None:
    values = [proceed("early"), start(), proceed(), proceed(), event("TimeoutTask", request_id="late")]
    together, apart = Middle(), Middle()
    done = together.run(*(together.message(value) for value in values))
    emits = [emit for value in values for emit in apart.handle(value).emits]
    assert done.emits == emits
    assert together.record() == apart.record()


def test_a_task_lives_where_it_was_started_and_events_from_elsewhere_are_forwarded_there() -> None:
    middle = Middle()
    middle.handle(start(), home=2)
    done = middle.handle(proceed(), home=1)
    [forwarded] = done.emits
    assert (forwarded.stream, forwarded.partition, forwarded.value) == ("requests", 2, proceed())
    assert dict(forwarded.headers) == {
        "runner-origin": b"1/1@0",
        "runner-time": str(NOW).encode(),
        "runner-hops": b"1",
    }
    assert done.counts == {("ProceedTask", "FORWARDED"): 1}
    answered = middle.run(*middle.returned(done.emits))
    assert statuses(answered.emits) == ["PROCEEDED", "SUCCESS"]


def test_what_is_for_others_has_no_reply_and_no_effect_but_its_offset_is_passed() -> None:
    middle = Middle()
    done = middle.handle(event("StartTask", meta={"handler": "others"}))
    assert done.emits == []
    assert done.positions == {0: 1}
    assert done.counts == {("ignored", "IGNORED"): 1}
    assert middle.store.records() == []


def test_poison_is_buried_in_its_place_and_the_next_is_handled() -> None:
    middle = Middle()
    done = middle.run(middle.message(start()), middle.message(b"\xff"), middle.message(proceed()))
    assert [emit.stream for emit in done.emits] == ["responses", DEAD_LETTERS, "responses", "responses"]
    assert done.positions == {0: 3}
    assert done.dead == {"NOT_UTF8": 1}
    [(source, what, why)] = done.refused
    assert (str(source), what) == ("1/0@1", "NOT_UTF8")
    assert why
    assert done.poison_runs == {0: 0}


def test_a_batch_without_a_task_still_tells_the_time() -> None:
    middle = Middle()
    middle.ticker.advance(5)
    assert middle.handle(b"poison").now_ms == NOW + 5000


def test_the_parts_of_the_time_are_told_in_order() -> None:
    middle, laps = Middle(), list[str]()
    middle.process.run(batch([middle.message(start())]), {}, laps.append)
    assert laps == ["decode", "load", "decide", "apply", "decide", "decide"]


# -- what timers, retention and metrics are told ---------------------------------------------------


def test_deadlines_removals_and_counts_are_told() -> None:
    middle = Middle()
    done = middle.run(
        middle.message(start(timeout=MINUTE)),
        middle.message(start("req-3", "task-3")),
        middle.message(proceed()),
        middle.message(event("Dance", request_id="req-4")),
        middle.message(event("TimeoutBetween", None, "req-5")),
    )
    key = TaskKey("orders", "task-1")
    assert done.deadlines == [(key, 0, NOW + MINUTE)]
    assert done.removals == [(key, 0, NOW + MINUTE)]
    assert done.counts == {
        ("StartTask", "ACK"): 2,
        ("ProceedTask", "PROCEEDED"): 1,
        ("unknown", "FAIL"): 1,
        ("TimeoutBetween", "SUCCESS"): 1,
    }


def timer_of(record: Record | None) -> tuple[tuple[str, bytes], ...]:
    assert record is not None
    return (("runner-timer", f"{record.state.source};{record.state.deadline_ms};0".encode()),)


def test_a_timer_that_times_its_task_out_has_fired() -> None:
    middle = Middle()
    middle.handle(start(timeout=MINUTE))
    timer = timer_of(middle.record())
    done = middle.handle(event("TimeoutTask", request_id="timer"), headers=timer)
    assert statuses(done.emits) == ["TIMEOUT"]
    assert [(task.key.id, task.home, task.deadline_ms) for task in done.fired] == [
        ("task-1", 0, NOW + MINUTE)
    ]
    assert (done.spent, done.unresumed) == ([], [])
    spent = middle.handle(event("TimeoutTask", request_id="timer"), headers=timer)
    assert spent.emits == []
    assert spent.spent == done.fired
    assert (spent.fired, spent.unresumed) == ([], [])


def test_a_timer_whose_task_cannot_be_resumed_says_so_and_the_task_stays_open() -> None:
    middle = Middle()
    middle.handle(event("StartTask", meta={"responseStream": "orders-out"}, timeout=1))
    middle.outlet.cluster = topics(orders_out=None)
    done = middle.handle(event("TimeoutTask"), headers=timer_of(middle.record()))
    assert done.emits == []
    assert [task.key.id for task in done.unresumed] == ["task-1"]
    assert (done.fired, done.spent) == ([], [])
    assert [what for _, what, _ in done.refused] == ["NOT_RESUMED"]
    assert status_of(middle.record()) is Status.OPEN


def test_the_mark_of_a_timer_on_another_action_means_nothing() -> None:
    middle = Middle()
    done = middle.handle(proceed(), headers=(("runner-timer", b"1/0@0;1;0"),))
    assert statuses(done.emits) == ["FAIL"]
    assert (done.fired, done.spent, done.unresumed) == ([], [], [])


# -- redelivery ------------------------------------------------------------------------------------


def redelivered_history() -> tuple[Middle, list[Message], Processed]:
    middle = Middle()
    values = [
        proceed("too-early"),
        start(timeout=MINUTE),
        proceed("req-2"),
        proceed("too-late"),
        event("StartTask", "task-2", "req-5", timeout="never"),
        event("StartTask", "task-3", "req-6", skipPattern="taskId"),
    ]
    messages = [middle.message(value) for value in values]
    return middle, messages, middle.run(*messages)


def test_redelivered_events_send_the_same_again_although_the_store_has_moved_on() -> None:
    middle, messages, first = redelivered_history()
    records = middle.store.records()
    second = again(middle, *messages)
    assert second.emits == first.emits
    assert second.positions == first.positions
    assert second.redelivered == 5, "only decisions on a task are kept"
    assert middle.store.records() == records


def test_redelivered_events_say_the_same_whatever_the_time_and_the_size_of_their_batch() -> None:
    middle, messages, first = redelivered_history()
    middle.ticker.advance(3600)
    second = [emit for message in messages[:4] for emit in middle.another().run(batch([message]), {}).emits]
    assert second == first.emits[: len(second)]


def test_timers_are_told_of_redelivered_deadlines_too() -> None:
    middle = Middle()
    message = middle.message(start(timeout=MINUTE))
    first = middle.run(message)
    assert again(middle, message).deadlines == first.deadlines


def test_a_batch_that_is_partly_redelivered_decides_only_the_rest() -> None:
    middle = Middle()
    one, two = middle.message(start()), middle.message(proceed())
    first = middle.run(one)
    done = again(middle, one, two)
    assert done.emits[: len(first.emits)] == first.emits
    assert statuses(done.emits) == ["ACK", "PROCEEDED", "SUCCESS"]
    assert done.redelivered == 1


def test_a_zombie_and_its_successor_end_up_with_the_same_answer() -> None:
    middle = Middle()
    messages = [middle.message(start()), middle.message(proceed())]
    other: list[Processed] = []
    middle.faults.before("store.apply", lambda: other.append(again(middle, *messages)))
    done = middle.run(*messages)
    assert done.emits == other[0].emits
    assert done.conflicts == 1
    assert done.redelivered == 2
    assert len(middle.store.records()) == 1


def test_where_two_homes_start_one_task_the_second_is_decided_again_and_forwarded() -> None:
    middle = Middle()
    mine, theirs = middle.message(start("mine"), home=0), middle.message(start("theirs"), home=1)
    middle.faults.before("store.apply", lambda: again(middle, theirs))
    done = middle.run(mine)
    [forwarded] = done.emits
    assert (forwarded.stream, forwarded.partition) == ("requests", 1)
    record = middle.record()
    assert record is not None
    assert record.state.home == 1


def test_only_the_shard_in_conflict_is_decided_again() -> None:
    middle = Middle(shards=4)
    ids = {middle.store.shard(f"task-{n}"): f"task-{n}" for n in range(50)}
    assert len(ids) == 4
    mine = [middle.message(start(task_id, task_id)) for task_id in ids.values()]
    theirs = middle.message(start("theirs", ids[0]), home=1)
    middle.faults.before("store.apply", lambda: again(middle, theirs))
    done = middle.run(*mine)
    assert done.conflicts == 1
    assert statuses(done.emits).count("ACK") == 3
    assert [sent(emit).request_id for emit in done.emits if emit.stream == "responses"] == [
        ids[shard] for shard in ids if shard != 0
    ]


def test_records_that_never_stop_changing_are_an_outage_not_a_loop() -> None:
    middle = Middle()
    middle.handle(start())
    changes = 0

    def change() -> None:
        """The home of the task goes on, each time just before this one applies."""
        nonlocal changes
        changes += 1
        value = proceed(f"proceed-{changes}") if changes % 2 else start(f"start-{changes}")
        again(middle, middle.message(value))
        middle.faults.before("store.apply", change)

    middle.faults.before("store.apply", change)
    with pytest.raises(StoreUnavailable, match=f"{MAX_ATTEMPTS} attempts"):
        middle.handle(proceed("mine"), home=1)
    assert changes == MAX_ATTEMPTS


# -- the cut before a replacement ------------------------------------------------------------------


def test_a_closed_task_is_replaced_only_by_the_first_event_of_a_batch() -> None:
    middle = Middle()
    messages = [middle.message(value) for value in (start(), proceed(), start("new"), proceed("new-2"))]
    elsewhere = middle.message(start("other", "task-9"), home=1)
    first = middle.run(*messages, elsewhere)
    assert statuses(first.emits) == ["ACK", "PROCEEDED", "SUCCESS", "ACK"]
    assert first.positions == {0: 2, 1: 1}
    assert first.held == messages[2:]
    assert first.blocked == {}
    second = middle.run(*first.held)
    assert [sent(emit).request_id for emit in second.emits] == ["new", "new", "new-2"]
    assert second.positions == {0: 4}


def test_what_was_cut_off_has_left_nothing_in_the_store() -> None:
    middle = Middle()
    messages = [
        middle.message(value)
        for value in (start(), proceed(), start("new"), start("behind", "task-2"), proceed("p", "task-2"))
    ]
    middle.run(*messages)
    assert middle.record("task-2") is None
    record = middle.record()
    assert record is not None
    assert json.loads(bytes(record.start.event))["requestMeta"]["id"] == "req-1"


def test_a_crash_before_the_replacement_is_committed_gives_the_same_twice() -> None:
    middle = Middle()
    messages = [middle.message(value) for value in (start(), proceed(), start("new"))]
    first = middle.run(*messages)
    assert again(middle, *messages).emits == first.emits
    second = middle.run(*first.held)
    assert again(middle, *first.held).emits == second.emits


def test_a_duplicate_on_a_closed_task_needs_no_cut() -> None:
    middle = Middle()
    done = middle.run(*(middle.message(value) for value in (start(), proceed(), start())))
    assert statuses(done.emits) == ["ACK", "PROCEEDED", "SUCCESS", "ACK"]
    assert done.held == []


# -- what cannot be answered, or not be sent -------------------------------------------------------


def test_an_event_not_even_a_fail_can_answer_is_buried() -> None:
    middle = Middle(cluster=topics(responses=None))
    done = middle.run(middle.message(start()), middle.message(event("StartTask", meta={"domain": "?"})))
    assert [(emit.stream, emit.value is not None) for emit in done.emits] == [(DEAD_LETTERS, True)] * 2
    assert [dict(emit.headers)["dead-letter-reason"] for emit in done.emits] == [b"UNANSWERABLE"] * 2
    assert done.dead == {"UNANSWERABLE": 2}
    assert [what for _, what, _ in done.refused] == ["UNANSWERABLE"] * 2
    assert done.positions == {0: 2}
    assert middle.store.records() == []


def test_what_was_buried_stays_buried_when_it_comes_again() -> None:
    middle = Middle(cluster=topics(responses=None))
    messages = [middle.message(proceed()), middle.message(start(), home=1)]
    first = middle.run(messages[0])
    middle.outlet.cluster = topics()
    middle.run(messages[1])
    second = again(middle, messages[0])
    assert second.emits == first.emits
    assert second.dead == {"UNANSWERABLE": 1}
    assert status_of(middle.record()) is Status.OPEN


def test_a_replay_whose_topic_is_gone_blocks_its_home_and_no_other() -> None:
    middle = Middle()
    mine = [middle.message(start("a", "task-a")), middle.message(start("b", "task-b"))]
    other = middle.message(event("StartTask", "task-c", "c", meta={"responseStream": "orders-out"}), home=1)
    middle.run(mine[0])
    middle.outlet.cluster = topics(responses=None)
    done = again(middle, *mine, other)
    assert set(done.blocked) == {0}
    assert "responses" in done.blocked[0]
    assert done.positions == {1: 1}
    assert done.held == []
    assert done.poisoned == set()
    assert [sent(emit).request_id for emit in done.emits] == ["c"]
    middle.outlet.cluster = topics()
    assert [sent(emit).request_id for emit in again(middle, *mine).emits] == ["a", "b"]


@pytest.mark.parametrize("limit", [None, 600])
def test_a_dead_letter_no_topic_takes_blocks_its_home_before_it(limit: int | None) -> None:
    middle = Middle(cluster=topics(dead_letters=limit))
    one, poison, two = middle.message(start()), middle.message(b"\xff" * 600), middle.message(proceed())
    other = middle.message(start("other", "task-9"), home=1)
    done = middle.run(one, poison, two, other)
    assert done.positions == {0: 1, 1: 1}
    assert set(done.blocked) == {0}
    assert DEAD_LETTERS in done.blocked[0]
    assert done.poison_runs == {0: 0, 1: 0}
    assert done.dead == {}
    middle.outlet.cluster = topics()
    rest = again(middle, poison, two)
    assert [emit.stream for emit in rest.emits] == [DEAD_LETTERS, "responses", "responses"]


def test_the_limit_of_poison_blocks_exactly_behind_the_last_one_it_allows() -> None:
    middle = Middle(poison_limit=2)
    messages = [middle.message(b"poison") for _ in range(3)]
    done = middle.run(*messages)
    assert [emit.stream for emit in done.emits] == [DEAD_LETTERS] * 2
    assert done.positions == {0: 2}
    assert done.poisoned == {0}
    assert done.poison_runs == {0: 2}
    assert "2 poison messages" in done.blocked[0]


def test_poison_behind_a_cut_is_counted_when_it_is_its_turn() -> None:
    middle = Middle(poison_limit=2)
    values = (start(), proceed(), start("new"), b"poison", b"poison", start("behind", "task-2"))
    messages = [middle.message(value) for value in values]
    done = middle.run(*messages)
    assert (done.blocked, done.poisoned) == ({}, set())
    assert done.held == messages[2:]
    rest = middle.run(*done.held)
    assert rest.poisoned == {0}
    assert rest.positions == {0: 5}
    assert middle.record("task-2") is None


def test_a_later_batch_of_the_home_supersedes_this_one() -> None:
    middle = Middle()
    one, two = middle.message(start()), middle.message(proceed())
    middle.run(one)
    again(middle, two)
    with pytest.raises(Superseded):
        again(middle, one, two)


@pytest.mark.parametrize("call", ["load", "apply"])
def test_an_outage_of_the_store_is_passed_on(call: str) -> None:
    middle = Middle()
    middle.faults.once(f"store.{call}", StoreUnavailable("no answer"))
    message = middle.message(start())
    with pytest.raises(StoreUnavailable):
        middle.run(message)
    assert statuses(middle.run(message).emits) == ["ACK"]


def test_a_forwarded_event_that_would_be_too_large_is_refused_not_sent() -> None:
    middle = Middle()
    middle.handle(start(), home=2)
    value = event("ProceedTask", request_id="req-2", payload={"large": "x" * 4000})
    middle.outlet.cluster = topics(requests=len(value) + 512)
    done = middle.handle(value, home=1)
    [refused] = done.emits
    assert sent(refused).code == 13020
    assert isinstance(refused, Emit)
