"""The result of a batch: what the loop delivers and commits, and what timers, metrics and log need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.actions.decision import OutgoingMessage
from runner.kafka.event_log import Message
from runner.tasks.due import DueTask
from runner.tasks.record import TaskKey
from runner.tasks.source import Source
from runner.worker.in_flight import InFlight


@dataclass(slots=True)
class BatchResult:
    """The result of a batch; everything in it has been applied to the store."""

    items: Sequence[InFlight] = ()
    """All events of the batch, deferred ones as well; used by traces."""
    outgoing: list[OutgoingMessage] = field(default_factory=list)
    """Messages still to be sent."""
    positions: dict[int, int] = field(default_factory=dict)
    """Next offset by home: committed together with the messages."""
    deferred: list[Message] = field(default_factory=list)
    """Messages for the next batch: they may only be decided once this batch is committed."""
    paused: dict[int, str] = field(default_factory=dict)
    """Homes to pause, with the reason; their remaining messages are not among the positions."""
    poisoned: set[int] = field(default_factory=set)
    """Paused homes that reached the limit of poison messages in a row."""
    poison_runs: dict[int, int] = field(default_factory=dict)
    """Consecutive poison messages at the end of this batch, by home."""
    deadlines: list[tuple[TaskKey, int, int]] = field(default_factory=list)
    """(task, home, deadline_ms), for the timers."""
    removals: list[tuple[TaskKey, int, int]] = field(default_factory=list)
    """(task, home, remove_at_ms), for the retention."""
    timed_out: list[DueTask] = field(default_factory=list)
    """Timers that timed their task out."""
    stale: list[DueTask] = field(default_factory=list)
    """Timers whose task had changed or ended: they did nothing."""
    undeliverable: list[DueTask] = field(default_factory=list)
    """Timers whose task stays open: its resumed event cannot be sent."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Events by (action, status)."""
    dead_letter_reasons: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    dead_lettered: Counter[int] = field(default_factory=Counter)
    """Dead letters by home."""
    refused: list[tuple[Source, str, str]] = field(default_factory=list)
    """(source, what, why) for the log: dead letters and dropped timers."""
    redelivered: int = 0
    conflicts: int = 0
    now_ms: int = 0
