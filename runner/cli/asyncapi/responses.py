"""The topics of responses: replies to senders, and resumed events for sagas."""

from __future__ import annotations

from typing import Any, Final

from runner.actions.checks import START_TASK
from runner.actions.decision import ACK, FAIL, SUCCESS, TIMEOUT
from runner.actions.incoming import TRACE_HEADERS
from runner.cli.asyncapi.building import (
    MOMENT,
    TEXT,
    Node,
    TopicDescription,
    channel,
    fields,
    message,
    nullable,
    of_file,
    operation,
    shared,
)
from runner.cli.asyncapi.envelope import SCHEMAS, event, result
from runner.cli.asyncapi.headers import headers
from runner.cli.topics_command import wanted_topics
from runner.config import Config
from runner.kafka.topic_message import KIND, REPLY, RESUME, STATUS, TASK_DOMAIN, TASK_ID
from runner.tasks.parts import Status

CHANNEL: Final = "responses"
STREAMS: Final = "responseStreams"

ACCEPTED: Final = "accepted"
DONE: Final = "done"
REFUSED: Final = "refused"
PROCEEDED: Final = "proceeded"
TIMED_OUT: Final = "timedOut"
CANCELLED: Final = "cancelled"
REPLIES: Final = (ACCEPTED, DONE, REFUSED)
RESUMED: Final = (PROCEEDED, TIMED_OUT, CANCELLED)

_TASK: Final = (TASK_ID, TASK_DOMAIN)
_OF_START: Final = of_file(f"event-meta/{START_TASK}.schema.json")
_ANY_META: Final[Node] = {"type": "object", "description": "That of the event which is answered."}
_READERS: Final = "Readers must set isolation.level to read_committed: others also see what was taken back."
_PARTITIONS: Final = (
    "That of Kafka's Java clients for the key (murmur2). With responses.partitioner: suffix, the digits at "
    "the end of the request id modulo the number of partitions."
)
_CORRELATION: Final = {"$ref": "#/components/correlationIds/request"}


def responses(config: Config) -> TopicDescription:
    """Return channels, messages and operations of the responses."""
    name = config.topics.responses
    settings = wanted_topics(config)[name]
    messages = _replies() | _resumed(config.responses.proceeded_status)
    streams = channel(
        "{stream}",
        "Replies and resumed events of events that name this topic in eventMeta.responseStream.",
        messages,
        partitions=_PARTITIONS,
        settings=settings,
        description=_READERS,
    )
    streams["parameters"] = {
        "stream": {
            "description": "One of responses.streams.",
            "location": "$message.payload#/eventMeta/responseStream",
        }
    }
    return TopicDescription(
        channels={
            CHANNEL: channel(
                name,
                "Replies and resumed events.",
                messages,
                partitions=_PARTITIONS,
                settings=settings,
                description=_READERS,
            ),
            STREAMS: streams,
        },
        messages=messages,
        operations={
            "resumeSaga": operation(
                "send",
                CHANNEL,
                "Sends the starting event of a task back, once and with the status of its end: the saga "
                "goes on.",
                RESUMED,
            ),
            "answerOnStream": operation(
                "send",
                STREAMS,
                "Sends the same replies and resumed events to the topic that the event names, or the "
                "StartTask has named.",
                (*REPLIES, *RESUMED),
            ),
        },
        schemas=SCHEMAS,
    )


def _replies() -> Node:
    return {
        ACCEPTED: _response(
            (REPLY, ACK),
            "The reply to a StartTask: the task is stored and waits.",
            _OF_START,
            {"task": shared("acceptedTask")},
            ("task",),
        ),
        DONE: _response(
            (REPLY, SUCCESS),
            "The reply to any other action: it is done, was done before, or was left out as it asked.",
            _ANY_META,
            {
                "task": shared("shownTask"),
                "comment": fields({"id": {"type": "integer", "minimum": 1}}),
                "definition": fields(
                    {"domain": TEXT, "taskSpec": TEXT, "version": {"type": "integer", "minimum": 0}}
                ),
                "requested": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Of a TimeoutBetween: tasks told to time out.",
                },
                "from": nullable("integer", "Where its period begins, epoch ms; null: at the first task."),
                "to": MOMENT,
            },
        ),
        REFUSED: _response(
            (REPLY, FAIL),
            "The reply to anything that is refused. Nothing was changed. The payload is null where it would "
            "be too large.",
            _ANY_META,
            {"error": shared("error")},
            ("error",),
            needs_payload=False,
        ),
    }


def _resumed(proceeded: str) -> Node:
    decision = {"task": shared("decision")}
    return {
        PROCEEDED: _response(
            (RESUME, proceeded),
            "A person has finished the task. The word is a setting, responses.proceededStatus.",
            _OF_START,
            decision,
        ),
        TIMED_OUT: _response(
            (RESUME, TIMEOUT), "The deadline of the task has passed. There is no error.", _OF_START, decision
        ),
        CANCELLED: _response(
            (RESUME, Status.CANCELLED.value),
            "Somebody has cancelled the task; result.error says why.",
            _OF_START,
            decision | {"error": shared("cancellation")},
            ("error",),
        ),
    }


def _response(
    kind_and_status: tuple[str, str],
    summary: str,
    event_meta: Node,
    properties: Node,
    required: tuple[str, ...] = (),
    **more: Any,
) -> Node:
    kind, status = kind_and_status
    is_resumed = kind == RESUME
    whose = "the request that started the task" if is_resumed else "the request"
    made = message(
        f"{kind} {status}",
        summary,
        key={"type": "string", "minLength": 1, "description": f"The id of {whose}."},
        headers=headers(
            _TASK if is_resumed else (),
            TRACE_HEADERS if is_resumed else (*_TASK, *TRACE_HEADERS),
            fixed={KIND: kind, STATUS: status},
        ),
        payload=event(event_meta, result=result({"const": status}, properties, required), **more),
    )
    return made | {"correlationId": _CORRELATION}
