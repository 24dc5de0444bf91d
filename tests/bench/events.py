"""The events that are measured: 600 bytes of payload and envelope, as a gateway would send them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from confluent_kafka import Producer

from tests.bench.rig import HOMES, Rig

EVENT_BYTES: Final = 600
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Sent:
    """One event to send: where to, key and value."""

    partition: int
    key: str
    value: bytes


def start_event(number: int, name: str, **parameters: Any) -> Sent:
    """Return the StartTask of a task; its home is the number modulo HOMES."""
    parameters = {"taskName": "Approve purchase", "taskRoles": "manager,director", **parameters}
    return _event(f"{name}-{number}", "StartTask", number % HOMES, parameters, {"amount": number})


def proceed_event(number: int, name: str, *, home: bool = True) -> Sent:
    """Return the ProceedTask of the same task, sent to its home or to the partition after it."""
    partition = number % HOMES if home else (number + 1) % HOMES
    task_id = f"{name}-{number}:step-1{number % HOMES}"
    payload = {"taskId": task_id, "decision": {"approved": True, "by": "m.jones"}}
    return _event(
        f"{name}-p-{number}", "ProceedTask", partition, {"enrichPath": "decision"}, payload, "$.reply"
    )


def verb_event(number: int, name: str, action: str, parameters: dict[str, Any], count: int) -> Sent:
    """Return a verb of a person about the same task, sent to its home; ``count`` makes it another event."""
    payload = {"taskId": f"{name}-{number}:step-1{number % HOMES}"}
    return _event(f"{name}-v-{count}", action, number % HOMES, parameters, payload)


def send_all(rig: Rig, events: Iterator[Sent]) -> None:
    """Send events as fast as the broker takes them, and return when all are acknowledged."""
    # Idempotent: a batch that is sent again must not come behind the next, a start behind its end.
    broker = {"bootstrap.servers": rig.kafka.bootstrap, "enable.idempotence": True}
    producer, write = Producer({**broker, "linger.ms": 20}), rig.writer()
    for event in events:
        while True:
            try:
                producer.produce(rig.requests, write(event.value), event.key, event.partition)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all events")


def _event(
    request_id: str,
    action: str,
    partition: int,
    parameters: dict[str, Any],
    payload: dict[str, Any],
    output: str | None = None,
) -> Sent:
    meta: dict[str, Any] = {"handler": "user-task", "action": action, "domain": "default"}
    meta |= {"requestTime": int(time.time() * 1000), "parameters": parameters}
    if output is not None:
        meta["outputElement"] = output
    envelope: dict[str, Any] = {
        "requestMeta": {
            "id": request_id,
            "channel": "web",
            "claims": {"sub": "m.jones", "roles": ["clerk", "manager"]},
        },
        "sagaMeta": [{"sagaId": "purchase", "stepId": "step-1"}],
        "eventMeta": meta,
        "payload": {**payload, "note": ""},
    }
    missing = EVENT_BYTES - len(_encode(envelope))
    envelope["payload"]["note"] = "x" * max(0, missing)
    return Sent(partition, request_id, _encode(envelope))
