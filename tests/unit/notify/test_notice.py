"""A notification is read strictly, and nothing in it can do harm."""

import json
from typing import Any, get_args

import pytest

from runner.config.sections.notify import RECIPIENTS as RECIPIENTS_OF_CONFIG
from runner.config.values import EventName
from runner.errors import PoisonError
from runner.notify.notice import EVENTS, LONGEST_TEXT, MOST_ITEMS, TASK_FIELDS, read_notice
from runner.notify.routes import RECIPIENTS
from tests.unit.notify.builders import LIMIT, cloud_event, notice


def test_all_of_a_notification_is_there() -> None:
    read = notice("reminded", count=3)
    assert (read.event, read.domain, read.task_id, read.actor) == ("reminded", "orders", "t-1", "ann")
    assert (read.user, read.roles, read.count) == ("bob", ("manager",), 3)
    assert set(TASK_FIELDS) <= set(read.task)


def test_the_configuration_knows_the_same_events_and_words() -> None:
    assert get_args(EventName) == EVENTS
    assert RECIPIENTS == RECIPIENTS_OF_CONFIG


def test_the_domain_may_come_from_the_source() -> None:
    event = cloud_event() | {"source": "/tasks/a%20b"}
    del event["data"]["task"]["domain"]
    assert read_notice(json.dumps(event).encode(), LIMIT).domain == "a b"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "NOT_A_CLOUD_EVENT"),
        ({"id": ""}, "NOT_A_CLOUD_EVENT"),
        ({"type": 7}, "NOT_A_CLOUD_EVENT"),
        ({"source": None}, "NOT_A_CLOUD_EVENT"),
        ({"type": "saga.task.exploded"}, "UNKNOWN_EVENT"),
        ({"type": "created"}, "UNKNOWN_EVENT"),
        ({"data": None}, "NOT_A_NOTIFICATION"),
        ({"data": {"task": []}}, "NOT_A_NOTIFICATION"),
        ({"data": {"task": {}, "recipients": []}}, "NOT_A_NOTIFICATION"),
        ({"data": {"task": {}, "recipients": {"user": 7}}}, "NOT_A_NOTIFICATION"),
        ({"data": {"task": {}, "recipients": {"roles": "manager"}}}, "NOT_A_NOTIFICATION"),
        ({"data": {"task": {}, "recipients": {"roles": [1]}}}, "NOT_A_NOTIFICATION"),
        ({"subject": None, "data": {"task": {}}}, "NOT_A_NOTIFICATION"),
    ],
)
def test_what_is_no_notification_is_poison_with_a_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(PoisonError) as refused:
        read_notice(json.dumps(cloud_event() | change).encode(), LIMIT)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "TOMBSTONE"),
        (b"", "NOT_JSON"),
        (b"\xff", "NOT_JSON"),
        (b"[" * 100_000, "NOT_JSON"),
        (b"[]", "NOT_A_CLOUD_EVENT"),
        (b"x" * (LIMIT + 1), "TOO_LARGE"),
    ],
)
def test_bytes_that_are_none_are_poison_with_a_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(PoisonError) as refused:
        read_notice(value, LIMIT)
    assert refused.value.reason == reason


def test_what_is_shown_is_short_and_has_no_control_characters() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = {"a": deep}
    task = {
        "name": "a\r\nb\x00\x1b[31m\u202egnp",
        "spec": "x" * 900_000,
        "roles": ["r"] * 5000,
        "more": deep,
    }
    shown = notice(task=task).task
    assert shown["name"] == "a\nb[31mgnp"
    assert len(shown["spec"]) == LONGEST_TEXT
    assert len(shown["roles"]) == MOST_ITEMS
    assert len(json.dumps(shown["more"])) < 100


def test_recipients_are_looked_up_as_they_are_written() -> None:
    read = notice(recipients={"user": "bob\r\n", "roles": ["a", "", "a", "b"]})
    assert read.user == "bob\r\n"
    assert read.roles == ("a", "b")
