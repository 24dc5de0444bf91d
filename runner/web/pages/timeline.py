"""Timeline: the history of a task as people read it; saving again and again is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from runner.envelope import plain
from runner.web.pages.context import Shown, readable
from runner.web.pages.dates import Dates
from runner.web.pages.languages import Words, later

TIMER: Final = "timer"

_SAID: Final[Mapping[str, str]] = {
    "created": later("Created"),
    "assigned": later("Assigned"),
    "released": later("Released"),
    "saved": later("Answers saved"),
    "updated": later("Changed"),
    "commented": later("Commented"),
    "comment_edited": later("Comment edited"),
    "comment_deleted": later("Comment deleted"),
    "reminded": later("Reminder"),
    "escalated": later("Escalated"),
    "proceeded": later("Finished"),
    "cancelled": later("Cancelled"),
    "timed_out": later("Timed out"),
}
_CLAIMED: Final = later("Claimed")
_KINDS: Final = {"proceeded": "good", "cancelled": "bad", "timed_out": "bad", "escalated": "bad"}
_SILENT: Final = frozenset({"commented", "comment_edited", "comment_deleted"})
"""What the comments tell better."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One line."""

    at_ms: int
    what: str
    kind: str
    """``good``, ``bad`` or nothing."""
    actor: str | None
    by_itself: bool
    times: int
    came_from: str | None
    """Who had it before: a user or roles; empty: it was open to everybody; None: it was not there."""
    went_to: str
    moved: bool
    """Whether it changed hands."""
    reason: str
    outcome: str
    detail: Shown | None


def moments(entries: Sequence[Mapping[str, Any]], words: Words, dates: Dates) -> list[Moment]:
    """Return the lines, newest first."""
    found: list[Moment] = []
    for entry in entries:
        moment = _moment(entry, words, dates)
        last = found[-1] if found else None
        if (
            last is not None
            and entry["event"] == "saved"
            and (last.what, last.actor) == (moment.what, moment.actor)
        ):
            found[-1] = replace(moment, times=last.times + 1)
        else:
            found.append(moment)
    return found[::-1]


def _moment(entry: Mapping[str, Any], words: Words, dates: Dates) -> Moment:
    event, actor = entry["event"], entry["actor"]
    data = _data(entry["data"])
    before, after = _people(entry["from"]), _people(entry["to"])
    is_claim = event == "assigned" and entry["to"] is not None and entry["to"].get("user") == actor
    said = _CLAIMED if is_claim else _SAID.get(event, event)
    reason, outcome = str(data.pop("reason", "") or ""), str(data.pop("outcome", "") or "")
    detail = _detail(event, data, words, dates)
    return Moment(
        entry["at"],
        words(said),
        _KINDS.get(event, ""),
        None if actor == TIMER else actor,
        actor == TIMER,
        1,
        None if entry["from"] is None else before,
        after,
        entry["to"] is not None and before != after,
        reason,
        outcome,
        readable(detail) if detail else None,
    )


def _detail(event: str, data: dict[str, Any], words: Words, dates: Dates) -> dict[str, Any]:
    match event:
        case "saved":
            return {}
        case "updated":
            return _updated(data, words, dates)
        case _ if event in _SILENT:
            return {}
        case "escalated":
            return {words("Level"): data.get("level")} if "level" in data else {}
        case "reminded":
            return {}
        case _:
            return {words("For") if name == "for" else name: value for name, value in data.items()}


def _updated(data: dict[str, Any], words: Words, dates: Dates) -> dict[str, Any]:
    names = {"dueOn": later("Due"), "followUpOn": later("Follow up"), "timeout": later("Deadline")}
    found: dict[str, Any] = {}
    for name, value in data.items():
        if name == "notes":
            found[words("Notes")] = words("written") if value else words("taken away")
        elif name == "priority":
            found[words("Priority")] = value
        elif name in names:
            found[words(names[name])] = words("none") if value is None else dates.moment(value)
    return found


def _people(shown: Mapping[str, Any] | None) -> str:
    if shown is None:
        return ""
    return str(shown["user"] or ", ".join(shown["roles"]))


def _data(raw: Any) -> dict[str, Any]:
    if raw is None:
        return {}
    value = plain.decode(raw)
    return value if isinstance(value, dict) else {"": value}
