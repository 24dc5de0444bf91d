"""Notices: what one message of the notifications topic says, read strictly and made harmless for templates.

Whatever stands in it was written by people: names with markup, line ends, or a million characters. What is
looked up (user, roles, ids) is kept as it came; what is shown is shortened and without control characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from runner.envelope.plain import decode
from runner.errors import PoisonError

EVENTS: Final = (
    *("created", "assigned", "released", "saved", "commented", "comment_edited", "comment_deleted"),
    *("reminded", "escalated", "updated", "voted", "proceeded", "timed_out", "cancelled"),
)
"""Events a notification may tell of."""

TASK_FIELDS: Final = (
    *("id", "domain", "status", "owner", "user", "roles", "name", "spec", "specVersion", "action"),
    *("createdOn", "timeout", "dueOn", "followUpOn", "priority", "comments", "level", "approvals"),
)
"""Fields of a task that every template may use; one that a notification lacks is null."""

TYPE: Final = "saga.task."
SOURCE: Final = "/tasks/"

LONGEST_TEXT: Final = 1000
MOST_ITEMS: Final = 100
_DEEPEST: Final = 6

# Control characters but for tab and line feed, halves of a pair, and what turns the direction of writing.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification: which event, of which task, for whom."""

    id: str
    """With ``source`` the same only for the same notification (CloudEvents 1.0)."""
    source: str
    event: str
    domain: str
    task_id: str
    time: str
    task: Mapping[str, Any]
    """The task for templates: every one of TASK_FIELDS is there, and all text is harmless."""
    actor: str
    user: str | None
    roles: tuple[str, ...]
    count: int | None
    """How often, for reminders."""


def read_notice(value: bytes | None, limit_bytes: int) -> Notice:
    """Return the notice of a message. PoisonError, with a stable reason, for a value that is none."""
    if value is None:
        raise PoisonError("TOMBSTONE", "the message has no value")
    if len(value) > limit_bytes:
        raise PoisonError("TOO_LARGE", f"the message has {len(value)} bytes, more than {limit_bytes}")
    event = _cloud_event(value)
    kind = event["type"]
    name = kind.removeprefix(TYPE)
    if not kind.startswith(TYPE) or name not in EVENTS:
        raise PoisonError("UNKNOWN_EVENT", f"type is {kind[:100]!r}, none of {TYPE}{{{','.join(EVENTS)}}}")
    data = _mapping(event.get("data"), "data")
    task = _mapping(data.get("task"), "data.task")
    recipients = data.get("recipients")
    recipients = {} if recipients is None else _mapping(recipients, "data.recipients")
    domain = task.get("domain")
    return Notice(
        id=event["id"],
        source=event["source"],
        event=name,
        domain=domain if isinstance(domain, str) else unquote(event["source"].removeprefix(SOURCE)),
        task_id=_task_id(event, task),
        time=harmless(str(event.get("time") or "")),
        task=dict.fromkeys(TASK_FIELDS) | shown(task),
        actor=harmless(_actor(data.get("actor"))),
        user=_text_or_none(recipients.get("user"), "data.recipients.user"),
        roles=_texts(recipients.get("roles"), "data.recipients.roles"),
        count=_whole(data.get("count")),
    )


def shown(value: Any, deeper: int = _DEEPEST) -> Any:
    """Return a value as templates may show it: bounded in size and depth, every text harmless."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict):
        items = list(value.items())[:MOST_ITEMS]
        return {harmless(str(name)): shown(item, deeper - 1) for name, item in items} if deeper else None
    if isinstance(value, list):
        return [shown(item, deeper - 1) for item in value[:MOST_ITEMS]] if deeper else None
    return value


def harmless(text: str) -> str:
    """Return a text without control characters and direction marks, shortened to LONGEST_TEXT."""
    cut = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
    return _HIDDEN.sub("", cut.replace("\r\n", "\n").replace("\r", "\n"))


def _cloud_event(value: bytes) -> dict[str, Any]:
    try:
        event = decode(value)
    except (ValueError, RecursionError) as error:
        raise PoisonError("NOT_JSON", f"the value is no JSON: {error}") from None
    if not isinstance(event, dict):
        raise PoisonError("NOT_A_CLOUD_EVENT", "the value is JSON but not an object")
    if event.get("specversion") != "1.0":
        raise PoisonError("NOT_A_CLOUD_EVENT", "specversion is not 1.0")
    for name in ("id", "source", "type"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise PoisonError("NOT_A_CLOUD_EVENT", f"{name} is missing or no text")
    return event


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PoisonError("NOT_A_NOTIFICATION", f"{what} is no object")
    return value


def _task_id(event: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    for found in (event.get("subject"), task.get("id")):
        if isinstance(found, str) and found:
            return found
    raise PoisonError("NOT_A_NOTIFICATION", "neither subject nor data.task.id names a task")


def _actor(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[name] for name in ("user", "id", "sub", "name") if value.get(name)), None)
    return value if isinstance(value, str) else ""


def _text_or_none(value: Any, what: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise PoisonError("NOT_A_NOTIFICATION", f"{what} is no text")


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise PoisonError("NOT_A_NOTIFICATION", f"{what} is no list of texts")
    return tuple(dict.fromkeys(each for each in value if each))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
