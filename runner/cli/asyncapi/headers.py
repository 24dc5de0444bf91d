"""The headers of all messages, by the constants that the code reads and writes them with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from runner.actions.incoming import HOPS, MAX_HOPS, ORIGIN, PERIOD, TIME, TIMER, TRACE_HEADERS
from runner.actions.render import CLOUD_EVENT
from runner.changelog.codec import EVENT, HOME, REVISION, SOURCE
from runner.cli.asyncapi.building import Node
from runner.cli.dlq.letters import REPLAY_OF, REPLAYED
from runner.kafka.topic_message import KIND, REPLY, RESUME, STATUS, TASK_DOMAIN, TASK_ID
from runner.tasks.source import WRITTEN
from runner.worker import dead_letters
from runner.worker.input_topics.normalise import INPUT

REASONS: Final = {
    "TOMBSTONE": "no value",
    "TOO_LARGE": "larger than limits.eventBytes",
    "BAD_HEADERS": "the name of a header is no UTF-8",
    "NOT_UTF8": "bytes that are no UTF-8",
    "NOT_JSON": "text that is no JSON",
    "NOT_AVRO": "not the bytes that the encoding of the topic begins with, or that its schema says",
    "UNKNOWN_SCHEMA": "Avro with a schema that is not known",
    "SCHEMA_MISMATCH": "Avro with a schema that does not lead to ours",
    "TOO_DEEP": "nested too deep",
    "NOT_AN_OBJECT": "on an input topic: no object",
    "NOT_AN_ENVELOPE": "no object, or no readable requestMeta.id",
    "UNANSWERABLE": "its FAIL fits no topic",
    "NOT_A_CLOUD_EVENT": "a notification is no CloudEvent",
    "UNKNOWN_EVENT": "a notification tells of no event of a task",
    "NOT_A_NOTIFICATION": "a notification names no task, or a part of it is no object",
    "TEMPLATE": "the text of a notification could not be made",
}
"""Why a message is a dead letter."""

CONTENT_TYPE: Final = CLOUD_EVENT[0][0]
_TRACEPARENT, _TRACESTATE = TRACE_HEADERS
_SOURCE: Final[Node] = {"pattern": f"^{WRITTEN.pattern}$"}
_NUMBER: Final[Node] = {"pattern": "^[0-9]+$"}
_PLACE: Final = "[0-9]+@[0-9]+"

_HEADERS: Final[dict[str, Node]] = {
    KIND: {"enum": [REPLY, RESUME], "description": "Who is meant: a sender, or a saga."},
    STATUS: {"description": "The same as result.status."},
    TASK_ID: {"description": "The task that is meant, where it is known."},
    TASK_DOMAIN: {"description": "Its domain."},
    _TRACEPARENT: {"description": "W3C trace context, passed on as it came."},
    _TRACESTATE: {"description": "The rest of it."},
    ORIGIN: {
        **_SOURCE,
        "description": (
            "Where a forwarded event, or a TimeoutBetween that goes on, was read first: "
            "incarnation/partition@offset."
        ),
    },
    TIME: {**_NUMBER, "description": "The timestamp that the message had there, epoch ms."},
    HOPS: {
        **_NUMBER,
        "description": f"How often the event was forwarded, {MAX_HOPS} times at most.",
    },
    TIMER: {
        "pattern": f"^{WRITTEN.pattern};-?[0-9]{{1,19}}(;[0-9]{{1,19}})?$",
        "description": (
            "Which task the runner's own event means: start;deadline;epoch, or start;number for hooks."
        ),
    },
    PERIOD: {"description": "How far a TimeoutBetween is, as JSON."},
    INPUT: {
        "pattern": f"/{_PLACE}$",
        "description": "Which message of an input topic the event was made of: topic/partition@offset.",
    },
    REPLAYED: {
        "pattern": f"/{_PLACE}$",
        "description": "Which dead letter was sent back with this message: topic/partition@offset.",
    },
    REPLAY_OF: {
        "pattern": f"^{_PLACE}$",
        "description": "The dead letter that was sent back: partition@offset.",
    },
    dead_letters.TOPIC: {"description": "The topic where the message stood."},
    dead_letters.PARTITION: {**_NUMBER, "description": "Its partition."},
    dead_letters.OFFSET: {**_NUMBER, "description": "Its offset."},
    dead_letters.REASON: {
        "enum": list(REASONS),
        "description": "; ".join(f"{reason}: {why}" for reason, why in REASONS.items()) + ".",
    },
    dead_letters.MESSAGE: {
        "maxLength": dead_letters.MAX_MESSAGE_CHARACTERS,
        "description": "More of it, for people.",
    },
    REVISION: {**_NUMBER, "description": "Counts the changes under the key of the task."},
    SOURCE: {**_SOURCE, "description": "Source of the StartTask of this round."},
    HOME: {**_NUMBER, "description": "Home partition of the task."},
    EVENT: {**_SOURCE, "description": "Source of the event that made the change."},
    CONTENT_TYPE: {"const": CLOUD_EVENT[0][1].decode(), "description": "A CloudEvent, structured."},
}

NONE: Final[Mapping[str, str]] = {}
RESERVED: Final = (ORIGIN, TIME, HOPS, PERIOD, INPUT)
"""Headers of the runner on ``requests``, which nobody else may set; beside that of its timers."""


def header_schemas() -> Node:
    """Return the schemas of all headers, as messages refer to them."""
    return {_name(header): {"type": "string", **schema} for header, schema in _HEADERS.items()}


def headers(
    required: Iterable[str] = (),
    optional: Iterable[str] = (),
    *,
    without: Iterable[str] = (),
    fixed: Mapping[str, str] = NONE,
) -> Node:
    """Return the schema of headers.

    ``without``: headers that a message of this kind does not have; ``fixed``: headers with one value.
    """
    needed = [*fixed, *required]
    properties: Node = {name: _shared(name) for name in (*needed, *optional)}
    for name, value in fixed.items():
        properties[name] = {"allOf": [_shared(name)], "const": value}
    properties |= dict.fromkeys(without, False)
    return {"type": "object", **({"required": needed} if needed else {}), "properties": properties}


def _shared(header: str) -> Node:
    return {"$ref": f"#/components/schemas/{_name(header)}"}


def _name(header: str) -> str:
    return f"header.{header}"
