"""The judge of hooks: a model of time of its own, that knows what was sent and what people heard.

It reads notifications alone and nothing of how the runner keeps time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from tests.simulation.history import Kind, Sent, Violation
from tests.simulation.log_model import Found

_LEVELS: Final = ("reassign", "release")
_ENDS: Final = ("proceeded", "timed_out", "cancelled")
_decode = msgspec.json.decode


@dataclass(slots=True)
class Round:
    """What people heard of one generation of a task, in the order of its changes."""

    created_ms: int
    hooks: list[dict[str, Any]]
    told: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    """(revision, event, the notification)."""


def check_hooks(sent: Iterable[Sent], notifications: Mapping[str, list[Found]]) -> None:
    """Raise Violation unless every hook that was done was due, and came as often as it may."""
    starts = {
        f"1/{each.partition}@{each.offset}": each for each in sent if each.kind is Kind.START and each.value
    }
    for name, rounds in _rounds(starts, notifications).items():
        rounds.told.sort(key=lambda each: each[0])
        _check_levels(name, rounds)
        _check_reminders(name, rounds)
        _check_end(name, rounds)


def _rounds(starts: Mapping[str, Sent], notifications: Mapping[str, list[Found]]) -> dict[str, Round]:
    """Return the generations whose StartTask was decided where it was sent."""
    rounds: dict[str, Round] = {}
    told: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    for found in (each for some in notifications.values() for each in some):
        value = _decode(found.value or b"")
        task = value["data"]["task"]
        revision, _, source = task["version"].partition(";")
        told[source].append((int(revision), value["type"].removeprefix("saga.task."), value))
        if source in starts and source not in rounds:
            parameters = _decode(starts[source].value or b"")["eventMeta"]["parameters"]
            rounds[source] = Round(task["createdOn"], parameters.get("hooks", []))
    for source, each in rounds.items():
        each.told = told[source]
    return rounds


def _check_levels(name: str, rounds: Round) -> None:
    """Levels come one by one, each once, none early, and none sooner after the last than it may."""
    levels = [hook for hook in rounds.hooks if hook["do"] in _LEVELS]
    climbed = [_ms(value) for _, event, value in rounds.told if event == "escalated"]
    _require(len(climbed) <= len(levels), f"{name} was escalated {len(climbed)} times of {len(levels)}")
    only_arrival = all(hook["on"] == "arrival" for hook in levels)
    soonest_ms = rounds.created_ms
    for number, at_ms in enumerate(climbed):
        after = levels[number]["after"] if only_arrival else min(hook["after"] for hook in levels)
        soonest_ms = max(soonest_ms, rounds.created_ms + after)
        if only_arrival and number:
            soonest_ms = max(soonest_ms, climbed[number - 1] + after - levels[number - 1]["after"])
        _require(at_ms >= soonest_ms, f"level {number + 1} of {name} came {soonest_ms - at_ms} ms early")


def _check_reminders(name: str, rounds: Round) -> None:
    """Reminders are none too many for the owners there were, and none comes early."""
    reminds = [hook for hook in rounds.hooks if hook["do"] == "remind"]
    told = [_ms(value) for _, event, value in rounds.told if event == "reminded"]
    owners = 1 + sum(event in ("assigned", "escalated", "released") for _, event, _ in rounds.told)
    most = sum(hook.get("times", 1) * (1 if hook["on"] == "arrival" else owners) for hook in reminds)
    _require(len(told) <= most, f"{name} was reminded {len(told)} times of {most}")
    for at_ms in told:
        due_ms = rounds.created_ms + min(hook["after"] for hook in reminds)
        _require(at_ms >= due_ms, f"a reminder of {name} came {due_ms - at_ms} ms early")


def _check_end(name: str, rounds: Round) -> None:
    """Nothing is done to a task that has ended; comments may follow."""
    events = [event for _, event, _ in rounds.told]
    for place, event in enumerate(events):
        if event in _ENDS:
            rest = [each for each in events[place + 1 :] if not each.startswith("comment")]
            _require(not rest, f"{name} had {rest} after {event}")
            return


def _ms(value: dict[str, Any]) -> int:
    """Return when a change was decided, epoch ms."""
    return round(datetime.fromisoformat(value["time"]).timestamp() * 1000)


def _require(holds: bool, told: str) -> None:
    if not holds:
        raise Violation(told)
