"""A saga engine that only speaks the topics: sends StartTask, and branches on the status that comes back.

All it knows of the runner is the protocol: ACK holds a step open, the resumed event ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time
from typing import Any, TypeAlias

from runner.cli.demo.story import APPROVE, DOMAIN, PURCHASE, SAGA_ID, Step
from runner.kafka.topic_message import RESUME, TopicMessage

Event: TypeAlias = dict[str, Any]


class SagaEngine:
    """Runs one saga. ``result`` is its last event once it has ended, None before."""

    def __init__(self, steps: Mapping[str, Step], send: Callable[[Event], None]) -> None:
        self._steps = steps
        self._send = send
        self.result: Event | None = None

    def start(self) -> None:
        """Begin with the first step."""
        event = {"requestMeta": {"id": SAGA_ID, "channel": "demo"}, "payload": {"purchase": PURCHASE}}
        self._enter(APPROVE, event)

    def see(self, seen: TopicMessage) -> str | None:
        """Take a response; return the step that it led to, None if it led to none."""
        event = seen.event()
        if seen.kind != RESUME or event is None:
            return None
        # The condition step: the status says where the saga goes.
        following = self._steps[seen.step_id].leads_to.get(seen.status)
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
