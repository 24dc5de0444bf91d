"""Records and messages for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from runner.envelope.plain import encode
from runner.kafka.topic_message import TopicMessage
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status, TaskStart, TaskState
from runner.tasks.record import Record

EVENT = {
    "requestMeta": {"id": "r-1"},
    "sagaMeta": [{"sagaId": "s-1", "stepId": "approve"}],
    "eventMeta": {"action": "StartTask", "domain": "default"},
    "payload": {"amount": 12},
}


def record(key: TaskKey, event: Any = None, **state: Any) -> Record:
    """A record of this state; open, with home 0 and without a deadline, where nothing else is said."""
    given = {"status": Status.OPEN, "home": 0, "source": "1/0@5", "created_ms": 1000, **state}
    start = TaskStart(event=msgspec.Raw(encode(EVENT if event is None else event)))
    return Record(key, 1, TaskState(**given), start)


def seen(**fields: Any) -> TopicMessage:
    """A reply ACK for r-1, but for what is said otherwise; ``event`` is encoded into the value."""
    headers = {
        "event-kind": fields.pop("kind", "reply"),
        "event-status": fields.pop("status", "ACK"),
        "task-id": fields.pop("task_id", "t-1"),
        "task-domain": "default",
        **fields.pop("headers", {}),
    }
    event = fields.pop("event", EVENT)
    given = {
        "topic": "responses",
        "partition": 3,
        "offset": 0,
        "time_ms": 1000,
        "key": "r-1",
        "headers": headers,
        "value": msgspec.json.encode(event),
    }
    return TopicMessage(**{**given, **fields})


class Script:
    """Sightings that come one after the other; None is a wait in vain. Then nothing comes any more."""

    def __init__(self, steps: Iterable[TopicMessage | None], ticker: Any = None) -> None:
        self._steps = iter(steps)
        self._ticker = ticker
        self.waits: list[float] = []

    def next(self, timeout_seconds: float) -> TopicMessage | None:
        """Give the next; a wait in vain takes its whole time on the ticker."""
        self.waits.append(timeout_seconds)
        found = next(self._steps, None)
        if found is None and self._ticker is not None:
            self._ticker.advance(timeout_seconds)
        return found
