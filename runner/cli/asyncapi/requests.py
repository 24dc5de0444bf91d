"""The topic of requests: an event for each action, and the runner's own events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from runner.actions.checks import START_TASK
from runner.actions.incoming import (
    HOOK_TASK,
    HOPS,
    ORIGIN,
    PERIOD,
    TIMEOUT_TASK,
    TIMER,
    TRACE_HEADERS,
)
from runner.actions.registry import TIMEOUT_BETWEEN, VERBS
from runner.actions.timeout_between import TIMEOUT_COMMAND
from runner.cli.asyncapi.building import (
    TEXT,
    Node,
    TopicDescription,
    channel,
    fields,
    message,
    of_channel,
    of_file,
    operation,
    uncapitalised,
)
from runner.cli.asyncapi.envelope import event
from runner.cli.asyncapi.headers import RESERVED, headers
from runner.cli.asyncapi.responses import ACCEPTED, DONE, REFUSED
from runner.cli.asyncapi.responses import CHANNEL as RESPONSES
from runner.cli.dlq.letters import REPLAYED
from runner.cli.topics_command import wanted_topics
from runner.config import Config

CHANNEL: Final = "requests"
DEADLINE: Final = "deadlineDue"
HOOKS: Final = "hooksDue"
PERIODS: Final = (TIMEOUT_BETWEEN, TIMEOUT_COMMAND)
OF_INPUTS: Final = ("ProceedTask", TIMEOUT_TASK, *PERIODS)

_READ_OF_PERIODS: Final = (
    *("requestTime", "handler", "deployments", "version", "domain", "inputElement"),
    *("responseStream", "parameters"),
)
_KEY: Final[Node] = {"type": "string", "description": "Any; use the request id, so that repeats meet."}
_CORRELATION: Final = {"$ref": "#/components/correlationIds/request"}


def requests(config: Config) -> TopicDescription:
    """Return channel, messages and operations of requests."""
    of_senders = {uncapitalised(action): _of_sender(action) for action in (*VERBS, TIMEOUT_BETWEEN)}
    of_senders[_id(TIMEOUT_COMMAND)] = _of_sender(TIMEOUT_COMMAND)
    own = {DEADLINE: _of_timer(TIMEOUT_TASK, config), HOOKS: _of_timer(HOOK_TASK, config)}
    name = config.topics.requests
    return TopicDescription(
        channels={
            CHANNEL: channel(
                name,
                "The events to handle.",
                [*of_senders, *own],
                partitions=(
                    "The home of a task is the partition on which its StartTask was read. Whatever is "
                    "decided about the task is decided there, in the order of the partition. There may be "
                    "more partitions later, never fewer."
                ),
                settings=wanted_topics(config)[name],
                description=(
                    "eventMeta is that of an event after the configured defaults and overrides (meta). An "
                    "event that is refused is answered with FAIL; one that cannot be read is a dead letter. "
                    "The runner sends events here, too: what it has read elsewhere goes to the home of its "
                    "task unchanged, with more headers."
                ),
            )
        },
        messages=of_senders | own,
        operations=_operations(config, list(of_senders)),
    )


def _id(action: str) -> str:
    return "timeoutCommand" if action == TIMEOUT_COMMAND else uncapitalised(action)


def _of_sender(action: str) -> Node:
    headers_of_sender = headers(
        optional=(*TRACE_HEADERS, *RESERVED, REPLAYED), without=(TIMER,) if action == TIMEOUT_TASK else ()
    )
    sent = message(
        action,
        f"An event with the action {action}.",
        key=_KEY,
        headers=headers_of_sender,
        payload=event(_event_meta(action), needs_payload=action not in PERIODS),
    )
    return sent | {"correlationId": _CORRELATION}


def _event_meta(action: str) -> Node:
    if action != TIMEOUT_COMMAND:
        return of_file(f"event-meta/{action}.schema.json")
    # The same as a TimeoutBetween, under another name.
    other = f"event-meta/{TIMEOUT_BETWEEN}.schema.json#/properties"
    return fields(
        {
            "action": {"const": TIMEOUT_COMMAND},
            **{name: of_file(f"{other}/{name}") for name in _READ_OF_PERIODS},
        },
        required=["action"],
    )


def _of_timer(action: str, config: Config) -> Node:
    what = "the deadline of a task" if action == TIMEOUT_TASK else "hooks of a task"
    meta = fields({"handler": {"const": config.handler}, "action": {"const": action}, "domain": TEXT})
    whole = event(meta)
    whole["properties"]["payload"] = fields({"taskId": TEXT})
    return message(
        f"{action} of the runner",
        f"The runner's own event, once {what} is due; nobody else may send it, and it gets no reply.",
        key={"type": "string", "pattern": "^timer:", "description": "timer:domain:id"},
        headers=headers((TIMER,), RESERVED),
        payload=whole,
    )


def _operations(config: Config, of_senders: list[str]) -> Node:
    group: Node = {"type": "string", "default": config.kafka.group, "description": "kafka.group"}
    made: Node = {}
    for action in (*VERBS, *PERIODS):
        answers = (ACCEPTED, DONE, REFUSED) if action == START_TASK else (DONE, REFUSED)
        each = operation("receive", CHANNEL, f"Answers the action {action}.", [_id(action)], group=group)
        each["reply"] = {
            "channel": {"$ref": f"#/channels/{RESPONSES}"},
            "messages": of_channel(RESPONSES, answers),
        }
        made[f"answer{_capital(_id(action))}"] = each
    return made | {
        "doWhatIsDue": operation(
            "receive",
            CHANNEL,
            "Times a task out, or does its hooks. The header says which task is meant as it stood then: what "
            "has changed since makes the event do nothing.",
            [DEADLINE, HOOKS],
            group=group,
        ),
        "tellHomesWhatIsDue": _sent("Sends what is due to the homes of the tasks.", [DEADLINE, HOOKS]),
        "forward": _sent(
            f"Sends an event to the home of its task, with the headers {ORIGIN} and {HOPS}.", of_senders
        ),
        "continuePeriod": _sent(
            f"Sends the rest of a large period to the same partition, with the header {PERIOD}.",
            [_id(action) for action in PERIODS],
        ),
        "makeEvents": _sent(
            "Sends the events that were made of the messages of input topics.",
            [_id(action) for action in OF_INPUTS],
        ),
    }


def _sent(summary: str, messages: Iterable[str]) -> Any:
    return operation("send", CHANNEL, summary, messages)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
