"""What cannot be answered, or not be sent: dead letters, paused homes, limits and outages."""

from __future__ import annotations

import pytest

from runner.actions.decision import OutgoingMessage
from runner.errors import StoreUnavailable, Superseded
from runner.tasks.parts import Status
from tests.unit.worker.asked import again, proceed, start, status_of
from tests.unit.worker.rig import (
    DEAD_LETTERS,
    Harness,
    event,
    sent,
    statuses,
    topics,
)

# -- what cannot be answered, or not be sent -------------------------------------------------------


def test_an_event_not_even_a_fail_can_answer_is_buried() -> None:
    harness = Harness(cluster=topics(responses=None))
    done = harness.run(harness.message(start()), harness.message(event("StartTask", meta={"domain": "?"})))
    assert [(outgoing.stream, outgoing.value is not None) for outgoing in done.outgoing] == [
        (DEAD_LETTERS, True)
    ] * 2
    assert [dict(outgoing.headers)["dead-letter-reason"] for outgoing in done.outgoing] == [
        b"UNANSWERABLE"
    ] * 2
    assert done.dead_letter_reasons == {"UNANSWERABLE": 2}
    assert [what for _, what, _ in done.refused] == ["UNANSWERABLE"] * 2
    assert done.positions == {0: 2}
    assert harness.store.records() == []


def test_what_was_buried_stays_buried_when_it_comes_again() -> None:
    harness = Harness(cluster=topics(responses=None))
    messages = [harness.message(proceed()), harness.message(start(), home=1)]
    first = harness.run(messages[0])
    harness.topics.cluster = topics()
    harness.run(messages[1])
    second = again(harness, messages[0])
    assert second.outgoing == first.outgoing
    assert second.dead_letter_reasons == {"UNANSWERABLE": 1}
    assert status_of(harness.record()) is Status.OPEN


def test_a_replay_whose_topic_is_gone_blocks_its_home_and_no_other() -> None:
    harness = Harness()
    mine = [harness.message(start("a", "task-a")), harness.message(start("b", "task-b"))]
    other = harness.message(event("StartTask", "task-c", "c", meta={"responseStream": "orders-out"}), home=1)
    harness.run(mine[0])
    harness.topics.cluster = topics(responses=None)
    done = again(harness, *mine, other)
    assert set(done.paused) == {0}
    assert "responses" in done.paused[0]
    assert done.positions == {1: 1}
    assert done.deferred == []
    assert done.poisoned == set()
    assert [sent(outgoing).request_id for outgoing in done.outgoing] == ["c"]
    harness.topics.cluster = topics()
    assert [sent(outgoing).request_id for outgoing in again(harness, *mine).outgoing] == ["a", "b"]


@pytest.mark.parametrize("limit", [None, 600])
def test_a_dead_letter_no_topic_takes_blocks_its_home_before_it(limit: int | None) -> None:
    harness = Harness(cluster=topics(dead_letters=limit))
    one, poison, two = harness.message(start()), harness.message(b"\xff" * 600), harness.message(proceed())
    other = harness.message(start("other", "task-9"), home=1)
    done = harness.run(one, poison, two, other)
    assert done.positions == {0: 1, 1: 1}
    assert set(done.paused) == {0}
    assert DEAD_LETTERS in done.paused[0]
    assert done.poison_runs == {0: 0, 1: 0}
    assert done.dead_letter_reasons == {}
    harness.topics.cluster = topics()
    rest = again(harness, poison, two)
    assert [outgoing.stream for outgoing in rest.outgoing] == [DEAD_LETTERS, "responses", "responses"]


def test_the_limit_of_poison_blocks_exactly_behind_the_last_one_it_allows() -> None:
    harness = Harness(poison_limit=2)
    messages = [harness.message(b"poison") for _ in range(3)]
    done = harness.run(*messages)
    assert [outgoing.stream for outgoing in done.outgoing] == [DEAD_LETTERS] * 2
    assert done.positions == {0: 2}
    assert done.poisoned == {0}
    assert done.poison_runs == {0: 2}
    assert "2 poison messages" in done.paused[0]


def test_poison_behind_a_cut_is_counted_when_it_is_its_turn() -> None:
    harness = Harness(poison_limit=2)
    values = (start(), proceed(), start("new"), b"poison", b"poison", start("behind", "task-2"))
    messages = [harness.message(value) for value in values]
    done = harness.run(*messages)
    assert (done.paused, done.poisoned) == ({}, set())
    assert done.deferred == messages[2:]
    rest = harness.run(*done.deferred)
    assert rest.poisoned == {0}
    assert rest.positions == {0: 5}
    assert harness.record("task-2") is None


def test_a_later_batch_of_the_home_supersedes_this_one() -> None:
    harness = Harness()
    one, two = harness.message(start()), harness.message(proceed())
    harness.run(one)
    again(harness, two)
    with pytest.raises(Superseded):
        again(harness, one, two)


@pytest.mark.parametrize("call", ["load", "apply"])
def test_an_outage_of_the_store_is_passed_on(call: str) -> None:
    harness = Harness()
    harness.faults.once(f"store.{call}", StoreUnavailable("no answer"))
    message = harness.message(start())
    with pytest.raises(StoreUnavailable):
        harness.run(message)
    assert statuses(harness.run(message).outgoing) == ["ACK"]


def test_a_forwarded_event_that_would_be_too_large_is_refused_not_sent() -> None:
    harness = Harness()
    harness.handle(start(), home=2)
    value = event("ProceedTask", request_id="req-2", payload={"large": "x" * 4000})
    harness.topics.cluster = topics(requests=len(value) + 512)
    done = harness.handle(value, home=1)
    [refused] = done.outgoing
    assert sent(refused).code == 13020
    assert isinstance(refused, OutgoingMessage)
