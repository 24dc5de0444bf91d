"""TimeoutBetween in the batch processor: chunks, continuations, and passes that cannot be answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.actions.decision import OutgoingMessage
from runner.errors import StoreUnavailable
from tests.unit.worker.rig import (
    DEAD_LETTERS,
    HOMES,
    MINUTE,
    NOW,
    POLICY,
    Harness,
    event,
    sent,
    statuses,
    topics,
)


def with_tasks(number: int, homes: int = 2) -> Harness:
    """Tasks that are due since 1, 2, 3 … ms, and one that is not due yet."""
    harness = Harness()
    for n in range(number):
        harness.handle(event("StartTask", f"task-{n}", f"req-{n}", timeoutOn=NOW - n - 1), home=n % homes)
    harness.handle(event("StartTask", "later", "later", timeout=MINUTE))
    return harness


def timers(messages: list[OutgoingMessage]) -> list[OutgoingMessage]:
    return [outgoing for outgoing in messages if "runner-timer" in dict(outgoing.headers)]


def sweep(harness: Harness, **meta: object) -> list[OutgoingMessage]:
    value = event("TimeoutBetween", None, "sweep", meta=meta)
    return harness.handle(value).outgoing


def test_a_command_is_carried_out_answered_and_counted_as_a_pass() -> None:
    harness = with_tasks(4)
    value = event("TIMEOUT", None, "command", payload={"toTime": NOW})
    first = harness.handle(value)
    second = harness.run(*harness.returned(first.outgoing[-1:]))
    assert (len(timers(first.outgoing)), len(timers(second.outgoing))) == (3, 1)
    reply = sent(second.outgoing[-1])
    assert (reply.status, reply.value["eventMeta"]["action"]) == ("SUCCESS", "TIMEOUT")
    assert reply.value["result"]["requested"] == 4
    assert second.counts == {("TimeoutBetween", "SUCCESS"): 1}
    refused = harness.handle(event("TIMEOUT", None, "late", payload={"toTime": "soon"}))
    assert refused.counts == {("TimeoutBetween", "FAIL"): 1}


def test_a_pass_goes_in_chunks_with_one_reply_at_the_end() -> None:
    harness = with_tasks(7)
    first = sweep(harness)
    assert len(timers(first)) == 3
    assert statuses(first) == []
    second = harness.run(*harness.returned(first[-1:]))
    assert len(timers(second.outgoing)) == 3
    assert second.passes == [], "not before the pass has ended"
    third = harness.run(*harness.returned(second.outgoing[-1:]))
    assert len(timers(third.outgoing)) == 1
    assert sent(third.outgoing[-1]).value["result"]["requested"] == 7
    assert {outgoing.partition for outgoing in timers([*first, *second.outgoing, *third.outgoing])} == {0, 1}
    assert third.passes == [(("orders",), NOW)]


def test_a_chunk_over_many_homes_is_read_with_one_call_a_shard() -> None:
    """Each index has a few tasks: a call for every one of them would hold up the events."""
    harness = Harness(policy=replace(POLICY, period_chunk=1000))
    for n in range(80):
        harness.handle(event("StartTask", f"task-{n}", f"req-{n}", timeoutOn=NOW - n - 1), home=n % HOMES)
    before = harness.store.asked.count("entries")
    assert len(timers(sweep(harness))) == 80
    assert harness.store.asked.count("entries") - before == harness.store.shards


def test_the_reply_says_the_period_from_the_last_pass_on() -> None:
    harness = with_tasks(1)
    assert _period(sweep(harness)) == (None, NOW)
    harness.store.note_timeout(["orders"], NOW - 5)
    assert _period(sweep(harness)) == (NOW - 5, NOW), "redelivered, it would say the same"
    harness.store.note_timeout(["orders"], NOW + 5)
    assert _period(sweep(harness)) == (NOW, NOW), "another pass has gone further"
    named = harness.handle(event("TIMEOUT", None, "command", payload={"fromTime": 7, "toTime": 9}))
    assert _period(named.outgoing) == (7, 9)


def _period(outgoing: list[OutgoingMessage]) -> tuple[int | None, int]:
    result = sent(outgoing[-1]).value["result"]
    return result["from"], result["to"]


def test_a_continuation_keeps_the_end_the_pass_began_with() -> None:
    harness = with_tasks(4)
    first = sweep(harness)
    harness.ticker.advance(3600)
    second = harness.run(*harness.returned(first[-1:]))
    assert sent(second.outgoing[-1]).value["result"]["requested"] == 4, (
        "what became due in the meantime is for the next"
    )
    assert second.passes == [(("orders",), NOW)]


def test_the_tasks_told_time_out_and_nobody_is_answered_for_that() -> None:
    harness = with_tasks(2)
    messages = sweep(harness)
    done = harness.run(*harness.returned(timers(messages)))
    assert [(sent(outgoing).kind, sent(outgoing).status) for outgoing in done.outgoing] == [
        ("resume", "TIMEOUT")
    ] * 2
    assert {task.key.id for task in done.timed_out} == {"task-0", "task-1"}


def test_a_pass_that_comes_again_sends_the_same() -> None:
    harness = with_tasks(7)
    message = harness.message(event("TimeoutBetween", None, "sweep"))
    assert harness.run(message).outgoing == harness.run(message).outgoing


def test_a_pass_whose_reply_has_no_topic_is_refused_and_tells_nobody() -> None:
    harness = with_tasks(7)
    assert len(timers(sweep(harness, responseStream="orders-out"))) == 3
    harness.topics.cluster = topics(orders_out=None)
    [refused] = sweep(harness, responseStream="orders-out")
    assert (refused.stream, sent(refused).code) == ("responses", 13020)


def test_a_pass_nobody_can_be_told_of_is_buried() -> None:
    harness = with_tasks(7)
    harness.topics.cluster = topics(responses=None)
    done = harness.handle(event("TimeoutBetween", None, "sweep"))
    assert [outgoing.stream for outgoing in done.outgoing] == [DEAD_LETTERS]
    assert done.dead_letter_reasons == {"UNANSWERABLE": 1}
    assert done.counts == {("TimeoutBetween", "DEAD"): 1}
    assert done.passes == []


def test_a_continuation_that_grows_too_large_is_refused() -> None:
    harness = with_tasks(7)
    value = event("TimeoutBetween", None, "sweep", payload={"large": "x" * 4000})
    harness.topics.cluster = topics(requests=len(value) + 512 + 60)
    [refused] = harness.handle(value).outgoing
    assert sent(refused).code == 13020


def test_an_outage_in_the_middle_of_a_pass_is_passed_on_and_the_pass_made_again() -> None:
    harness = with_tasks(2)
    message = harness.message(event("TimeoutBetween", None, "sweep"))
    for call in ("entries", "last_timeout"):
        harness.faults.once(f"store.{call}", StoreUnavailable("no answer"))
        with pytest.raises(StoreUnavailable):
            harness.run(message)
    assert statuses(harness.run(message).outgoing) == ["SUCCESS"]


def test_a_pass_reaches_homes_that_were_added() -> None:
    harness = with_tasks(0)
    harness.store.add_homes(1, HOMES + 1)
    harness.handle(event("StartTask", "added", "added", timeoutOn=NOW - 1), home=HOMES)
    assert [outgoing.partition for outgoing in timers(sweep(harness))] == [HOMES]
