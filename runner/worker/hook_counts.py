"""What people were told and what hooks did, counted from the decisions of a batch for metrics and log.

Nothing is decided here: a decision holds what was to be told, what was made of it, and the entries of the
history that it wrote. Events of domains without ``notify``, and of tasks without hooks, do not come here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from runner.actions.decision import Decision, Done, OutgoingMessage
from runner.actions.render import EVENT_TYPE
from runner.envelope.plain import decode
from runner.tasks.parts import HISTORY, HistoryEntry
from runner.tasks.source import Source

_read_entry: Final = msgspec.json.Decoder(HistoryEntry).decode


@dataclass(slots=True)
class HookCounts:
    """The notifications and hooks of one batch."""

    sent: Counter[str] = field(default_factory=Counter)
    """Notifications by event."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Notifications that their topic does not take, by event."""
    first_left_out: Source | None = None
    """The event that had the first of them to tell."""
    reminders: int = 0
    escalations: Counter[int] = field(default_factory=Counter)
    """By the level that was reached."""
    ages_ms: list[int] = field(default_factory=list)
    """Of tasks that were reminded of or escalated: how long each had been open."""

    def add_told(self, source: Source, outcome: Done, made: Sequence[OutgoingMessage]) -> None:
        """Count what an event had to tell; ``made``: the notifications among its messages."""
        told = Counter(each.event for each in outcome.told)
        # Only where something is left out has anybody to look which.
        sent = told if len(made) == len(outcome.told) else Counter(map(_event, made))
        self.sent += sent
        left_out = told - sent
        self.left_out += left_out
        if left_out and self.first_left_out is None:
            self.first_left_out = source

    def add_done(self, decision: Decision, outcome: Done) -> None:
        """Count what an event of the runner did to a task, by the entries of the history that it wrote."""
        for name, part in (outcome.written or {}).items():
            if part is not None and name.startswith(HISTORY):
                self._add_entry(_read_entry(part), decision)

    def _add_entry(self, entry: HistoryEntry, decision: Decision) -> None:
        if entry.event == "reminded":
            self.reminders += 1
        elif entry.event == "escalated":
            self.escalations[_level(entry)] += 1
        if decision.record is not None:
            self.ages_ms.append(max(0, entry.at - decision.record.state.created_ms))


def _event(message: OutgoingMessage) -> str:
    event: Any = decode(message.value or b"")
    return str(event["type"]).removeprefix(EVENT_TYPE)


def _level(entry: HistoryEntry) -> int:
    data: Any = decode(entry.data) if isinstance(entry.data, msgspec.Raw) else {}
    return int(data["level"])
