"""Timer events: what the runner sends to the home of a task at its deadline, or when hooks are due.

A timer changes no record; it sends this event, and the log decides (design, rule 1). The token in the
header names one generation and how it stands, so that a late, duplicate or stale timer event has no effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import HOOK_TASK, TIMEOUT_TASK, TIMER, Incoming
from runner.actions.policy import Policy, TopicCatalog
from runner.envelope.event import Event, as_text
from runner.errors import DOMAIN_UNKNOWN, TASK_NOT_FOUND, EventError
from runner.tasks.due import DueTask
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source, parse_source

_HOOK_TOKEN: Final = re.compile(r"(?P<source>[^;]+);(?P<number>[0-9]{1,19})")
_TOKEN: Final = re.compile(r"(?P<source>[^;]+);(?P<deadline>-?[0-9]{1,19});(?P<epoch>[0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class TimerToken:
    """Timer token: the generation of a task, and the deadline, for which a timer event was sent."""

    started_by: Source
    deadline_ms: int
    epoch: int = 0

    def __str__(self) -> str:
        """``source;deadline;epoch``, as written in the header ``runner-timer``."""
        return f"{self.started_by};{self.deadline_ms};{self.epoch}"

    def matches(self, record: Record | None) -> bool:
        """Whether the record is the open generation of this token, with the same deadline."""
        return (
            record is not None
            and record.is_open
            and record.state.source == str(self.started_by)
            and record.deadline_ms == self.deadline_ms
            and record.state.epoch == self.epoch
        )


@dataclass(frozen=True, slots=True)
class HookToken:
    """Token of the event for hooks that are due: a generation, and the number that its task had."""

    started_by: Source
    number: int

    def __str__(self) -> str:
        """``source;number``, as written in the header ``runner-timer``."""
        return f"{self.started_by};{self.number}"

    def matches(self, record: Record | None) -> bool:
        """Whether the record is the open generation of this token, with the same number."""
        return (
            record is not None
            and record.is_open
            and record.state.source == str(self.started_by)
            and (0 if record.life is None else record.life.number) == self.number
        )


def token_of(task: DueTask) -> TimerToken:
    """Return the token of an entry of the deadline index."""
    return TimerToken(task.started_by, task.deadline_ms, task.epoch)


def parse_token(text: str) -> TimerToken | None:
    """Return the token in a header; None for a text that is no token."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    try:
        return TimerToken(parse_source(match["source"]), int(match["deadline"]), int(match["epoch"]))
    except EventError:
        return None


def token_in(incoming: Incoming) -> TimerToken | HookToken | None:
    """Return the token of a timer event; None where its header is no token."""
    text = incoming.header(TIMER) or ""
    if incoming.event.sent_meta.get("action") != HOOK_TASK:
        return parse_token(text)
    match = _HOOK_TOKEN.fullmatch(text)
    if match is None:
        return None
    try:
        return HookToken(parse_source(match["source"]), int(match["number"]))
    except EventError:
        return None


def timer_message(
    key: TaskKey, home: int, token: TimerToken | HookToken, policy: Policy, topics: TopicCatalog
) -> OutgoingMessage:
    """Return the event for the home partition of a task: TimeoutTask, or HookTask for hooks that are due."""
    name = f"timer:{key.domain}:{key.id}"
    action = TIMEOUT_TASK if isinstance(token, TimerToken) else HOOK_TASK
    envelope = {
        "requestMeta": {"id": name},
        "eventMeta": {"handler": policy.handler, "action": action, "domain": key.domain},
        "payload": {"taskId": key.id},
    }
    value = topics.encode(policy.requests, envelope)
    headers = ((TIMER, str(token).encode()),)
    return OutgoingMessage(policy.requests, name.encode(), value, headers, home)


def timer_key(event: Event, policy: Policy) -> TaskKey:
    """Return the key of the task in a timer event.

    Metadata rules do not apply: a rule on ``domain`` or ``taskIdPath`` must not lead a timer to another
    task. EventError 10027 or 10118 where the event names no task.
    """
    domain = as_text(event.sent_meta.get("domain"), "eventMeta.domain")
    if domain is None or domain not in policy.domains:
        raise EventError(DOMAIN_UNKNOWN, f"domain {str(domain)[:100]!r} is unknown; configure it again")
    task_id = as_text((event.payload or {}).get("taskId"), "payload.taskId")
    if task_id is None:
        raise EventError(TASK_NOT_FOUND, "the timer names no task")
    return TaskKey(domain, task_id)
