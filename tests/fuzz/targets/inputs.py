"""Any bytes and headers on an input topic: an event that the worker takes, or a documented dead letter.

which input, whether the message has a time, headers, then the value
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

import msgspec

from runner.envelope.codec import JsonCodec
from runner.errors import PoisonError
from runner.kafka.message import Message
from runner.worker.decoder import decode_message
from runner.worker.input_topics.normalise import event_headers, normalise
from tests.fuzz.documented import check_poison
from tests.fuzz.draw import Draw
from tests.fuzz.events import RICH
from tests.fuzz.target import Target
from tests.unit.worker.input_topics.bench import TOPIC_ID, input_topic, message
from tests.unit.worker.rig import NOW, Harness

JSON: Final = JsonCodec()
TERMS: Final = Harness().terms
TOPICS: Final = (
    input_topic(),
    input_topic("StartTask", request_id_path="$.taskId", meta={"parameters": {"taskIdPath": "a.b[0]"}}),
    input_topic("TIMEOUT"),
    input_topic("TIMEOUT", meta={"domain": None, "deployments": None}, request_id_path="a[*]"),
    input_topic(request_id_header="id", user_header="user", roles_header="roles", user="desk", roles=("a",)),
)
NAMES: Final = ("id", "user", "roles", "traceparent", "runner-timer")


def check(data: bytes) -> None:
    """Make the event twice, and read it as a worker does."""
    draw = Draw(data)
    topic, timestamp_ms = draw.of(TOPICS), draw.of((NOW, None))
    headers = tuple((draw.of(NAMES), draw.some(20)) for _ in range(draw.number(4)))
    given = message(draw.rest(), headers=headers, timestamp_ms=timestamp_ms)
    try:
        sections = normalise(given, topic, TOPIC_ID)
    except PoisonError as error:
        check_poison(error)
        return
    if sections is None:
        return
    value = JSON.encode(sections)
    assert JSON.encode(normalise(given, topic, TOPIC_ID) or {}) == value
    assert bytes(JSON.decode(value)["payload"]).strip() == (given.value or b"").strip()
    claims = json.loads(bytes(msgspec.Raw(JSON.decode(value)["requestMeta"])))["claims"]
    assert isinstance(claims["sub"], str)
    assert all(isinstance(role, str) for role in claims["roles"])
    item = decode_message(Message(0, 0, b"key", value, event_headers(given, topic)), TERMS)
    if item.poison is not None:
        check_poison(item.poison)
        # What is an object on the input is an event on requests, unless one more level is one too many; of a
        # command, domain and deployments are the sender's.
        assert item.poison.reason == "TOO_DEEP" or topic.is_command, item.poison.reason


def seeds() -> Iterable[bytes]:
    """A payload and a command on every input, and what is neither."""
    rich = json.dumps(RICH).encode()
    command = json.dumps({"action": "TIMEOUT", "domain": "orders", "from": 1, "runner": "user-task"}).encode()
    for topic in range(len(TOPICS)):
        for value in (
            rich,
            command,
            b" {} ",
            b"[]",
            b'{"taskId":"\\ud800"}',
            b'{"action":1e999,"taskId":9.0}',
        ):
            yield bytes([topic, 0, 0]) + value
            yield bytes([topic, 1, 3, 0, 2]) + b"id\x01\x03ann\x02\x03a,b" + value
    yield b"\x00\x00\x00" + b'{"a":' * 199 + b"1" + b"}" * 199


TARGET: Final = Target(
    "inputs",
    "any bytes and headers on an input topic",
    check,
    seeds,
    "taskId action command runner element domain deployments TIMEOUT user-task \\ud800",
)
