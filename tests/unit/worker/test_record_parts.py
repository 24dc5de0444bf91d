"""What verbs write: told to the changelog part by part, restored, filled, and gone with its task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from runner.actions.decision import OutgoingMessage
from runner.changelog.codec import changelog_key, split_key
from runner.changelog.snapshot import ChangelogRecord, ChangelogSnapshot
from runner.errors import ChangelogUnreadable, StoreMismatch
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.worker.assignment import Batch
from tests.unit.worker.rig import HOMES, TASKS, Harness, batch, event, sent, topics
from tests.unit.worker.test_changelog import proceed, start, told
from tests.unit.worker.test_filler import ALL, Topic, fill


def comment(task_id: str = "task-1", number: int = 1, **values: Any) -> bytes:
    sent = json.loads(event("CommentTask", task_id, f"comment-{number}", text=f"comment {number}"))
    sent["requestMeta"]["claims"] = {"sub": "ann"}
    sent["eventMeta"]["parameters"] |= values
    return json.dumps(sent).encode()


def parts_told(messages: list[OutgoingMessage]) -> list[str]:
    return [split_key(outgoing.key or b"")[1] for outgoing in told(messages)]


def restored(messages: list[OutgoingMessage], key: bytes = b"orders:task-1") -> Record | None:
    """The record that a reader of the changelog makes of these messages."""
    snapshot = ChangelogSnapshot(range(HOMES))
    snapshot.take(
        [
            ChangelogRecord(
                outgoing.key or b"", outgoing.value, int(dict(outgoing.headers).get("home", b"0"))
            )
            for outgoing in messages
            if outgoing.stream == TASKS
        ]
    )
    return snapshot.record(key)


def test_a_verb_tells_the_parts_it_wrote_and_no_other() -> None:
    harness = Harness(with_changelog=True)
    messages = harness.handle(start()).outgoing
    first = harness.handle(comment(number=1)).outgoing
    assert parts_told(first) == ["life", "comment/1", "history/1"]
    second = harness.handle(comment(number=2, commentId=1)).outgoing
    assert parts_told(second) == ["life", "comment/1", "history/2"]
    assert {outgoing.partition for outgoing in told([*first, *second])} == {harness.store.shard("task-1")}
    ended = harness.handle(proceed()).outgoing
    assert parts_told(ended) == [""], "the end writes the state alone"
    assert restored([*messages, *first, *second, *ended]) == harness.record()


def test_two_hundred_comments_make_neither_a_verb_nor_the_end_dearer() -> None:
    harness = Harness(with_changelog=True)
    harness.handle(start())
    harness.handle(start("plain"))
    for number in range(1, 201):
        harness.handle(comment(number=number))
    verb = told(harness.handle(comment(number=201, commentId=7)).outgoing)
    assert parts_told(verb) == ["life", "comment/7", "history/201", "history/21"]
    assert sum(len(message.value or b"") for message in verb) < 1600
    [end] = told(harness.handle(proceed()).outgoing)
    [plain_end] = told(harness.handle(proceed("plain")).outgoing)
    assert len(end.value or b"") < len(plain_end.value or b"") + 40
    record = harness.record()
    assert record is not None
    assert len(record.part_names) == 400


def test_a_redelivered_verb_tells_what_it_wrote_and_not_what_stands() -> None:
    harness = Harness(with_changelog=True)
    opened = harness.handle(start()).outgoing
    base = harness.following(0)
    first, second = (harness.message(comment(number=n)) for n in (1, 2))
    by_first = told(harness.process.run(Batch((first,), {0: base}), {}).outgoing)
    by_second = told(harness.process.run(Batch((second,), {0: base}), {}).outgoing)
    again = harness.another().run(Batch((first,), {0: base}), {})
    assert told(again.outgoing) == by_first
    assert again.redelivered == 1
    both = told(harness.another().run(Batch((first, second), {0: base}), {}).outgoing)
    assert restored([*opened, *both]) == restored([*opened, *by_first, *by_second]) == harness.record()


def test_a_start_that_comes_again_after_verbs_tells_the_task_as_it_began() -> None:
    harness = Harness(with_changelog=True)
    message = harness.message(start())
    opened = told(harness.process.run(Batch((message,), {0: 0}), {}).outgoing)
    harness.process.run(Batch((harness.message(comment()),), {0: 0}), {})
    again = harness.another().run(batch([message]), {})
    assert told(again.outgoing) == opened


def test_a_new_round_and_a_removal_take_the_parts_away() -> None:
    harness = Harness(with_changelog=True)
    messages = list(harness.handle(start()).outgoing)
    for value in (comment(number=1), comment(number=2), proceed()):
        messages += harness.handle(value).outgoing
    changelog = harness.changelog
    assert changelog is not None
    record = harness.record()
    assert record is not None
    assert {outgoing.key for outgoing in changelog.removed(record)} == {
        outgoing.key for outgoing in told(messages)
    }
    again = harness.handle(event("StartTask", "task-1", "again")).outgoing
    gone = {
        part for part, outgoing in zip(parts_told(again), told(again), strict=True) if outgoing.value is None
    }
    assert gone == {"life", "comment/1", "comment/2", "history/1", "history/2"}
    renewed = harness.record()
    assert renewed is not None
    assert (renewed.life, renewed.parts) == (None, {})
    assert restored([*messages, *again]) == renewed


def test_parts_of_another_generation_are_not_restored() -> None:
    harness = Harness(with_changelog=True)
    messages = list(harness.handle(start()).outgoing)
    messages += harness.handle(comment()).outgoing
    messages += harness.handle(proceed()).outgoing
    # As if the tombstones of the round before were lost.
    again = [
        outgoing
        for outgoing in harness.handle(event("StartTask", "task-1", "again")).outgoing
        if outgoing.value
    ]
    assert restored([*messages, *again]) == harness.record()


@pytest.mark.parametrize(
    ("domain", "task_id"),
    [
        ("orders", "a%life:b"),
        ("a:b", "t"),
        ("a%b", "t:%25"),
        ("%life", "x"),
        ("%3Alife", ""),
        ("ä%", "%c/1:"),
    ],
)
def test_no_key_of_a_task_is_one_of_a_part(domain: str, task_id: str) -> None:
    key = TaskKey(domain, task_id)
    assert split_key(changelog_key(key)) == (changelog_key(key), "")
    assert split_key(changelog_key(key, "comment/1")) == (changelog_key(key), "comment/1")


def test_a_part_of_a_later_format_is_refused_by_its_number() -> None:
    harness = Harness(with_changelog=True)
    messages = [*harness.handle(start()).outgoing, *harness.handle(comment()).outgoing]
    later = [
        structs.replace(message, value=json.dumps(json.loads(message.value or b"") | {"format": 2}).encode())
        if split_key(message.key or b"")[1] == "comment/1"
        else message
        for message in messages
    ]
    assert restored(messages) == harness.record()
    with pytest.raises(ChangelogUnreadable, match="format 2"):
        restored(later)


def test_a_part_that_the_changelog_cannot_take_is_refused_and_nothing_is_stored() -> None:
    harness = Harness(with_changelog=True, cluster=topics(tasks=1500))
    harness.handle(start())
    before = harness.record()
    done = harness.handle(comment(text="x" * 1200))
    assert sent(done.outgoing[0]).code == 13020
    assert told(done.outgoing) == []
    assert harness.record() == before


def test_what_verbs_wrote_is_filled_part_by_part() -> None:
    harness, by_workers = Harness(with_changelog=True), Topic()
    for value in (start(), comment(number=1), comment(number=2), start("closed"), comment("closed")):
        by_workers.take(harness.handle(value).outgoing)
    by_workers.take(harness.handle(proceed("closed")).outgoing)
    by_workers.take(harness.handle(comment("closed", 9)).outgoing)
    filled = Topic()
    assert fill(harness, filled, ALL).tasks == 2
    assert filled.last == by_workers.last
    assert fill(harness, filled, ALL).written == 0
    del filled.last[b"orders%comment/1:task-1"]
    too_much = b"orders%comment/7:task-1"
    filled.last[too_much] = structs.replace(filled.last[b"orders%comment/2:task-1"], key=too_much)
    assert fill(harness, filled, ALL).written == 2, "what is missing, and a tombstone for what is too much"
    assert filled.last == by_workers.last


def test_a_task_with_a_verb_that_is_not_committed_is_not_filled() -> None:
    harness = Harness(with_changelog=True)
    harness.handle(start())
    base = harness.following(0)
    harness.process.run(Batch((harness.message(comment()),), {0: base}), {})
    with pytest.raises(StoreMismatch, match="not committed"):
        fill(harness, Topic(), ALL | {0: base})


def test_an_end_that_is_not_committed_is_filled_as_before_it_with_its_parts() -> None:
    harness, by_workers = Harness(with_changelog=True), Topic()
    for value in (start(), comment()):
        by_workers.take(harness.handle(value).outgoing)
    base = harness.following(0)
    harness.process.run(Batch((harness.message(proceed()),), {0: base}), {})
    filled = Topic()
    fill(harness, filled, ALL | {0: base})
    assert filled.last == by_workers.last
