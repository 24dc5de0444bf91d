"""What a read_committed reader of the responses sees, decoded without any code of the runner."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tests.simulation.history import Violation
from tests.simulation.load import TRACE, header
from tests.simulation.log_model import Found

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of the responses topic."""

    marker: str
    """Whose trace it carries: of the answered message, or of the start of the resumed generation."""
    is_resume: bool
    status: str
    task_id: str | None
    domain: str | None
    key: str
    payload: dict[str, Any]
    result: dict[str, Any]
    found: Found

    @property
    def at_ms(self) -> int:
        """When it was decided, by the time of the store."""
        at_ms: int = self.result["receiveTime"]
        return at_ms


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers, by marker."""

    replies: dict[str, list[Answer]]
    resumes: dict[str, list[Answer]]


def read_answers(responses: list[Found]) -> Answers:
    """Return the answers of a topic."""
    replies: dict[str, list[Answer]] = defaultdict(list)
    resumes: dict[str, list[Answer]] = defaultdict(list)
    for found in responses:
        answer = _answer(found)
        (resumes if answer.is_resume else replies)[answer.marker].append(answer)
    return Answers(replies, resumes)


def read_notifications(notifications: list[Found]) -> dict[str, list[Found]]:
    """Return the notifications of a topic by the source of the event that made them; none is there twice."""
    by_source: dict[str, list[Found]] = defaultdict(list)
    for found in notifications:
        source, _, number = _decode(found.value or b"")["id"].rpartition("-")
        if int(number) != len(by_source[source]):
            raise Violation(f"notification {number} of {source} is there twice, or one before it is not")
        by_source[source].append(found)
    return by_source


def time_of(notification: Found) -> int:
    """Return when the change was decided that a notification tells of, epoch ms."""
    time = datetime.fromisoformat(_decode(notification.value or b"")["time"])
    return round(time.timestamp() * 1000)


def _answer(found: Found) -> Answer:
    whole = _decode(found.value or b"")
    headers = found.headers
    return Answer(
        marker=header(headers, TRACE) or "",
        is_resume=header(headers, "event-kind") == "resume",
        status=header(headers, "event-status") or "",
        task_id=header(headers, "task-id"),
        domain=header(headers, "task-domain"),
        key=(found.key or b"").decode(),
        payload=whole["payload"],
        result=whole["result"],
        found=found,
    )
