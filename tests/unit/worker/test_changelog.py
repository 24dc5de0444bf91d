"""The changelog tells every change with the batch that makes it, and never more than is committed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.actions.decision import OutgoingMessage
from runner.errors import ChangelogUnreadable, LogUnavailable
from runner.store.calls import HomeCall, Phase, Restoring, ShardCall, Verdict
from runner.tasks.changelog import FORMAT, changelog_key, read_entry
from runner.tasks.record import Record, Status, TaskKey
from runner.worker.assignment import Batch
from runner.worker.changelog import CLOSING_BYTES
from runner.worker.result import BatchResult
from tests.unit.worker.rig import MINUTE, TASKS, Middle, Worker, batch, event, sent, topics


def start(task_id: str = "task-1", **more: Any) -> bytes:
    return event("StartTask", task_id, f"start-{task_id}", **more)


def proceed(task_id: str = "task-1", **more: Any) -> bytes:
    return event("ProceedTask", task_id, f"proceed-{task_id}", **more)


def told(emits: list[OutgoingMessage]) -> list[OutgoingMessage]:
    return [emit for emit in emits if emit.stream == TASKS]


def told_by(done: BatchResult) -> list[Record | None]:
    """The records that a batch tells, in order."""
    return [None if emit.value is None else read_entry(emit.value).record for emit in told(done.emits)]


def test_a_start_and_an_end_are_told_as_the_records_they_leave() -> None:
    middle = Middle(with_changelog=True)
    started = told_by(middle.handle(start()))
    assert started == [middle.record()]
    ended = told_by(middle.handle(proceed()))
    assert ended == [middle.record()]
    assert [record and record.state.status for record in ended] == [Status.PROCEEDED]


def test_the_trace_of_a_start_is_told_with_its_record() -> None:
    middle = Middle(with_changelog=True)
    trace = (
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"),
        ("tracestate", b"a=1"),
    )
    for value in (start(), proceed()):
        (record,) = told_by(middle.handle(value, headers=trace))
        assert record is not None
        assert record.start.headers == tuple((name, text.decode()) for name, text in trace)


def test_a_message_of_the_changelog_says_whose_it_is_in_key_headers_and_partition() -> None:
    middle = Middle(with_changelog=True)
    middle.run(middle.message(start("other"), home=2))
    first = middle.message(start(), home=2)
    second = middle.message(proceed(), home=2)
    (opened,) = told(middle.run(first).emits)
    assert opened.key == b"orders:task-1"
    assert opened.partition == middle.store.shard("task-1")
    assert dict(opened.headers) == {
        "revision": b"1",
        "source": b"1/2@1",
        "home": b"2",
        "event": b"1/2@1",
    }
    (closed,) = told(middle.run(second).emits)
    assert dict(closed.headers) == {"revision": b"2", "source": b"1/2@1", "home": b"2", "event": b"1/2@2"}


def test_of_a_task_that_changes_twice_in_a_batch_the_last_change_is_told() -> None:
    middle = Middle(with_changelog=True)
    done = middle.run(middle.message(start()), middle.message(proceed()))
    assert told_by(done) == [middle.record()]


def test_what_changes_nothing_tells_nothing() -> None:
    middle = Middle(with_changelog=True)
    middle.handle(start())
    again = middle.handle(start())
    missing = middle.handle(proceed("other"))
    assert [sent(emit).status for emit in (*again.emits, *missing.emits)] == ["ACK", "FAIL"]


def test_a_redelivered_event_tells_the_task_as_that_event_left_it() -> None:
    middle = Middle(with_changelog=True)
    messages = [middle.message(start()), middle.message(proceed())]
    opened = told_by(middle.run(messages[0]))
    # Nothing of it is committed: what follows begins from the same offset.
    middle.process.run(Batch(tuple(messages[1:]), {0: 0}), {})
    redelivered = middle.another().run(batch(messages[:1]), {})
    assert told_by(redelivered) == opened
    assert middle.record() != opened[0]
    both = middle.another().run(batch(messages), {})
    assert told_by(both) == [middle.record()]


def test_a_task_that_the_changelog_cannot_take_is_refused_before_it_is_stored() -> None:
    middle = Middle(with_changelog=True, cluster=topics(tasks=2000))
    done = middle.handle(start(payload={"text": "x" * 1200}))
    assert sent(done.emits[0]).code == 13020
    assert told(done.emits) == []
    assert middle.record() is None
    assert told_by(middle.handle(start("small"))) == [middle.record("small")]


def test_a_task_that_was_taken_can_end() -> None:
    middle = Middle(with_changelog=True)
    batches = [middle.handle(start()), middle.handle(proceed())]
    sizes = [len(emit.value or b"") for done in batches for emit in told(done.emits)]
    assert 0 < sizes[1] - sizes[0] < CLOSING_BYTES


def test_without_its_topic_nothing_is_changed() -> None:
    middle = Middle(with_changelog=True)
    middle.handle(start())
    middle.topics.cluster = topics(tasks=None)
    assert sent(middle.handle(start("other")).emits[0]).code == 13020
    assert sent(middle.handle(proceed()).emits[0]).code == 13020
    middle.topics.cluster = topics()
    assert told_by(middle.handle(proceed("task-1", payload={"once": "more"}))) == [middle.record()]


def test_a_record_is_told_to_be_gone_before_it_goes() -> None:
    worker = Worker(Middle(with_changelog=True), homes=(0,))
    worker.log.append(start())
    worker.log.append(proceed())
    worker.until_idle()
    assert worker.middle.record() is not None
    seen: list[OutgoingMessage] = []
    worker.ticker.advance(2 * MINUTE / 1000)
    worker.faults.before("store.apply", lambda: seen.append(told(worker.log.sent)[-1]))
    worker.step(3)
    assert seen == [OutgoingMessage(TASKS, b"orders:task-1", None, (), worker.store.shard("task-1"))]
    assert worker.middle.record() is None


def test_a_record_is_not_told_to_be_gone_while_its_shard_may_have_lost_something() -> None:
    worker = Worker(Middle(with_changelog=True), homes=(0,))
    worker.log.append(start())
    worker.log.append(proceed())
    worker.until_idle()
    begin = Restoring("another worker", Phase.BEGIN)
    shard = worker.store.shard("task-1")
    assert worker.store.apply([ShardCall(shard, 1, (HomeCall(1, 0),), (), begin)]) == [Verdict.APPLIED]
    worker.ticker.advance(2 * MINUTE / 1000)
    worker.step(3)
    assert [error.label for error in worker.watcher.errors] == ["STORE_LOST"]
    assert told(worker.log.sent)[-1].value is not None
    assert worker.middle.record() is not None


def test_a_record_whose_removal_could_not_be_told_stays() -> None:
    worker = Worker(Middle(with_changelog=True), homes=(0,))
    worker.log.append(start())
    worker.log.append(proceed())
    worker.until_idle()
    worker.ticker.advance(2 * MINUTE / 1000)
    worker.faults.once("log.commit", LogUnavailable("no answer"))
    worker.step()
    assert worker.watcher.errors
    assert worker.middle.record() is not None


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
    middle = Middle(with_changelog=True)
    (emit,) = told(middle.handle(start()).emits)
    later = json.loads(emit.value or b"") | {"format": FORMAT + 1}
    with pytest.raises(ChangelogUnreadable, match=f"format {FORMAT + 1}"):
        read_entry(json.dumps(later).encode())
