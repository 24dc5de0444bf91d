"""Actors of the demo: a saga engine and people, who know nothing of the runner but the protocol.

The engine sends StartTask and branches on the status that comes back: ACK holds a step open, the resumed
event ends it. Each person sees the task in an inbox and says yes once, by ProceedTask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time
from typing import Any, TypeAlias

from runner.cli.demo.story import (
    APPROVE,
    CLERK,
    DECISION,
    DIRECTOR,
    DOMAIN,
    ESCALATE,
    PURCHASE,
    SAGA_ID,
    Person,
    StoryStep,
)
from runner.kafka.topic_message import REPLY, RESUME, TopicMessage

Event: TypeAlias = dict[str, Any]


class SagaEngine:
    """Runs one saga. ``result`` is its last event once it has ended, None before."""

    def __init__(self, steps: Mapping[str, StoryStep], send: Callable[[Event], None]) -> None:
        self._steps = steps
        self._send = send
        self.result: Event | None = None

    def start(self) -> None:
        event = {"requestMeta": {"id": SAGA_ID, "channel": "demo"}, "payload": {"purchase": PURCHASE}}
        self._enter(APPROVE, event)

    def see(self, response: TopicMessage) -> str | None:
        """Take a response; return the step that it led to, None if it led to none."""
        event = response.event()
        if response.kind != RESUME or event is None:
            return None
        # The condition step: the status says where the saga goes.
        following = self._steps[response.step_id].leads_to.get(response.status)
        if following is None:
            self.result = event
        else:
            self._enter(following, event)
        return following

    def _enter(self, step_id: str, event: Event) -> None:
        """Start the task of a step with what the saga knows by now."""
        now_ms = int(time() * 1000)
        self._send(
            {
                "requestMeta": event["requestMeta"],
                "sagaMeta": [{"sagaId": SAGA_ID, "stepId": step_id, "startDT": now_ms}],
                "eventMeta": {
                    "requestTime": now_ms,
                    "handler": "user-task",
                    "action": "StartTask",
                    "domain": DOMAIN,
                    "inputElement": "purchase",
                    "outputElement": "$.decision",
                    "parameters": self._steps[step_id].parameters,
                },
                "payload": event["payload"],
            }
        )


class People:
    """A clerk who tries first, and a director who may. The task's id is all they know of it."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        self._send = send
        self._task_id = ""

    def see(self, response: TopicMessage) -> Person | None:
        """Take a response; return who acted on it, if anybody did."""
        if response.kind != REPLY:
            return None
        if response.status == "ACK" and response.step_id == ESCALATE:
            self._task_id = response.task_id
            return self._say_yes(CLERK)
        return self._say_yes(DIRECTOR) if response.key == CLERK.request_id else None

    def _say_yes(self, person: Person) -> Person:
        self._send(
            {
                "requestMeta": {
                    "id": person.request_id,
                    "channel": "inbox",
                    "claims": {"sub": person.name, "roles": [person.role]},
                },
                "eventMeta": {
                    "requestTime": int(time() * 1000),
                    "handler": "user-task",
                    "action": "ProceedTask",
                    "domain": DOMAIN,
                    "inputElement": "parameters",
                    "outputElement": "$.task",
                    "parameters": {"enrichPath": "decision"},
                },
                "payload": {"parameters": {"taskId": self._task_id, "decision": DECISION}},
            }
        )
        return person
