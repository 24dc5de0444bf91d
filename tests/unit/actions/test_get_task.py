"""GetTask: all of a task in its reply, to those who may see it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from runner.actions.plan import TaskPlan
from runner.errors import FORBIDDEN, OTHER_VERSION, PARAMETER_MISSING, TASK_NOT_FOUND
from tests.unit.actions.events import (
    HOUR,
    NOW,
    again,
    answer,
    cancelled,
    closed_by,
    code,
    envelope,
    incoming,
    planned,
    reply,
    start,
    started,
    timeout,
)
from tests.unit.actions.people import (
    ADMIN,
    NOBODY,
    after,
    begun,
    claim,
    finish,
    get,
    save,
    told,
    update,
    verb,
    written,
)

MINUTE = 60_000


def comment(text: str, number: int) -> Any:
    return verb("CommentTask", "ann", number, text=text)


def test_a_plain_task_is_shown_with_what_it_has() -> None:
    sent = start(inputPattern="order", payload={"order": {"taskId": "task-1", "n": 1}}, timeout=HOUR)
    record = started(sent)
    said = reply(answer(get("eve"), record))
    assert (said.status, said.payload) == ("SUCCESS", {"taskId": "task-1"})
    assert said.result["task"] == {
        "id": "task-1",
        "domain": "orders",
        "partition": 0,
        "version": "1;1/0@10",
        "status": "UNASSIGNED",
        "owner": None,
        "user": None,
        "roles": [],
        "name": None,
        "spec": None,
        "specVersion": None,
        "action": None,
        "createdOn": NOW,
        "timeout": NOW + HOUR,
        "dueOn": None,
        "followUpOn": None,
        "priority": 50,
        "comments": 0,
        "level": 0,
        "data": {"taskId": "task-1", "n": 1},
        "draft": None,
        "notes": None,
        "commentList": [],
        "history": [
            {
                "revision": 1,
                "at": NOW,
                "event": "created",
                "source": "1/0@10",
                "to": {"user": None, "roles": []},
            }
        ],
    }


def test_draft_notes_comments_and_history_are_shown() -> None:
    record = after(
        begun(notes="call first"),
        claim("ann", 1),
        save("ann", {"a": 1}, 2),
        comment("first", 3),
        comment("second", 4),
        verb("CommentTask", "ann", 5, commentId=1, delete=True),
        verb("CommentTask", "ann", 6, commentId=2, text="third"),
        update("ann", 7, notes="call again"),
    )
    task = told(answer(get("bob", 8), record))
    assert (task["draft"], task["notes"], task["comments"]) == ({"a": 1}, "call again", 1)
    assert task["commentList"] == [
        {"id": 1, "by": "ann", "at": NOW, "text": None, "editedAt": None},
        {"id": 2, "by": "ann", "at": NOW, "text": "third", "editedAt": NOW},
    ]
    assert [(entry["event"], entry.get("actor")) for entry in task["history"]] == [
        ("created", None),
        ("assigned", "ann"),
        ("saved", "ann"),
        ("commented", "ann"),
        ("commented", "ann"),
        ("comment_deleted", "ann"),
        ("comment_edited", "ann"),
        ("updated", "ann"),
    ]
    assert task["history"][1]["from"] == {"user": None, "roles": ["manager"]}
    assert task["history"][1]["to"] == {"user": "ann", "roles": ["manager"]}


def test_the_verb_asks_for_every_part_and_writes_none() -> None:
    record = after(begun(), save("ann", {"a": 1}, 1), comment("first", 2), update("root", 3, notes="n"))
    unread = structs.replace(record, parts={})
    plan = planned(get("ann", 4))
    assert isinstance(plan, TaskPlan)
    [asked] = plan.verb.asks(plan, unread)
    assert asked.key == record.key
    assert set(asked.parts) == set(record.parts) == set(record.part_names)
    decision = answer(get("ann", 4), record)
    assert (decision.record, written(decision)) == (None, set())


def test_numbers_keep_the_digits_they_were_sent_with() -> None:
    sent = envelope("StartTask", payload={"taskId": "task-1", "amount": "AMOUNT"}, taskRoles="manager")
    value = incoming(sent).value.replace(b'"AMOUNT"', b"12.50")
    record = after(started(incoming(value, offset=10)))
    assert b'"data":{"taskId":"task-1","amount":12.50}' in (
        answer(get("ann"), record).messages[0].value or b""
    ).replace(b" ", b"")


@pytest.mark.parametrize("who", ["ann", "bob", ADMIN])
def test_who_is_eligible_or_admin_sees_a_task_whoever_has_it(who: str) -> None:
    assert told(answer(get(who, 2), after(begun(), claim("ann"))))["owner"] == "ann"


@pytest.mark.parametrize("who", ["eve", NOBODY])
def test_to_others_a_task_is_not_shown(who: Any) -> None:
    refused = answer(get(who), begun())
    assert code(refused) == FORBIDDEN
    assert "may not see this task" in reply(refused).result["error"]["message"]
    assert told(answer(get(who), begun(taskRoles=None)))["status"] == "UNASSIGNED", "open to anyone"


@pytest.mark.parametrize(
    ("end", "status", "event"),
    [
        (finish("ann", number=5), "DONE", "proceeded"),
        (timeout(), "TIMED_OUT", "timed_out"),
        (cancelled(), "CANCELLED", "cancelled"),
    ],
)
def test_a_task_that_has_ended_is_shown_with_its_end(end: Any, status: str, event: str) -> None:
    record = closed_by(end, after(begun(), save("ann", {"a": 1})))
    task = told(answer(get("ann", 6), record))
    assert (task["status"], task["draft"]) == (status, {"a": 1})
    assert task["history"][-1]["event"] == event


def test_a_task_whose_retention_is_over_is_gone() -> None:
    record = closed_by(finish("ann"), begun())
    assert code(answer(get("ann", 2), record, now_ms=NOW + 30 * 24 * HOUR)) == TASK_NOT_FOUND
    assert code(answer(get("ann", 2), None)) == TASK_NOT_FOUND


def test_a_task_is_named() -> None:
    assert code(answer(verb("GetTask", "ann", payload={}), begun())) == PARAMETER_MISSING


def test_another_version_than_the_sender_has_seen_is_refused() -> None:
    record = after(begun(), claim("ann"))
    assert code(answer(get("ann", 2, ifVersion="1;1/0@10"), record)) == OTHER_VERSION
    assert told(answer(get("ann", 2, ifVersion="2;1/0@10"), record))["version"] == "2;1/0@10"


def test_the_same_event_again_shows_the_task_as_it_is_by_then() -> None:
    one = get("ann")
    record = begun()
    assert told(answer(one, record))["history"][-1]["event"] == "created"
    later = after(record, claim("ann", 2))
    assert told(answer(again(one), later, now_ms=NOW + MINUTE))["history"][-1]["event"] == "assigned"
