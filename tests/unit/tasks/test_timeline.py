"""The history of a task as people and programs are told it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, structs

from runner.cli.task.changes import change_of
from runner.cli.task.show_command import record_lines
from runner.cli.times import minute
from runner.envelope.plain import encode
from runner.tasks.parts import (
    FIRST_KEPT,
    LAST_KEPT,
    HistoryEntry,
    Life,
    encode_part,
    history_part,
)
from runner.tasks.record import Record
from runner.tasks.timeline import left_out, timeline
from tests.unit.actions.events import HOUR, NOW, cancelled, closed_by, proceed, start, started, timeout
from tests.unit.actions.test_comment_task import comment
from tests.unit.actions.test_ownership import assign, claim, person, release, verb


def told(record: Record) -> list[tuple[str, str | None, str]]:
    return [(entry.event, entry.actor, change_of(entry)) for entry in timeline(record)]


def test_history_of_a_task_taken_through_every_event_renders_in_task_show_with_old_and_new_owner() -> None:
    """Acceptance case 19."""
    record = started(start(taskRoles="manager"))
    for event in (
        claim("ann"),
        release("ann"),
        assign(user="bob"),
        comment(1, text="where is it?"),
        comment(2, commentId=1, text="where is the invoice?"),
        comment(3, commentId=1, delete=True),
        verb("SaveTask", "bob", data={"name": "Ada"}),
        verb("UpdateTask", "bob", timeout=HOUR, dueOn=str(NOW), priority=80, notes="call first"),
        cancelled(reason="the customer\nhas called"),
        comment(4, text="a pity"),
    ):
        record = closed_by(event, record)
    told_of_update = f"deadline {minute(NOW + HOUR)}, due {minute(NOW)}, priority 80, notes changed"
    assert told(record) == [
        ("created", None, "to (manager)"),
        ("assigned", "ann", "from (manager) to ann (manager)"),
        ("released", "ann", "from ann (manager) to (manager)"),
        ("assigned", "root", "from (manager) to bob (manager)"),
        ("commented", "ann", "comment 1"),
        ("comment_edited", "ann", "comment 1"),
        ("comment_deleted", "ann", "comment 1"),
        ("saved", "bob", '{"name":"Ada"}'),
        ("updated", "bob", told_of_update),
        ("cancelled", "root", r"the customer\nhas called"),
        ("commented", "ann", "comment 2"),
    ]
    assert [entry.revision for entry in timeline(record)] == list(range(1, record.revision + 1))
    lines = [str(value) for label, value in record_lines(record, NOW) if label == "history"]
    for line, (event_name, actor, change) in zip(lines, told(record), strict=True):
        assert line.endswith(f": {event_name}{'' if actor is None else f' by {actor}'}, {change}")


def test_the_other_ends_of_a_task_that_was_worked_on() -> None:
    claimed = closed_by(claim("ann"), started(start(taskRoles="manager")))
    assert told(closed_by(proceed(request=person("ann")), claimed))[-1] == ("proceeded", "ann", "-")
    assert told(closed_by(timeout(request=person("eve")), claimed))[-1] == ("timed_out", "eve", "-")

    shared: dict[str, Any] = {"meta": {"domain": "shared"}}
    claimed = closed_by(claim("ann", **shared), started(start(taskRoles="manager", **shared)))
    ended = closed_by(proceed(request=person("bob"), **shared), claimed)
    assert told(ended)[-1] == ("proceeded", "bob", "on behalf of ann")
    assert ("by", "bob, on behalf of ann") in record_lines(ended, NOW)


@pytest.mark.parametrize(
    ("event", "data", "change"),
    [
        ("saved", {"bytes": 4711}, "4711 bytes"),
        ("updated", {"timeout": None, "dueOn": None}, "deadline taken away, due taken away"),
        ("updated", {"followUpOn": NOW, "priority": None}, f"follow-up {minute(NOW)}, priority as usual"),
        ("updated", {"notes": False}, "notes taken away"),
        ("proceeded", {"outcome": "accept", "for": "ann"}, "accept, on behalf of ann"),
        ("of another version", {"level": 2}, '{"level":2}'),
    ],
)
def test_what_a_change_says(event: str, data: dict[str, Any], change: str) -> None:
    assert change_of(HistoryEntry(1, NOW, event, "1/0@9", data=Raw(encode(data)))) == change


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
            HistoryEntry(number + 1, NOW, "commented", "1/0@9", "ann", Raw(b'{"id":1}'))
        )
        for number in numbers
    }
    life = Life(count + 1, 1, "1/0@9", history=count)
    record = structs.replace(started(), revision=count + 1, life=life, parts=entries)
    assert [entry.revision - 1 for entry in timeline(record)] == [0, *numbers]
    assert left_out(record) == 35
    assert [str(value) for _, value in record_lines(record, NOW)][-1].startswith("35 changes")
    assert left_out(started()) == 0
