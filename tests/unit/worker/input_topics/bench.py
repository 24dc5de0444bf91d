"""An input topic on the bench: its process over the store and the settings of the harness."""

from __future__ import annotations

import json
from typing import Any, Final

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers
from runner.kafka.message import Message
from runner.worker.input_topics.normalise import InputTopic
from runner.worker.input_topics.processor import InputProcessor
from tests.unit.worker.rig import DEAD_LETTERS, NOW, Harness

TOPIC: Final = "answers"
TOPIC_ID: Final = "topic-9"


def input_topic(
    action: str = "ProceedTask", *, meta: dict[str, Any] | None = None, **fields: Any
) -> InputTopic:
    """An input as the configuration gives it; None takes a field of eventMeta away."""
    given = {
        "action": action,
        "domain": "orders",
        "handler": "user-task",
        "deployments": "eu",
        **(meta or {}),
    }
    named = {name: value for name, value in given.items() if value is not None}
    return InputTopic(name="desk", topic=TOPIC, meta=named, **fields)


def message(
    value: bytes | dict[str, Any] | None,
    *,
    partition: int = 2,
    offset: int = 7,
    key: bytes | None = b"key",
    headers: Headers = (),
    timestamp_ms: int | None = NOW,
) -> Message:
    """A message of the input topic."""
    encoded = json.dumps(value).encode() if isinstance(value, dict) else value
    return Message(partition, offset, key, encoded, headers, timestamp_ms=timestamp_ms)


def input_process(harness: Harness, topic: InputTopic | None = None) -> InputProcessor:
    """The process of an input whose events the harness will read."""
    return InputProcessor(
        topic or input_topic(), TOPIC_ID, harness.terms, harness.store, harness.topics, DEAD_LETTERS
    )


def value_of(outgoing: OutgoingMessage) -> Any:
    """The event or the dead letter as JSON."""
    return json.loads(outgoing.value or b"")
