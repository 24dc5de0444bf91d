"""The runner's own TimeoutTask: the event a timer sends to the home partition of a task.

The timer changes nothing itself; it sends this event, and the log decides (design, rule 1). The
mark in its header names the generation it was meant for, so that a late, doubled or outdated one
finds no match and does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from runner.actions.decision import Emit
from runner.actions.incoming import TIMER
from runner.actions.policy import Policy
from runner.errors import EventError
from runner.tasks.record import Record, TaskKey
from runner.tasks.source import Source, parse_source


@dataclass(frozen=True, slots=True)
class TimerMark:
    """Which generation of a task a timer speaks of."""

    started_by: Source
    deadline_ms: int
    epoch: int = 0

    def __str__(self) -> str:
        """``source;deadline;epoch``, as it travels in the header ``runner-timer``."""
        return f"{self.started_by};{self.deadline_ms};{self.epoch}"

    def matches(self, record: Record | None) -> bool:
        """Whether the record is still the open generation with the deadline that was meant."""
        return (
            record is not None
            and record.is_open
            and record.state.source == str(self.started_by)
            and record.state.deadline_ms == self.deadline_ms
            and record.state.epoch == self.epoch
        )


def parse_mark(text: str) -> TimerMark | None:
    """Return the mark of a header; None for text that no runner wrote."""
    source, _, rest = text.partition(";")
    deadline, _, epoch = rest.partition(";")
    try:
        return TimerMark(parse_source(source), int(deadline), int(epoch))
    except (ValueError, EventError):
        return None


def timer_emit(key: TaskKey, home: int, mark: TimerMark, policy: Policy) -> Emit:
    """Return the TimeoutTask event for the home partition of a task."""
    name = f"timer:{key.domain}:{key.id}"
    envelope = {
        "requestMeta": {"id": name},
        "eventMeta": {"handler": policy.handler, "action": "TimeoutTask", "domain": key.domain},
        "payload": {"taskId": key.id},
    }
    headers = ((TIMER, str(mark).encode()),)
    return Emit(policy.requests, name.encode(), msgspec.json.encode(envelope), headers, home)
