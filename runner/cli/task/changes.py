"""A history entry in words: what was changed, by the name of its event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from runner.cli.screen import plain
from runner.cli.times import minute
from runner.envelope.plain import decode, encode
from runner.envelope.values import read_number
from runner.tasks.parts import HistoryEntry

LONGEST_CHANGE: Final = 200
"""Characters of what was changed that are shown; --json gives all of it."""

_MOMENTS: Final = {"timeout": "deadline", "dueOn": "due", "followUpOn": "follow-up"}


def change_of(entry: HistoryEntry) -> str:
    """Return what an entry changed: whose the task was and is, or what is said of it; a dash for no more."""
    if entry.now is not None:
        before = "" if entry.was is None else f"from {_owner(entry.was)} "
        return plain(f"{before}to {_owner(entry.now)}", LONGEST_CHANGE)
    data = decode(entry.data) if isinstance(entry.data, msgspec.Raw) else None
    if not isinstance(data, dict):
        return "-"
    words = ", ".join(_words(entry.event, data))
    return plain(words or encode(data).decode(), LONGEST_CHANGE)


def _words(event: str, data: Mapping[str, Any]) -> Iterator[str]:
    """Give what the data of an entry says; nothing for data of an event that is not known here."""
    match event:
        case "commented" | "comment_edited" | "comment_deleted":
            yield f"comment {data.get('id')}"
        case "saved":
            saved = data.get("data")
            yield f"{data.get('bytes')} bytes" if saved is None else encode(saved).decode()
        case "updated":
            yield from _updates(data)
        case "proceeded" | "timed_out" | "cancelled":
            yield from (str(data[name]) for name in ("outcome", "reason") if name in data)
            if "for" in data:
                yield f"on behalf of {data['for']}"


def _updates(data: Mapping[str, Any]) -> Iterator[str]:
    """Give each new value of an UpdateTask; null took one away."""
    for name, label in _MOMENTS.items():
        if name in data:
            yield f"{label} {_moment(data[name])}"
    if "priority" in data:
        yield "priority as usual" if data["priority"] is None else f"priority {data['priority']}"
    if "notes" in data:
        yield "notes changed" if data["notes"] else "notes taken away"


def _moment(value: Any) -> str:
    """Return a moment as it was sent: epoch ms, or their text."""
    number = read_number(value.strip()) if isinstance(value, str) else value
    if number is None:
        return "taken away"
    return minute(int(number)) if isinstance(number, int | float) else str(value)


def _owner(ownership: Mapping[str, Any]) -> str:
    user, roles = ownership.get("user"), ownership.get("roles")
    named = filter(None, (user, f"({', '.join(roles)})" if roles else ""))
    return " ".join(named) or "anyone"
