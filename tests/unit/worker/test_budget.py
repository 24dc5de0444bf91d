"""A batch ends where its events take too long or build too much; what is left comes next, unchanged."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import count
from math import inf
from typing import Any

import pytest

from runner.actions.decision import OutgoingMessage
from runner.clock import ManualTicker
from runner.kafka.message import Message
from runner.worker.answers import MESSAGES_BEFORE_PERIOD
from runner.worker.processing_settings import BatchBudget
from runner.worker.task_processor import TaskProcessor
from tests.unit.worker.rig import DEAD_LETTERS, Harness, batch, event, sent, statuses

MANY = 12
TEXT = "x" * 1000


def narrow(harness: Harness, *, seconds: float = inf, size_bytes: int = 1_000_000) -> TaskProcessor:
    """A process with so little room; its clock goes on by a second whenever it is looked at."""
    terms = replace(harness.terms, batch_seconds=seconds, batch_bytes=size_bytes)
    seconds_passed = count(0.0)
    return TaskProcessor(
        terms, harness.store, harness.topics, DEAD_LETTERS, harness.changelog, lambda: next(seconds_passed)
    )


def start(number: int, **parameters: Any) -> bytes:
    return event("StartTask", f"t{number}", f"s{number}", payload={"text": TEXT}, **parameters)


def patterned(number: int) -> bytes:
    return start(number, inputPattern="{taskId: taskId, text: text}")


def worked_off(process: TaskProcessor, messages: list[Message]) -> list[list[OutgoingMessage]]:
    """What each batch sent, until nothing was left: what is held comes first in the next."""
    waiting, batches = deque(messages), []
    while waiting:
        taken = list(waiting)
        done = process.run(batch(taken), {})
        assert done.positions, "a batch without progress would go on for ever"
        assert not done.paused
        waiting = deque(done.deferred)
        assert len(waiting) < len(taken)
        batches.append(done.outgoing)
    return batches


def flat(batches: list[list[OutgoingMessage]]) -> list[OutgoingMessage]:
    return [outgoing for messages in batches for outgoing in messages]


@pytest.mark.parametrize("with_changelog", [False, True])
def test_a_batch_ends_when_its_time_is_over_and_every_event_is_answered_once_in_order(
    with_changelog: bool,
) -> None:
    harness = Harness(with_changelog=with_changelog)
    messages = [harness.message(start(n), home=n % 3) for n in range(MANY)]
    batches = worked_off(narrow(harness, seconds=3), messages)
    assert 2 < len(batches) < MANY
    replies = [outgoing for outgoing in flat(batches) if outgoing.stream == "responses"]
    for home in range(3):
        asked = [f"s{n}" for n in range(MANY) if n % 3 == home]
        assert [
            sent(outgoing).request_id for outgoing in replies if sent(outgoing).request_id in asked
        ] == asked
    assert statuses(replies) == ["ACK"] * MANY


def test_without_time_there_is_still_one_event_a_batch() -> None:
    harness = Harness()
    batches = worked_off(narrow(harness, seconds=0), [harness.message(start(n)) for n in range(4)])
    assert [statuses(messages) for messages in batches] == [["ACK"]] * 4


def test_a_batch_ends_when_its_patterns_have_given_too_much() -> None:
    harness = Harness()
    messages = [harness.message(patterned(n)) for n in range(MANY)]
    batches = worked_off(narrow(harness, size_bytes=5 * len(TEXT)), messages)
    assert [len(messages) for messages in batches] == [5, 5, 2]


def test_a_batch_ends_when_it_would_send_too_much() -> None:
    """A few bytes end a task of many: reply and resumed event have them."""
    harness = Harness()
    harness.run(*(harness.message(start(n)) for n in range(MANY)))
    messages = [harness.message(event("ProceedTask", f"t{n}", f"p{n}")) for n in range(MANY)]
    batches = worked_off(narrow(harness, size_bytes=2 * len(TEXT)), messages)
    assert len(batches) > 2
    assert statuses(flat(batches)) == ["PROCEEDED", "SUCCESS"] * MANY


def test_what_was_applied_and_is_cut_when_it_comes_again_gets_the_same_answer() -> None:
    harness = Harness(with_changelog=True)
    messages = [harness.message(start(n)) for n in range(MANY)]
    messages += [harness.message(event("ProceedTask", f"t{n}", f"p{n}")) for n in range(MANY)]
    first = harness.run(*messages)
    again = flat(worked_off(narrow(harness, seconds=5, size_bytes=3 * len(TEXT)), messages))
    responses = [outgoing for outgoing in first.outgoing if outgoing.stream == "responses"]
    assert [outgoing for outgoing in again if outgoing.stream == "responses"] == responses


def test_a_pass_over_a_period_waits_where_much_is_to_be_sent_already() -> None:
    harness = Harness(policy=replace(Harness().terms.policy, period_chunk=MESSAGES_BEFORE_PERIOD))
    tasks = MESSAGES_BEFORE_PERIOD // 2 + 1
    for number in range(tasks):
        harness.handle(event("StartTask", f"t{number}", f"s{number}", timeout=0))
    passes = [harness.message(event("TimeoutBetween", None, f"pass{n}")) for n in range(4)]
    batches = worked_off(harness.process, passes)
    assert [len(messages) for messages in batches] == [2 * (tasks + 1), 2 * (tasks + 1)]


@pytest.mark.parametrize(
    ("seconds", "size_bytes", "spent"), [(1.0, 10, False), (1.1, 0, True), (0, 11, True)]
)
def test_room_is_spent_by_time_or_by_size(seconds: float, size_bytes: int, spent: bool) -> None:
    ticker = ManualTicker()
    budget = BatchBudget(ticker, 1.0, 10)
    budget.charge(size_bytes)
    ticker.advance(seconds)
    assert budget.is_exhausted == spent
