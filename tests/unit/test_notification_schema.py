"""Notifications are CloudEvents 1.0, to the official SDK and by schemas/notification.schema.json."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final, get_args

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from jsonschema import Draft202012Validator, FormatChecker

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Incoming
from runner.actions.task_result import task_result
from runner.config.values import EventName
from runner.envelope.cloud_events import source_of, time_of
from runner.tasks.record import Record
from tests.unit.actions.events import (
    NOW,
    POLICY,
    FakeOutlet,
    answer,
    envelope,
    incoming,
    proceed,
    start,
    started,
)
from tests.unit.actions.schemas import FOLDER
from tests.unit.actions.test_hooks import REMIND, fire, hooked

EVENTS: Final = get_args(EventName)
SCHEMA: Final = json.loads((FOLDER / "notification.schema.json").read_text("utf-8"))
TELLING: Final = replace(
    POLICY,
    notifications="heard",
    domains={name: replace(each, notify=frozenset(EVENTS)) for name, each in POLICY.domains.items()},
)
HEARD: Final = FakeOutlet(heard=1_000_000)
BOSS: Final = {"claims": {"sub": "root", "roles": ["admin", "manager"]}}


def complaints(value: Any) -> list[str]:
    Draft202012Validator.check_schema(SCHEMA)
    checker = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(value)]


def told_by(
    event: Incoming, record: Record | None, now_ms: int = NOW
) -> tuple[Record, list[OutgoingMessage]]:
    decision = answer(event, record, now_ms=now_ms, policy=TELLING, topics=HEARD)
    assert decision.record is not None, decision
    return decision.record, [each for each in decision.messages if each.stream == "heard"]


def of_verbs() -> dict[str, OutgoingMessage]:
    """A notification of every change that there is as yet."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("ClaimTask", {}),
        ("SaveTask", {"data": {"a": 1}}),
        ("CommentTask", {"text": "why?"}),
        ("CommentTask", {"text": "because", "commentId": 1}),
        ("CommentTask", {"commentId": 1, "delete": True}),
        ("UpdateTask", {"priority": 80, "timeout": 60_000, "dueOn": NOW, "followUpOn": NOW}),
        ("ReleaseTask", {}),
        ("AssignTask", {"user": "bob", "override": True}),
    ]
    record, messages = told_by(start(taskRoles="manager", taskName="Größe"), None)
    for number, (action, values) in enumerate(steps):
        event = incoming(
            envelope(action, request={**BOSS, "id": f"r-{number}"}, **values), offset=60 + number
        )
        record, more = told_by(event, record)
        messages += more
    for end in (
        proceed(request={**BOSS, "claims": {"sub": "bob"}}),
        incoming(envelope("CancelTask", request=BOSS, reason="no"), offset=90),
        incoming(envelope("TimeoutTask", request=BOSS), offset=91),
    ):
        messages += told_by(end, record)[1]
    escalate = {"on": "arrival", "after": 0, "do": "reassign", "roles": ["lead"]}
    messages += fire(hooked(REMIND, escalate, taskRoles="clerk"), policy=TELLING, topics=HEARD).messages
    return {json.loads(each.value or b"")["type"].removeprefix("saga.task."): each for each in messages}


@pytest.mark.parametrize(("name", "message"), of_verbs().items(), ids=list(of_verbs()))
def test_a_notification_is_a_cloud_event_to_the_sdk_and_by_the_schema(
    name: str, message: OutgoingMessage
) -> None:
    value = json.loads(message.value or b"")
    assert complaints(value) == []
    event = from_kafka_event(KafkaMessage(dict(message.headers), message.key, message.value or b""))
    assert event.get_specversion() == "1.0"
    assert event.get_type() == f"saga.task.{name}"
    assert (event.get_source(), event.get_subject()) == ("/tasks/orders", "task-1")
    assert event.get_datacontenttype() == "application/json"
    moment = event.get_time()
    assert moment is not None
    assert round(moment.timestamp() * 1000) == NOW
    assert event.get_data() == value["data"]
    assert event.get_extension("data") is None


def test_every_change_but_a_vote_is_told_somewhere() -> None:
    assert set(of_verbs()) == set(EVENTS) - {"voted"}


def test_the_schema_names_every_event_and_every_field_of_a_task() -> None:
    types = SCHEMA["properties"]["type"]["enum"]
    assert types == [f"saga.task.{name}" for name in EVENTS]
    task = SCHEMA["$defs"]["task"]
    assert set(task["properties"]) == set(task["required"]) == {"id", "domain", *task_result(started())}


@pytest.mark.parametrize(
    "wrong",
    [
        {"specversion": "0.3"},
        {"id": "7"},
        {"source": "orders"},
        {"type": "saga.task.forgotten"},
        {"subject": ""},
        {"time": "yesterday"},
        {"data": {}},
    ],
)
def test_the_schema_refuses_what_is_none(wrong: dict[str, Any]) -> None:
    right = json.loads(of_verbs()["assigned"].value or b"")
    assert complaints(right) == []
    assert complaints({**right, **wrong})


def test_the_source_is_a_uri_whatever_a_domain_is_called() -> None:
    assert [source_of(domain) for domain in ("orders", "größe", "a/b%c?d#e")] == [
        "/tasks/orders",
        "/tasks/gr%C3%B6%C3%9Fe",
        "/tasks/a%2Fb%25c%3Fd%23e",
    ]


def test_a_moment_has_its_milliseconds_and_is_in_utc() -> None:
    assert time_of(1_795_000_000_001) == "2026-11-18T11:06:40.001Z"
    assert time_of(0) == "1970-01-01T00:00:00.000Z"
