"""What a message of Kafka says of itself."""

from __future__ import annotations

from typing import Any

import msgspec
from confluent_kafka import Message

from runner.envelope.plain import encode
from runner.kafka.topic_message import read_message
from tests.unit.cli.builders import seen


def message(**fields: Any) -> Message:
    given: dict[str, Any] = {
        "topic": "responses",
        "partition": 2,
        "offset": 7,
        "key": b"r-1",
        "value": b"{}",
        "headers": [("event-kind", b"resume"), ("event-status", b"TIMEOUT"), ("task-id", b"t-1")],
        "timestamp": (1, 1234),
    }
    return Message(**{**given, **fields})


def test_a_response_is_read() -> None:
    read = read_message(message())

    assert (read.topic, read.partition, read.offset, read.time_ms, read.key) == (
        "responses",
        2,
        7,
        1234,
        "r-1",
    )
    assert (read.kind, read.status, read.task_id, read.domain) == ("resume", "TIMEOUT", "t-1", "")


def test_whatever_is_there_can_be_read() -> None:
    read = read_message(
        message(key=None, value=None, headers=[("task-id", b"\xff"), ("x", None)], timestamp=(0, 0))
    )

    assert (read.key, read.value, read.time_ms, read.task_id) == ("", None, None, "\ufffd")
    assert read_message(message(headers=None)).kind == ""
    assert read.event() is None


def test_what_a_fail_says_is_read_from_its_result() -> None:
    error = {"code": 14, "message": "no", "http": 403}

    assert seen(event={"result": {"error": error}}).error() == error
    odds: list[Any] = [{"result": None}, {"result": {"error": "x"}}, {"result": []}, {}]
    for odd in odds:
        assert seen(event=odd).error() == {}
    assert seen(value=msgspec.json.encode([1])).section("result") == {}


def test_an_event_that_a_parser_dislikes_is_an_event() -> None:
    read = read_message(
        message(value=rb'{"payload":{"note":"\ud83d","amount":12.50},"result":{"status":"ACK"}}')
    )

    assert read.section("result") == {"status": "ACK"}
    assert encode(read.section("payload")) == rb'{"note":"\ud83d","amount":12.50}'


def test_the_step_is_that_of_the_last_saga() -> None:
    assert seen(event={"sagaMeta": [{"stepId": "a"}, {"stepId": 7}]}).step_id == "7"
    odds: list[Any] = [{}, {"sagaMeta": []}, {"sagaMeta": [1]}, {"sagaMeta": {"stepId": "a"}}]
    for odd in odds:
        assert seen(event=odd).step_id == ""
