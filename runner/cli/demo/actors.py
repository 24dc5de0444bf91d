"""Actors of the demo: a saga engine and people, who know nothing of the runner but the protocol.

The engine sends StartTask and branches on the status that comes back: ACK holds a step open, the resumed
event ends it. People see the task in an inbox and act by events of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any, TypeAlias

from runner.cli.demo.story import DOMAIN, Person, Saga
from runner.kafka.topic_message import RESUME, TopicMessage

Event: TypeAlias = dict[str, Any]
Send: TypeAlias = Callable[[Event], None]


class SagaEngine:
    """Runs one saga. ``result`` is its last event once it has ended, None before."""

    def __init__(self, saga: Saga, send: Send) -> None:
        self._saga = saga
        self._send = send
        self.result: Event | None = None

    def start(self) -> None:
        """Enter the first step."""
        event = {"requestMeta": {"id": self._saga.id, "channel": "demo"}, "payload": self._saga.payload}
        self._enter(self._saga.first_step, event)

    def see(self, response: TopicMessage) -> str | None:
        """Take a response; return the step that it led to, None if it led to none."""
        event = response.event()
        if response.kind != RESUME or response.key != self._saga.id or event is None:
            return None
        # The condition step: the status says where the saga goes.
        following = self._saga.steps[response.step_id].leads_to.get(response.status)
        if following is None:
            self.result = event
        else:
            self._enter(following, event)
        return following

    def _enter(self, step_id: str, event: Event) -> None:
        """Start the task of a step with what the saga knows by now."""
        step, now_ms = self._saga.steps[step_id], _now_ms()
        self._send(
            {
                "requestMeta": event["requestMeta"],
                "sagaMeta": [{"sagaId": self._saga.id, "stepId": step_id, "startDT": now_ms}],
                "eventMeta": {
                    "requestTime": now_ms,
                    "handler": "user-task",
                    "action": "StartTask",
                    "domain": DOMAIN,
                    "inputElement": next(iter(self._saga.payload)),
                    "outputElement": step.output,
                    "parameters": step.parameters,
                },
                "payload": event["payload"],
            }
        )


def proceeds(person: Person, request_id: str, task_id: str, answers: Event, **parameters: Any) -> Event:
    """Return the ProceedTask of a person; what they entered is the payload."""
    event = acts(person, request_id, "ProceedTask", task_id, enrichPath="decision", **parameters)
    event["eventMeta"] |= {"inputElement": "parameters", "outputElement": "$.task"}
    event["payload"] = {"parameters": {"taskId": task_id, "decision": answers}}
    return event


def acts(person: Person, request_id: str, action: str, task_id: str | None = None, **values: Any) -> Event:
    """Return any event of a person, as a gateway sends it; the task's id is all they know of it."""
    return {
        "requestMeta": {
            "id": request_id,
            "channel": "inbox",
            "claims": {"sub": person.name, "roles": [person.role]},
        },
        "eventMeta": {
            "requestTime": _now_ms(),
            "handler": "user-task",
            "action": action,
            "domain": DOMAIN,
            "parameters": values,
        },
        "payload": {} if task_id is None else {"taskId": task_id},
    }


def _now_ms() -> int:
    return int(time() * 1000)
