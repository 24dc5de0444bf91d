"""A history entry in words: what was changed, by the name of its event; and what a hook is going to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from runner.actions.hooks import TIMER
from runner.cli.screen import plain
from runner.cli.times import minute, span
from runner.envelope.plain import decode, encode
from runner.envelope.values import read_number
from runner.tasks.hooks import times_done
from runner.tasks.parts import HistoryEntry, Hook
from runner.tasks.record import Record

LONGEST_CHANGE: Final = 200
"""Characters of what was changed that are shown; --json gives all of it."""

_WHY: Final = ("outcome", "reason")
_OF_HOOK: Final = re.compile(r"hook (\d+) after (\d+) ms", re.ASCII)
_MOMENTS: Final = {"timeout": "deadline", "dueOn": "due", "followUpOn": "follow-up"}


def change_of(entry: HistoryEntry) -> str:
    """Return what an entry changed: whose the task was and is, or what is said of it; a dash for no more."""
    data = decode(entry.data) if isinstance(entry.data, msgspec.Raw) else None
    if entry.now is not None:
        level = f"level {data['level']}, " if isinstance(data, dict) and "level" in data else ""
        before = "" if entry.was is None else f"from {_owner(entry.was)} "
        return plain(f"{level}{before}to {_owner(entry.now)}", LONGEST_CHANGE)
    if not isinstance(data, dict):
        return "-"
    words = ", ".join(_words(entry, data))
    return plain(words or encode(data).decode(), LONGEST_CHANGE)


def hook_words(record: Record, hook: Hook) -> str:
    """Return what a hook of a task is going to do."""
    match hook.do:
        case "remind":
            if hook.repeat_every is None:
                return "remind"
            place = next(place for place, each in enumerate(record.start.hooks) if each is hook)
            again = f"{times_done(record, place) + 1} of {hook.times}, every {span(hook.repeat_every)}"
            return f"remind, {again}"
        case "reassign":
            return plain(f"reassign to {_owner({'user': hook.user, 'roles': hook.roles})}", LONGEST_CHANGE)
        case "timeout":
            return "time out"
        case doing:
            return doing


def reason_words(reason: str, by: str | None) -> str:
    """Return the reason of an end; where a hook ended the task, which one and after how long."""
    found = _OF_HOOK.fullmatch(reason) if by == TIMER else None
    return reason if found is None else f"hook {found[1]}, after {span(int(found[2]))}"


def _words(entry: HistoryEntry, data: Mapping[str, Any]) -> Iterator[str]:
    """Give what the data of an entry says; nothing for data of an event that is not known here."""
    match entry.event:
        case "reminded":
            yield f"reminder {data.get('count')}"
            if "missed" in data:
                yield f"{data['missed']} missed before it"
        case "commented" | "comment_edited" | "comment_deleted":
            yield f"comment {data.get('id')}"
        case "saved":
            saved = data.get("data")
            yield f"{data.get('bytes')} bytes" if saved is None else encode(saved).decode()
        case "updated":
            yield from _updates(data)
        case "proceeded" | "timed_out" | "cancelled":
            yield from (reason_words(str(data[name]), entry.actor) for name in _WHY if name in data)
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
