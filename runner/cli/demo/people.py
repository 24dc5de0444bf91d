"""The people of the story: each sees the task in an inbox and says yes once, by ProceedTask."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any, TypeAlias

from runner.cli.demo.story import CLERK, DECISION, DIRECTOR, DOMAIN, ESCALATE, Person
from runner.kafka.topic_message import REPLY, TopicMessage

Event: TypeAlias = dict[str, Any]


class People:
    """A clerk who tries first, and a director who may. The task's id is all they know of it."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        self._send = send
        self._task_id = ""

    def see(self, seen: TopicMessage) -> Person | None:
        """Take a response; return who acted on it, if anybody did."""
        if seen.kind != REPLY:
            return None
        if seen.status == "ACK" and seen.step_id == ESCALATE:
            self._task_id = seen.task_id
            return self._say_yes(CLERK)
        if seen.key == CLERK.request_id:
            return self._say_yes(DIRECTOR)
        return None

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
