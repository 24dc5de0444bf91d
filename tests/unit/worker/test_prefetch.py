"""What is decoded while a batch is confirmed, and when that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec
import pytest
from msgspec import structs

from runner.envelope.codec import JsonCodec
from runner.errors import LogUnavailable, StoreUnavailable
from runner.kafka.message import Message
from runner.worker.components import LoopLimits
from runner.worker.decoder import STEP_SECONDS, Prefetch
from runner.worker.delivery import ExactlyOnce
from runner.worker.overlap import Step, no_step
from runner.worker.task_processor import TaskProcessor
from runner.worker.timers import Timers
from tests.unit.worker.opened import answered, start
from tests.unit.worker.rig import DEAD_LETTERS, Harness, Worker


def _more_first(call: Callable[[], None], more: Step) -> None:
    while more():
        pass
    call()


DECODED_FIRST = partial(ExactlyOnce, overlap=_more_first)


class CountingCodec(JsonCodec):
    """Counts how often each value is decoded; ``away`` values cannot be looked up."""

    def __init__(self) -> None:
        self.times: Counter[bytes] = Counter()
        self.away: set[bytes] = set()
        self.takes: Callable[[], object] = lambda: None

    def to_json(self, value: bytes) -> bytes:
        self.times[value] += 1
        self.takes()
        if value in self.away:
            raise StoreUnavailable("the registry does not answer")
        return value


def counting() -> tuple[Harness, CountingCodec]:
    harness, codec = Harness(), CountingCodec()
    harness.terms = replace(harness.terms, codec=codec)
    harness.process = TaskProcessor(
        harness.terms, harness.store, harness.topics, DEAD_LETTERS, harness.changelog
    )
    return harness, codec


def messages(harness: Harness, count: int) -> list[Message]:
    return [harness.message(start(f"t{number}")) for number in range(count)]


def test_an_item_is_handed_over_once_and_only_for_the_very_message_it_was_made_of() -> None:
    harness = Harness()
    first, second = messages(harness, 2)
    prefetch = Prefetch(harness.terms, harness.ticker)
    while prefetch.start([first, second])():
        pass
    again = structs.replace(second)
    assert prefetch.take(again) is None, "a message that was read anew is decoded anew"
    item = prefetch.take(first)
    assert item is not None
    assert item.message is first
    assert item.plan is not None
    assert prefetch.take(first) is None


def test_messages_are_decoded_a_step_at_a_time_and_forgotten_with_the_next_batch() -> None:
    harness, codec = counting()
    codec.takes = lambda: harness.ticker.advance(STEP_SECONDS)
    waiting = messages(harness, 3)
    prefetch = Prefetch(harness.terms, harness.ticker)
    more = prefetch.start(waiting)
    assert [more() for _ in range(4)] == [True, True, True, False]
    assert codec.times.total() == 3
    assert prefetch.start([]) is no_step
    assert prefetch.take(waiting[0]) is None


def test_it_ends_where_a_batch_would_by_time_or_by_what_patterns_give() -> None:
    harness, codec = counting()
    codec.takes = lambda: harness.ticker.advance(1.0)
    slow = Prefetch(replace(harness.terms, batch_seconds=2.5), harness.ticker)
    more = slow.start(messages(harness, 10))
    assert [more() for _ in range(3)] == [True, True, False]

    codec.takes = lambda: None
    large = [harness.message(start(f"l{n}", inputPattern="{big: taskId}")) for n in range(10)]
    codec.times.clear()
    given = len(msgspec.json.encode({"big": "l0"}))
    assert not Prefetch(replace(harness.terms, batch_bytes=3 * given - 1), harness.ticker).start(large)()
    assert codec.times.total() == 3


def test_what_cannot_be_looked_up_ends_it_and_is_left_to_the_batch() -> None:
    harness, codec = counting()
    known, unknown, last = messages(harness, 3)
    codec.away.add(unknown.value or b"")
    prefetch = Prefetch(harness.terms, harness.ticker)
    assert not prefetch.start([known, unknown, last])()
    assert prefetch.take(known) is not None
    assert prefetch.take(unknown) is None
    assert prefetch.take(last) is None


def test_the_next_batch_is_decoded_while_this_one_is_confirmed_and_not_again() -> None:
    harness, codec = counting()
    worker = Worker(harness, homes=(0,), limits=LoopLimits(batch_events=3))
    for number in range(9):
        worker.log.append(start(f"t{number}"))
    worker.step(2)
    assert len(worker.recorder.processed_batches) == 1
    assert codec.times.total() == 6, "the second batch was not decoded ahead"
    worker.until_idle()
    assert answered(worker) == [f"t{number}" for number in range(9)]
    assert set(codec.times.values()) == {1}


def test_what_was_decoded_of_a_home_that_is_revoked_is_dropped_and_decoded_anew_when_it_comes_back() -> None:
    harness, codec = counting()
    worker = Worker(harness, homes=(0,), limits=LoopLimits(batch_events=2))
    for number in range(4):
        worker.log.append(start(f"t{number}"))
    worker.step(2)
    assert codec.times.total() == 4
    worker.log.revoke(0)
    worker.step(3)
    assert answered(worker) == ["t0", "t1"]
    worker.log.assign(0)
    worker.until_idle()
    assert answered(worker) == ["t0", "t1", "t2", "t3"]
    assert sorted(codec.times.values()) == [1, 1, 2, 2]


def test_what_was_decoded_behind_a_batch_that_failed_is_decoded_anew() -> None:
    harness, codec = counting()
    worker = Worker(harness, homes=(0,), limits=LoopLimits(batch_events=2), delivery=DECODED_FIRST)
    for number in range(4):
        worker.log.append(start(f"t{number}"))
    worker.faults.once("log.commit", LogUnavailable("no answer"))
    worker.until_idle()
    assert answered(worker) == ["t0", "t1", "t2", "t3"]
    assert set(codec.times.values()) == {2}


def test_nothing_is_decoded_ahead_of_what_is_left_of_a_batch() -> None:
    harness, codec = counting()
    harness.terms = replace(harness.terms, batch_seconds=2.5)
    harness.process = TaskProcessor(
        harness.terms, harness.store, harness.topics, DEAD_LETTERS, harness.changelog, harness.ticker
    )
    codec.takes = lambda: harness.ticker.advance(1.0)
    worker = Worker(harness, homes=(0,), limits=LoopLimits(batch_events=6))
    for number in range(12):
        worker.log.append(start(f"t{number}"))
    worker.until_idle()
    assert answered(worker) == [f"t{number}" for number in range(12)]
    assert codec.times[start("t11")] == 1


def test_no_more_is_read_ahead_than_a_batch_may_hold() -> None:
    worker = Worker(homes=(0,), limits=LoopLimits(batch_events=10, batch_bytes=1))
    for number in range(40):
        worker.log.append(start(f"t{number}"))
    worker.step(2)
    reading = worker.log.reading[0]
    worker.step(5)
    assert worker.log.reading[0] == reading, "it reads on although more waits than a batch may hold"
    worker.until_idle()
    assert len(answered(worker)) == 40


class CountingTimers(Timers):
    """Counts how often it is said that the log has been read to its end."""

    caught_up_times = 0

    def caught_up(self) -> None:
        type(self).caught_up_times += 1
        super().caught_up()


@pytest.mark.parametrize("limits", [LoopLimits(batch_events=3), LoopLimits(batch_events=30, batch_bytes=500)])
def test_a_worker_that_lags_does_not_say_that_the_log_was_read_to_its_end(limits: LoopLimits) -> None:
    CountingTimers.caught_up_times = 0
    worker = Worker(homes=(0,), limits=limits, timers=[CountingTimers])
    for number in range(20):
        worker.log.append(start(f"t{number}"))
    worker.step()
    at_start = CountingTimers.caught_up_times
    while len(answered(worker)) < 15:
        worker.step()
    assert CountingTimers.caught_up_times == at_start
    worker.until_idle()
    assert CountingTimers.caught_up_times > at_start
