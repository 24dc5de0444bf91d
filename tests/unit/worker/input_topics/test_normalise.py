"""A payload becomes an event: what is added, what is trusted, and that it is the same every time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from runner.actions.incoming import Headers
from runner.envelope.codec import JsonCodec
from runner.errors import PoisonError
from runner.kafka.message import Message
from runner.worker.input_topics.normalise import InputTopic, event_headers, normalise
from tests.unit.worker.input_topics.bench import TOPIC_ID, input_topic, message
from tests.unit.worker.rig import NOW

PAYLOAD: dict[str, Any] = {"taskId": "task-1", "decision": {"näme": [1, None, 1.5]}}


def made(given: Message, topic: InputTopic | None = None, topic_id: str = TOPIC_ID) -> dict[str, Any]:
    sections = normalise(given, topic or input_topic(), topic_id)
    assert sections is not None
    event: dict[str, Any] = json.loads(JsonCodec().encode(sections))
    return event


def test_a_payload_is_completed_from_the_configuration_and_from_its_place() -> None:
    topic = input_topic(meta={"inputElement": "decision", "parameters": {"enrichPath": "a.b"}})
    assert made(message(PAYLOAD), topic) == {
        "requestMeta": {
            "id": "answers:topic-9:2@7",
            "channel": "desk",
            "claims": {"sub": "", "roles": []},
        },
        "eventMeta": {
            "action": "ProceedTask",
            "domain": "orders",
            "handler": "user-task",
            "deployments": "eu",
            "inputElement": "decision",
            "parameters": {"enrichPath": "a.b"},
            "requestTime": NOW,
        },
        "payload": PAYLOAD,
    }


def test_the_payload_is_passed_on_byte_for_byte() -> None:
    value = b' {"taskId":1.0e2, "b" : "\\u00e4", "b":2, "half":"\\ud83d", "n":[-0, 1e400]}\n'
    for sent in (value, b"\xef\xbb\xbf" + value):
        sections = normalise(message(sent), input_topic(), TOPIC_ID)
        assert sections is not None
        assert b'"payload":%s' % value in JsonCodec().encode(sections)


@pytest.mark.parametrize("timestamp_ms", [None, 0, NOW])
def test_the_same_message_is_the_same_event_and_another_is_another(timestamp_ms: int | None) -> None:
    given = message(PAYLOAD, timestamp_ms=timestamp_ms)
    assert made(given) == made(given)
    others = [
        made(structs.replace(given, partition=3)),
        made(structs.replace(given, offset=8)),
        made(given, replace(input_topic(), topic="other")),
        made(given, topic_id="topic-10"),
    ]
    ids = {event["requestMeta"]["id"] for event in (made(given), *others)}
    assert len(ids) == 5
    assert made(given)["eventMeta"].get("requestTime") == timestamp_ms


@pytest.mark.parametrize(
    ("topic", "payload", "headers"),
    [
        (input_topic(request_id_header="request-id"), PAYLOAD, (("request-id", b"req-9"),)),
        (input_topic(request_id_path="meta.id"), {**PAYLOAD, "meta": {"id": "req-9"}}, ()),
    ],
)
def test_a_sender_that_names_its_request_may_repeat_it(
    topic: InputTopic, payload: dict[str, Any], headers: Headers
) -> None:
    once = message(payload, headers=headers)
    again = message(payload, headers=headers, partition=0, offset=99, timestamp_ms=NOW + 60_000)
    assert made(once, topic)["requestMeta"]["id"] == "req-9"
    assert made(once, topic) == made(again, topic)


@pytest.mark.parametrize("headers", [(), (("request-id", b""),), (("request-id", b"\xff"),)])
@pytest.mark.parametrize("found", [None, "", "  ", {}, ["x"], True])
def test_without_a_readable_id_of_the_sender_the_place_makes_one(headers: Headers, found: Any) -> None:
    given = message({**PAYLOAD, "id": found}, headers=headers)
    for topic in (input_topic(request_id_header="request-id"), input_topic(request_id_path="id")):
        event = made(given, topic)
        assert event["requestMeta"]["id"] == "answers:topic-9:2@7"
        assert event["eventMeta"]["requestTime"] == NOW


def test_a_number_is_an_id_too() -> None:
    assert made(message({"id": 17}), input_topic(request_id_path="id"))["requestMeta"]["id"] == "17"


BOTH: dict[str, Any] = {"user_header": "user", "roles_header": "roles"}
USER = (("user", b"bob"),)
ROLES = (("roles", b" clerk, ,manager "),)


@pytest.mark.parametrize(
    ("fields", "headers", "claims"),
    [
        ({}, (*USER, *ROLES), {"sub": "", "roles": []}),
        ({"user": "ann", "roles": ("manager",)}, (*USER, *ROLES), {"sub": "ann", "roles": ["manager"]}),
        (BOTH, (*USER, *ROLES), {"sub": "bob", "roles": ["clerk", "manager"]}),
        (BOTH, (), {"sub": "", "roles": []}),
        ({"user": "ann", "user_header": "user"}, USER, {"sub": "bob", "roles": []}),
        ({"user": "ann", "user_header": "user"}, (), {"sub": "ann", "roles": []}),
        ({"user": "ann", "user_header": "user"}, (("user", b"\xff"),), {"sub": "ann", "roles": []}),
        ({"roles": ("a",), "roles_header": "roles"}, (("roles", b","),), {"sub": "", "roles": []}),
    ],
)  # fmt: skip
def test_the_caller_is_who_the_configuration_says_and_never_the_payload(
    fields: dict[str, Any], headers: Headers, claims: dict[str, Any]
) -> None:
    payload = {
        **PAYLOAD,
        "user": {"id": "eve", "roles": ["director"]},
        "requestMeta": {"claims": {"sub": "eve"}},
    }
    assert made(message(payload, headers=headers), input_topic(**fields))["requestMeta"]["claims"] == claims


def test_only_the_trace_is_carried_over_and_no_header_can_be_forged() -> None:
    trace = (("traceparent", b"00-a"), ("tracestate", b"x=1"))
    forged = (
        ("runner-timer", b"1/0@1;1;0"),
        ("runner-hops", b"9"),
        ("runner-input", b"x"),
        ("runner-time", b"1"),
        ("event-kind", b"x"),
    )
    given = message(PAYLOAD, headers=(*forged, *trace))
    place = ("runner-input", b"answers/2@7")
    moment = ("runner-time", str(given.timestamp_ms).encode())
    assert event_headers(given, input_topic()) == (*trace, place, moment)
    untimed = structs.replace(given, timestamp_ms=None)
    assert event_headers(untimed, input_topic()) == (*trace, place)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "TOMBSTONE"),
        (b"", "NOT_JSON"),
        (b"{", "NOT_JSON"),
        (b"\xff", "NOT_UTF8"),
        (b"[1,]", "NOT_JSON"),
        (b"[1]", "NOT_AN_OBJECT"),
        (b"null", "NOT_AN_OBJECT"),
        (b'"text"', "NOT_AN_OBJECT"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "TOO_DEEP"),
    ],
)
def test_what_is_no_payload_is_poison(value: bytes | None, reason: str) -> None:
    with pytest.raises(PoisonError) as refused:
        normalise(message(value), input_topic(), TOPIC_ID)
    assert refused.value.reason == reason


def test_headers_that_cannot_be_read_are_poison_for_they_may_name_the_caller() -> None:
    with pytest.raises(PoisonError) as refused:
        normalise(structs.replace(message(PAYLOAD), unreadable="no"), input_topic(), TOPIC_ID)
    assert refused.value.reason == "BAD_HEADERS"


# A topic of commands.

COMMANDS = input_topic("TIMEOUT", meta={"domain": None})


@pytest.mark.parametrize(
    ("command", "meta"),
    [
        ({"action": "TIMEOUT"}, {}),
        ({"command": "TIMEOUT", "fromTime": 1, "toTime": 2}, {}),
        ({"action": "TIMEOUT", "from": 1, "to": 2, "domain": "brief"}, {"domain": "brief"}),
        ({"action": "TIMEOUT", "runner": "user-task", "element": ""}, {}),
        ({"action": "TIMEOUT", "runner": " ", "element": "\u00a0", "domain": " "}, {}),
        ({"action": "TIMEOUT", "element": "user-task", "deployments": "us"}, {"deployments": "us"}),
        ({"action": "TIMEOUT", "domain": None, "deployments": []}, {}),
    ],
)  # fmt: skip
def test_a_command_for_this_runner_is_an_event(command: dict[str, Any], meta: dict[str, Any]) -> None:
    event = made(message(command), COMMANDS)
    usual = {
        "action": "TIMEOUT",
        "handler": "user-task",
        "deployments": "eu",
        "requestTime": NOW,
    }
    assert event["eventMeta"] == usual | meta
    assert event["payload"] == command


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"action": "PING"},
        {"action": "timeout"},
        {"action": ["TIMEOUT"]},
        {"action": "REBUILD", "command": "TIMEOUT"},
        {"action": "TIMEOUT", "runner": "crud"},
        {"action": "TIMEOUT", "element": "other"},
        {"action": "TIMEOUT", "runner": 5},
    ],
)
def test_a_command_for_somebody_else_is_left_alone(command: dict[str, Any]) -> None:
    assert normalise(message(command), COMMANDS, TOPIC_ID) is None


def test_the_domain_of_the_configuration_holds_where_a_command_names_none() -> None:
    topic = input_topic("TIMEOUT")
    assert made(message({"action": "TIMEOUT"}), topic)["eventMeta"]["domain"] == "orders"
    assert made(message({"action": "TIMEOUT", "domain": "brief"}), topic)["eventMeta"]["domain"] == "brief"
