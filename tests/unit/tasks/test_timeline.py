"""The history of a task as people and programs are told it."""

from __future__ import annotations

from msgspec import structs

from runner.cli.task.history_command import change_of
from runner.cli.task.show_command import record_lines
from runner.tasks.record import (
    FIRST_KEPT,
    LAST_KEPT,
    HistoryEntry,
    Life,
    Record,
    encode_part,
    history_part,
)
from runner.tasks.timeline import left_out, timeline
from tests.unit.actions.events import NOW, cancelled, closed_by, proceed, start, started, timeout
from tests.unit.actions.test_comment_task import comment
from tests.unit.actions.test_ownership import assign, claim, release


def told(record: Record) -> list[tuple[str, str | None, str]]:
    return [(entry.event, entry.actor, change_of(entry)) for entry in timeline(record)]


def test_a_task_taken_through_every_event_tells_old_and_new_owner() -> None:
    record = started(start(taskRoles="manager"))
    for event in (
        claim("ann"),
        release("ann"),
        assign(user="bob"),
        comment(1, text="where is it?"),
        comment(2, commentId=1, text="where is the invoice?"),
        comment(3, commentId=1, delete=True),
        cancelled(reason="the customer\nhas called"),
        comment(4, text="a pity"),
    ):
        record = closed_by(event, record)
    assert told(record) == [
        ("created", None, "to (manager)"),
        ("assigned", "ann", "from (manager) to ann (manager)"),
        ("released", "ann", "from ann (manager) to (manager)"),
        ("assigned", "root", "from (manager) to bob (manager)"),
        ("commented", "ann", "comment 1"),
        ("comment_edited", "ann", "comment 1"),
        ("comment_deleted", "ann", "comment 1"),
        ("cancelled", "root", r"the customer\nhas called"),
        ("commented", "ann", "comment 2"),
    ]
    assert [entry.revision for entry in timeline(record)] == list(range(1, record.revision + 1))
    lines = [str(value) for label, value in record_lines(record, NOW) if label == "history"]
    assert lines[3].endswith("assigned by root, from (manager) to bob (manager)")
    assert len(lines) == 9


def test_a_plain_task_has_its_start_and_its_end() -> None:
    opened = started(start())
    assert told(opened) == [("created", None, "to anyone")]
    assert told(closed_by(proceed(), opened)) == [("created", None, "to anyone"), ("proceeded", None, "-")]
    assert told(closed_by(timeout(), opened))[-1] == ("timed_out", None, "-")
    assert "history" not in dict(record_lines(opened, NOW)), "the lines above it say all"


def test_of_a_long_history_the_middle_is_gone_and_counted() -> None:
    kept = FIRST_KEPT + LAST_KEPT
    count = kept + 35
    numbers = [number for number in range(1, count + 1) if number <= FIRST_KEPT or number > count - LAST_KEPT]
    entries = {
        history_part(number): encode_part(
            HistoryEntry(number + 1, NOW, "commented", "1/0@9", "ann", {"id": 1})
        )
        for number in numbers
    }
    life = Life(count + 1, 1, "1/0@9", history=count)
    record = structs.replace(started(), revision=count + 1, life=life, parts=entries)
    assert [entry.revision - 1 for entry in timeline(record)] == [0, *numbers]
    assert left_out(record) == 35
    assert [str(value) for _, value in record_lines(record, NOW)][-1].startswith("35 changes")
    assert left_out(started()) == 0
