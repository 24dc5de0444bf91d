"""Attributes of spans: OpenTelemetry's names for messaging, and a few of the runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from runner.actions.decision import Decision, Done, OutgoingMessage, Refused
from runner.actions.plan import PeriodPlan, TaskPlan
from runner.worker.in_flight import InFlight

Attributes: TypeAlias = dict[str, str | int | bool]

LONGEST: Final = 256
"""Most characters of a text in a span: thousands of spans may wait, and senders choose the texts."""


@dataclass(frozen=True, slots=True)
class TracedTopic:
    """The topic and group that the messages are read from."""

    name: str
    topic_id: str
    """The id of the topic, which an earlier topic of its name did not have."""
    group: str


def of_request(item: InFlight, topic: TracedTopic) -> Attributes:
    """Return the attributes of the span of a message that was read."""
    message = item.message
    attributes: Attributes = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic.name,
        "messaging.destination.partition.id": str(message.partition),
        "messaging.kafka.offset": message.offset,
        "messaging.consumer.group.name": topic.group,
        "runner.redelivered": item.redelivered,
    }
    if message.key is not None:
        attributes["messaging.kafka.message.key"] = _text(message.key)
    if message.value is None:
        attributes["messaging.kafka.message.tombstone"] = True
    else:
        attributes["messaging.message.body.size"] = len(message.value)
    return attributes | _of_event(item)


def of_resumed(outgoing: OutgoingMessage) -> Attributes:
    """Return the attributes of the span of a resumed event."""
    headers = {name: _text(value) for name, value in outgoing.headers}
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": outgoing.stream,
        "messaging.kafka.message.key": _text(outgoing.key or b""),
        "messaging.message.body.size": len(outgoing.value or b""),
        "runner.status": headers.get("event-status", ""),
        "runner.task.id": headers.get("task-id", ""),
        "runner.task.domain": headers.get("task-domain", ""),
    }


def of_batch(events: int, topic: TracedTopic) -> Attributes:
    """Return the attributes of the span of a batch."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic.name,
        "messaging.consumer.group.name": topic.group,
        "messaging.batch.message_count": events,
    }


def error_of(item: InFlight) -> tuple[str, str] | None:
    """Return (type, description) of the error of an event; None: it had none."""
    if item.poison is not None:
        return item.poison.reason, _short(str(item.poison))
    outcome = None if item.decision is None else item.decision.outcome
    if isinstance(outcome, Refused) and not outcome.ignored:
        return str(outcome.code), _short(outcome.message)
    return None


def resumed_by(decision: Decision | None) -> OutgoingMessage | None:
    """Return the resumed event among the messages of a decision."""
    if decision is None or not isinstance(decision.outcome, Done) or decision.outcome.resumed is None:
        return None
    return decision.messages[0]


def _of_event(item: InFlight) -> Attributes:
    plan, decision = item.plan, item.decision
    if plan is None:
        return {"runner.status": "DEAD" if item.poison is not None else "IGNORED"}
    event = plan.incoming.event
    attributes: Attributes = {
        "messaging.message.conversation_id": _short(event.request_id),
        "runner.action": _short(event.action),
        "runner.timer": plan.incoming.is_timer,
    }
    if decision is not None:
        attributes["runner.status"] = decision.status
    elif isinstance(plan, PeriodPlan):
        attributes["runner.status"] = "SUCCESS"
    if isinstance(plan, TaskPlan):
        attributes |= {"runner.task.id": _short(plan.key.id), "runner.task.domain": _short(plan.key.domain)}
    return attributes


def _text(value: bytes) -> str:
    # A character has four bytes at most; the rest need not be decoded.
    return _short(value[: 4 * LONGEST].decode("utf-8", "replace"))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
