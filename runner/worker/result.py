"""What a batch came to: what the loop delivers, commits, and tells timers, metrics and log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.actions.decision import OutgoingMessage
from runner.tasks.due import DueTask
from runner.tasks.record import TaskKey
from runner.tasks.source import Source
from runner.worker.event_log import Message

if TYPE_CHECKING:
    from runner.worker.decoder import InFlight


@dataclass(slots=True)
class BatchResult:
    """What a batch came to; everything in it has been applied to the store."""

    items: Sequence[InFlight] = ()
    """All events of the batch, also those that wait for the next, for whoever wants to look closer."""
    emits: list[OutgoingMessage] = field(default_factory=list)
    """What is still to be sent."""
    positions: dict[int, int] = field(default_factory=dict)
    """Next offset by home: what to commit together with the emits."""
    held: list[Message] = field(default_factory=list)
    """Messages for the next batch: they may only be decided once this one is committed."""
    paused: dict[int, str] = field(default_factory=dict)
    """Homes that cannot go on, with the reason; their messages are not among the positions."""
    poisoned: set[int] = field(default_factory=set)
    """Those of the paused homes that reached the limit of poison messages in a row."""
    poison_runs: dict[int, int] = field(default_factory=dict)
    """Consecutive poison messages at the end of this batch, by home."""
    deadlines: list[tuple[TaskKey, int, int]] = field(default_factory=list)
    """(task, home, deadline_ms) that the timers must know of."""
    removals: list[tuple[TaskKey, int, int]] = field(default_factory=list)
    """(task, home, remove_at_ms) that the retention must know of."""
    fired: list[DueTask] = field(default_factory=list)
    """Timers that timed their task out."""
    spent: list[DueTask] = field(default_factory=list)
    """Timers that found nothing left to do."""
    undeliverable: list[DueTask] = field(default_factory=list)
    """Timers whose task still waits: its resumed event cannot be sent."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Events by (action, status)."""
    dead: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    buried: Counter[int] = field(default_factory=Counter)
    """Dead letters by home."""
    refused: list[tuple[Source, str, str]] = field(default_factory=list)
    """(source, what, why) for the log: dead letters and dropped timers."""
    redelivered: int = 0
    conflicts: int = 0
    now_ms: int = 0
