"""Happenings: what becomes of tasks, in words: who has to hear of them, and what their sagas hear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from runner.cli.screen import plain
from runner.kafka.topic_message import RESUME, TopicMessage

LONGEST_LINE: Final = 400
"""Characters that are shown."""


def happening_line(message: TopicMessage, notifications: str) -> str | None:
    """Return a message of responses or ``notifications`` in words; None for a reply, which has its reader."""
    if message.topic == notifications:
        return plain(_notification(message), LONGEST_LINE)
    return plain(_resumed(message), LONGEST_LINE) if message.kind == RESUME else None


def _notification(message: TopicMessage) -> str:
    """Say what happened to which task, by whom, and who has to hear it."""
    notification = json.loads(message.value or b"{}")
    data = notification.get("data", {})
    people = data.get("recipients", {})
    named = ", ".join(filter(None, (people.get("user"), *people.get("roles", ())))) or "anyone"
    count = f" ({data['count']})" if "count" in data else ""
    event = str(notification.get("type", "")).removeprefix("saga.task.")
    return f"notification: {message.key} {event}{count}{_by(data.get('actor'))}, for {named}"


def _resumed(message: TopicMessage) -> str:
    """Say how a task has ended for its saga."""
    task = message.section("result").get("task")
    told: Mapping[str, Any] = task if isinstance(task, dict) else {}
    outcome = f" ({told['outcome']})" if told.get("outcome") else ""
    return f"resumed: {message.task_id} {message.status}{outcome}{_by(told.get('by'))}"


def _by(user: Any) -> str:
    return f" by {user}" if user else ""
