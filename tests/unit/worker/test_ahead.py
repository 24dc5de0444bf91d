"""What is decoded while a batch is confirmed, and when that counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from msgspec import structs

from runner.envelope.codec import JsonCodec
from runner.errors import StoreUnavailable
from runner.worker.ahead import STEP_EVENTS, Ahead
from runner.worker.event_log import Message
from runner.worker.parts import Limits
from runner.worker.process import Process
from tests.unit.worker.opened import answered, start
from tests.unit.worker.rig import DEAD_LETTERS, Middle, Worker


class CountingCodec(JsonCodec):
    """Counts how often each value is decoded; ``away`` values cannot be looked up."""

    def __init__(self) -> None:
        self.times: Counter[bytes] = Counter()
        self.away: set[bytes] = set()

    def to_json(self, value: bytes) -> bytes:
        self.times[value] += 1
        if value in self.away:
            raise StoreUnavailable("the registry does not answer")
        return value


def counting() -> tuple[Middle, CountingCodec]:
    middle, codec = Middle(), CountingCodec()
    middle.terms = replace(middle.terms, codec=codec)
    middle.process = Process(middle.terms, middle.store, middle.outlet, DEAD_LETTERS, middle.feed)
    return middle, codec


def messages(middle: Middle, count: int) -> list[Message]:
    return [middle.message(start(f"t{number}")) for number in range(count)]


def test_an_item_is_handed_over_once_and_only_for_the_very_message_it_was_made_of() -> None:
    middle = Middle()
    first, second = messages(middle, 2)
    ahead = Ahead(middle.terms)
    while ahead.begin([first, second])():
        pass
    again = structs.replace(second)
    assert ahead.hand_over(again) is None, "a message that was read anew is decoded anew"
    item = ahead.hand_over(first)
    assert item is not None
    assert item.message is first
    assert item.plan is not None
    assert ahead.hand_over(first) is None


def test_messages_are_decoded_a_step_at_a_time_and_forgotten_with_the_next_batch() -> None:
    middle, codec = counting()
    waiting = messages(middle, 2 * STEP_EVENTS)
    ahead = Ahead(middle.terms)
    more = ahead.begin(waiting)
    assert more()
    assert codec.times.total() == STEP_EVENTS
    assert more()
    assert not more()
    assert codec.times.total() == 2 * STEP_EVENTS
    ahead.begin([])
    assert ahead.hand_over(waiting[0]) is None


def test_what_cannot_be_looked_up_ends_it_and_is_left_to_the_batch() -> None:
    middle, codec = counting()
    known, unknown, last = messages(middle, 3)
    codec.away.add(unknown.value or b"")
    ahead = Ahead(middle.terms)
    assert not ahead.begin([known, unknown, last])()
    assert ahead.hand_over(known) is not None
    assert ahead.hand_over(unknown) is None
    assert ahead.hand_over(last) is None


def test_the_next_batch_is_decoded_while_this_one_is_confirmed_and_not_again() -> None:
    middle, codec = counting()
    worker = Worker(middle, homes=(0,), limits=Limits(batch_events=3))
    for number in range(9):
        worker.log.append(start(f"t{number}"))
    worker.step(2)
    assert len(worker.watcher.processed_batches) == 1
    assert codec.times.total() == 6, "the second batch was not decoded ahead"
    worker.until_idle()
    assert answered(worker) == [f"t{number}" for number in range(9)]
    assert set(codec.times.values()) == {1}


def test_what_was_decoded_of_a_home_that_is_revoked_is_not_answered_before_it_comes_back() -> None:
    middle, codec = counting()
    worker = Worker(middle, homes=(0,), limits=Limits(batch_events=2))
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


def test_no_more_is_read_ahead_than_a_batch_may_hold() -> None:
    worker = Worker(homes=(0,), limits=Limits(batch_events=10, batch_bytes=1))
    for number in range(40):
        worker.log.append(start(f"t{number}"))
    worker.step(2)
    reading = worker.log.reading[0]
    worker.step(5)
    assert worker.log.reading[0] == reading, "it reads on although more waits than a batch may hold"
    worker.until_idle()
    assert len(answered(worker)) == 40
