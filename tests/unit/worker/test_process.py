"""A batch in, changes and messages out: order, slices, and what timers, retention and metrics are told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from runner.actions.decision import OutgoingMessage
from runner.store.calls import IndexKind
from runner.tasks.parts import Status
from runner.tasks.record import Record
from tests.unit.worker.asked import proceed, sliced, start, status_of
from tests.unit.worker.rig import (
    DEAD_LETTERS,
    MINUTE,
    NOW,
    Harness,
    batch,
    event,
    sent,
    statuses,
    topics,
)

# -- order and composition -------------------------------------------------------------------------


def test_the_answers_of_a_batch_come_in_the_order_of_each_homes_messages() -> None:
    harness = Harness()
    done = harness.run(*(harness.message(start(f"req-{n}", f"task-{n}"), home=n % 3) for n in range(12)))
    answered = [sent(outgoing).request_id for outgoing in done.outgoing]
    assert answered == [f"req-{n}" for home in range(3) for n in range(home, 12, 3)]
    assert done.positions == {0: 4, 1: 4, 2: 4}
    assert done.deferred == []
    assert done.paused == {}


def test_the_home_that_has_waited_longest_comes_first() -> None:
    harness = Harness()
    done = harness.run(*(harness.message(start(f"req-{n}", f"task-{n}"), home=2 - n % 3) for n in range(6)))
    assert [sent(outgoing).request_id for outgoing in done.outgoing] == [
        f"req-{n}" for n in (0, 3, 1, 4, 2, 5)
    ]


def test_what_is_decided_is_sent_before_the_next_slice_and_the_rest_is_returned() -> None:
    harness = Harness()
    process = sliced(harness, 5)
    messages = [harness.message(start(f"req-{n}", f"task-{n}")) for n in range(12)]
    sendings: list[list[str | None]] = []

    def send(messages: Sequence[OutgoingMessage]) -> None:
        sendings.append([sent(outgoing).request_id for outgoing in messages])

    done = process.run(batch(messages), {}, send=send)
    assert sendings == [[f"req-{n}" for n in range(5)], [f"req-{n}" for n in range(5, 10)]]
    assert [sent(outgoing).request_id for outgoing in done.outgoing] == ["req-10", "req-11"]
    assert done.positions == {0: 12}


def test_where_the_time_is_over_the_rest_waits_and_every_shard_is_told_how_far_the_batch_went() -> None:
    harness = Harness(with_changelog=True)
    passed, sendings = count(0.0), list[Sequence[OutgoingMessage]]()
    process = sliced(harness, 2, lambda: next(passed) if sendings else 0.0, batch_seconds=2.0)
    messages = [harness.message(start(f"req-{n}", f"task-{n}"), home=n % 2) for n in range(12)]
    done = process.run(batch(messages), {}, send=sendings.append)
    end = done.positions[0]
    assert 2 < end < 6
    assert done.positions == {0: end}
    assert done.deferred == [each for each in messages if (each.partition, each.offset) >= (0, end)]
    assert harness.store.shards_behind(1, {0: end, 1: 0}) == []
    assert len(harness.store.shards_behind(1, {0: end + 1})) == harness.store.shards


def test_a_home_that_was_cut_stays_cut_in_the_slices_after() -> None:
    harness = Harness()
    process = sliced(harness, 1)
    harness.handle(start("req-0", "task-0"))
    harness.handle(proceed("req-1", "task-0"))
    again = [harness.message(start(f"req-{n}", f"task-{n % 2}")) for n in (3, 4, 5)]
    done = process.run(batch(again), {}, send=lambda _: None)
    assert done.positions == {0: again[0].offset + 1}
    assert done.deferred == again[1:]


def test_events_of_one_task_build_on_each_other_within_a_batch() -> None:
    harness = Harness()
    messages = [
        harness.message(value)
        for value in (proceed("early"), start(), start(), proceed(), proceed(), proceed("late"), start())
    ]
    done = harness.run(*messages)
    assert [(sent(outgoing).request_id, sent(outgoing).status) for outgoing in done.outgoing] == [
        ("early", "FAIL"),
        ("req-1", "ACK"),
        ("req-1", "ACK"),
        ("req-1", "PROCEEDED"),
        ("req-2", "SUCCESS"),
        ("req-2", "SUCCESS"),
        ("late", "FAIL"),
        ("req-1", "ACK"),
    ]
    assert [sent(done.outgoing[n]).code for n in (0, 6)] == [10118, 10119]
    assert status_of(harness.record()) is Status.PROCEEDED
    assert harness.store.asked == ["load", "apply"], "a batch is one load and one apply"


def test_the_same_batch_comes_to_the_same_one_message_at_a_time() -> None:
    values = [proceed("early"), start(), proceed(), proceed(), event("TimeoutTask", request_id="late")]
    together, apart = Harness(), Harness()
    done = together.run(*(together.message(value) for value in values))
    messages = [outgoing for value in values for outgoing in apart.handle(value).outgoing]
    assert done.outgoing == messages
    assert together.record() == apart.record()


def test_a_task_lives_where_it_was_started_and_events_from_elsewhere_are_forwarded_there() -> None:
    harness = Harness()
    harness.handle(start(), home=2)
    done = harness.handle(proceed(), home=1)
    [forwarded] = done.outgoing
    assert (forwarded.stream, forwarded.partition, forwarded.value) == ("requests", 2, proceed())
    assert dict(forwarded.headers) == {
        "runner-origin": b"1/1@0",
        "runner-time": str(NOW).encode(),
        "runner-hops": b"1",
    }
    assert done.counts == {("ProceedTask", "FORWARDED"): 1}
    answered = harness.run(*harness.returned(done.outgoing))
    assert statuses(answered.outgoing) == ["PROCEEDED", "SUCCESS"]


def test_what_is_for_others_has_no_reply_and_no_effect_but_its_offset_is_passed() -> None:
    harness = Harness()
    done = harness.handle(event("StartTask", meta={"handler": "others"}))
    assert done.outgoing == []
    assert done.positions == {0: 1}
    assert done.counts == {("other", "IGNORED"): 1}
    assert harness.store.records() == []


def test_poison_is_buried_in_its_place_and_the_next_is_handled() -> None:
    harness = Harness()
    done = harness.run(harness.message(start()), harness.message(b"\xff"), harness.message(proceed()))
    assert [outgoing.stream for outgoing in done.outgoing] == [
        "responses",
        DEAD_LETTERS,
        "responses",
        "responses",
    ]
    assert done.positions == {0: 3}
    assert done.dead_letter_reasons == {"NOT_UTF8": 1}
    [(source, what, why)] = done.refused
    assert (str(source), what) == ("1/0@1", "NOT_UTF8")
    assert why
    assert done.poison_runs == {0: 0}


def test_a_batch_without_a_task_still_tells_the_time() -> None:
    harness = Harness()
    harness.ticker.advance(5)
    assert harness.handle(b"poison").now_ms == NOW + 5000


def test_the_parts_of_the_time_are_told_in_order() -> None:
    harness, laps = Harness(), list[str]()
    harness.process.run(batch([harness.message(start())]), {}, laps.append)
    assert laps == ["decode", "load", "decide", "apply", "decide", "decide"]


# -- what timers, retention and metrics are told ---------------------------------------------------


def test_a_sender_cannot_make_time_series() -> None:
    harness = Harness()
    done = harness.run(*(harness.message(event(f"Action{n}", request_id=f"r-{n}")) for n in range(20)))
    assert done.counts == {("other", "FAIL"): 20}


def test_deadlines_removals_and_counts_are_told() -> None:
    harness = Harness()
    done = harness.run(
        harness.message(start(timeout=MINUTE)),
        harness.message(start("req-3", "task-3")),
        harness.message(proceed()),
        harness.message(event("Dance", request_id="req-4")),
        harness.message(event("TimeoutBetween", None, "req-5")),
    )
    assert [(index.kind, member, at_ms) for index, member, at_ms in done.scheduled] == [
        (IndexKind.DEADLINES, "1/0@0;0;task-1", NOW + MINUTE),
        (IndexKind.UNDATED, "task-3", NOW),
        (IndexKind.REMOVALS, "2;task-1", NOW + MINUTE),
    ]
    assert done.counts == {
        ("StartTask", "ACK"): 2,
        ("ProceedTask", "PROCEEDED"): 1,
        ("other", "FAIL"): 1,
        ("TimeoutBetween", "SUCCESS"): 1,
    }


def timer_of(record: Record | None) -> tuple[tuple[str, bytes], ...]:
    assert record is not None
    return (("runner-timer", f"{record.state.source};{record.state.deadline_ms};0".encode()),)


def test_a_timer_that_times_its_task_out_has_fired() -> None:
    harness = Harness()
    harness.handle(start(timeout=MINUTE))
    timer = timer_of(harness.record())
    done = harness.handle(event("TimeoutTask", request_id="timer"), headers=timer)
    assert statuses(done.outgoing) == ["TIMEOUT"]
    assert [(task.key.id, task.home, task.deadline_ms) for task in done.timed_out] == [
        ("task-1", 0, NOW + MINUTE)
    ]
    assert (done.stale, done.undeliverable) == ([], [])
    spent = harness.handle(event("TimeoutTask", request_id="timer"), headers=timer)
    assert spent.outgoing == []
    assert spent.stale == done.timed_out
    assert (spent.timed_out, spent.undeliverable) == ([], [])


def test_a_timer_whose_task_cannot_be_resumed_says_so_and_the_task_stays_open() -> None:
    harness = Harness()
    harness.handle(event("StartTask", meta={"responseStream": "orders-out"}, timeout=1))
    harness.topics.cluster = topics(orders_out=None)
    done = harness.handle(event("TimeoutTask"), headers=timer_of(harness.record()))
    assert done.outgoing == []
    assert [task.key.id for task in done.undeliverable] == ["task-1"]
    assert (done.timed_out, done.stale) == ([], [])
    assert [what for _, what, _ in done.refused] == ["NOT_RESUMED"]
    assert status_of(harness.record()) is Status.OPEN


def test_the_token_of_a_timer_on_another_action_means_nothing() -> None:
    harness = Harness()
    done = harness.handle(proceed(), headers=(("runner-timer", b"1/0@0;1;0"),))
    assert statuses(done.outgoing) == ["FAIL"]
    assert (done.timed_out, done.stale, done.undeliverable) == ([], [], [])
