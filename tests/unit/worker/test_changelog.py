"""The changelog tells every change with the batch that makes it, and never more than is committed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.actions.decision import OutgoingMessage
from runner.changelog.codec import FORMAT, changelog_key, read_entry
from runner.changelog.writer import CLOSING_BYTES
from runner.errors import ChangelogUnreadable, LogUnavailable
from runner.store.calls import HomeCall, Phase, Restoring, ShardCall, Verdict
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from runner.tasks.record import Record
from runner.worker.assignment import Batch
from runner.worker.result import BatchResult
from tests.unit.worker.rig import MINUTE, TASKS, Harness, Worker, batch, event, sent, topics


def start(task_id: str = "task-1", **more: Any) -> bytes:
    return event("StartTask", task_id, f"start-{task_id}", **more)


def proceed(task_id: str = "task-1", **more: Any) -> bytes:
    return event("ProceedTask", task_id, f"proceed-{task_id}", **more)


def told(messages: list[OutgoingMessage]) -> list[OutgoingMessage]:
    return [outgoing for outgoing in messages if outgoing.stream == TASKS]


def told_by(done: BatchResult) -> list[Record | None]:
    """The records that a batch tells, in order."""
    return [
        None if outgoing.value is None else read_entry(outgoing.value).record
        for outgoing in told(done.outgoing)
    ]


def test_a_start_and_an_end_are_told_as_the_records_they_leave() -> None:
    harness = Harness(with_changelog=True)
    started = told_by(harness.handle(start()))
    assert started == [harness.record()]
    ended = told_by(harness.handle(proceed()))
    assert ended == [harness.record()]
    assert [record and record.state.status for record in ended] == [Status.PROCEEDED]


def test_the_trace_of_a_start_is_told_with_its_record() -> None:
    harness = Harness(with_changelog=True)
    trace = (
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"),
        ("tracestate", b"a=1"),
    )
    for value in (start(), proceed()):
        (record,) = told_by(harness.handle(value, headers=trace))
        assert record is not None
        assert record.start.headers == tuple((name, text.decode()) for name, text in trace)


def test_a_message_of_the_changelog_says_whose_it_is_in_key_headers_and_partition() -> None:
    harness = Harness(with_changelog=True)
    harness.run(harness.message(start("other"), home=2))
    first = harness.message(start(), home=2)
    second = harness.message(proceed(), home=2)
    (opened,) = told(harness.run(first).outgoing)
    assert opened.key == b"orders:task-1"
    assert opened.partition == harness.store.shard("task-1")
    assert dict(opened.headers) == {
        "revision": b"1",
        "source": b"1/2@1",
        "home": b"2",
        "event": b"1/2@1",
    }
    (closed,) = told(harness.run(second).outgoing)
    assert dict(closed.headers) == {"revision": b"2", "source": b"1/2@1", "home": b"2", "event": b"1/2@2"}


def test_of_a_task_that_changes_twice_in_a_batch_the_last_change_is_told() -> None:
    harness = Harness(with_changelog=True)
    done = harness.run(harness.message(start()), harness.message(proceed()))
    assert told_by(done) == [harness.record()]


def test_what_changes_nothing_tells_nothing() -> None:
    harness = Harness(with_changelog=True)
    harness.handle(start())
    again = harness.handle(start())
    missing = harness.handle(proceed("other"))
    assert [sent(outgoing).status for outgoing in (*again.outgoing, *missing.outgoing)] == ["ACK", "FAIL"]


def test_a_redelivered_event_tells_the_task_as_that_event_left_it() -> None:
    harness = Harness(with_changelog=True)
    messages = [harness.message(start()), harness.message(proceed())]
    opened = told_by(harness.run(messages[0]))
    # Nothing of it is committed: what follows begins from the same offset.
    harness.process.run(Batch(tuple(messages[1:]), {0: 0}), {})
    redelivered = harness.another().run(batch(messages[:1]), {})
    assert told_by(redelivered) == opened
    assert harness.record() != opened[0]
    both = harness.another().run(batch(messages), {})
    assert told_by(both) == [harness.record()]


def test_a_task_that_the_changelog_cannot_take_is_refused_before_it_is_stored() -> None:
    harness = Harness(with_changelog=True, cluster=topics(tasks=2000))
    done = harness.handle(start(payload={"text": "x" * 1200}))
    assert sent(done.outgoing[0]).code == 13020
    assert told(done.outgoing) == []
    assert harness.record() is None
    assert told_by(harness.handle(start("small"))) == [harness.record("small")]


def test_a_task_that_was_taken_can_end() -> None:
    harness = Harness(with_changelog=True)
    batches = [harness.handle(start()), harness.handle(proceed())]
    sizes = [len(outgoing.value or b"") for done in batches for outgoing in told(done.outgoing)]
    assert 0 < sizes[1] - sizes[0] < CLOSING_BYTES


def test_without_its_topic_nothing_is_changed() -> None:
    harness = Harness(with_changelog=True)
    harness.handle(start())
    harness.topics.cluster = topics(tasks=None)
    assert sent(harness.handle(start("other")).outgoing[0]).code == 13020
    assert sent(harness.handle(proceed()).outgoing[0]).code == 13020
    harness.topics.cluster = topics()
    assert told_by(harness.handle(proceed("task-1", payload={"once": "more"}))) == [harness.record()]


def test_a_record_is_told_to_be_gone_before_it_goes() -> None:
    worker = Worker(Harness(with_changelog=True), homes=(0,))
    worker.log.append(start())
    worker.log.append(proceed())
    worker.until_idle()
    assert worker.harness.record() is not None
    seen: list[OutgoingMessage] = []
    worker.ticker.advance(2 * MINUTE / 1000)
    worker.faults.before("store.apply", lambda: seen.append(told(worker.log.sent)[-1]))
    worker.step(3)
    assert seen == [OutgoingMessage(TASKS, b"orders:task-1", None, (), worker.store.shard("task-1"))]
    assert worker.harness.record() is None


def test_a_record_is_not_told_to_be_gone_while_its_shard_may_have_lost_something() -> None:
    worker = Worker(Harness(with_changelog=True), homes=(0,))
    worker.log.append(start())
    worker.log.append(proceed())
    worker.until_idle()
    begin = Restoring("another worker", Phase.BEGIN)
    shard = worker.store.shard("task-1")
    assert worker.store.apply([ShardCall(shard, 1, (HomeCall(1, 0),), (), begin)]) == [Verdict.APPLIED]
    worker.ticker.advance(2 * MINUTE / 1000)
    worker.step(3)
    assert [error.label for error in worker.recorder.errors] == ["STORE_LOST"]
    assert told(worker.log.sent)[-1].value is not None
    assert worker.harness.record() is not None


def test_a_record_whose_removal_could_not_be_told_stays() -> None:
    worker = Worker(Harness(with_changelog=True), homes=(0,))
    worker.log.append(start())
    worker.log.append(proceed())
    worker.until_idle()
    worker.ticker.advance(2 * MINUTE / 1000)
    worker.faults.once("log.commit", LogUnavailable("no answer"))
    worker.step()
    assert worker.recorder.errors
    assert worker.harness.record() is not None


def test_a_key_tells_domain_and_id_apart() -> None:
    assert changelog_key(TaskKey("a:b", "c")) == b"a%3Ab:c"
    assert len({changelog_key(TaskKey(*pair)) for pair in (("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"))}) == 3


@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"{", "not a message"), (b'{"format": 1}', "not a message")],
)
def test_what_is_no_entry_is_refused(value: bytes, reason: str) -> None:
    with pytest.raises(ChangelogUnreadable, match=reason):
        read_entry(value)


def test_an_entry_of_a_later_format_is_refused_by_its_number() -> None:
    harness = Harness(with_changelog=True)
    (outgoing,) = told(harness.handle(start()).outgoing)
    later = json.loads(outgoing.value or b"") | {"format": FORMAT + 1}
    with pytest.raises(ChangelogUnreadable, match=f"format {FORMAT + 1}"):
        read_entry(json.dumps(later).encode())
