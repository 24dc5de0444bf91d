"""The result of a batch: what the loop delivers and commits, and what timers, metrics and log need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from runner.actions.decision import Decision, Done, Dropped, Outcome, OutgoingMessage
from runner.actions.plan import TaskPlan
from runner.actions.timer_token import HookToken, TimerToken
from runner.kafka.message import Message
from runner.store.calls import Entry
from runner.tasks.due import DueTask
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.worker.hook_counts import HookCounts
from runner.worker.in_flight import InFlight

PhaseEnded: TypeAlias = Callable[[str], object]
"""Called when a phase of the loop ends, for phase timing."""

Send: TypeAlias = Callable[[Sequence[OutgoingMessage]], object]
"""Sends messages before the batch is processed to its end."""


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
    scheduled: list[Entry] = field(default_factory=list)
    """Index entries of the records that were changed: moments for timers and retention."""
    timed_out: list[DueTask] = field(default_factory=list)
    hooked: list[DueTask] = field(default_factory=list)
    """Tasks whose hooks were done; their moment is that of the hooks, 0 where an earlier decision is kept."""
    hook_counts: HookCounts = field(default_factory=HookCounts)
    stale: list[DueTask] = field(default_factory=list)
    """Timers whose task had changed or ended: they did nothing."""
    undeliverable: list[DueTask] = field(default_factory=list)
    """Timers whose task stays open: its resumed event cannot be sent."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Events by (action, status)."""
    dead_letter_reasons: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[Source, str, str]] = field(default_factory=list)
    """(source, what, why) for the log: dead letters and dropped timers."""
    passes: list[tuple[Sequence[str], int]] = field(default_factory=list)
    """(domains, end of the period in epoch ms) of TimeoutBetween passes that have ended."""
    redelivered: int = 0
    conflicts: int = 0
    now_ms: int = 0

    def add_dead_letter(self, item: InFlight, reason: str, text: str) -> None:
        """Count a dead letter, for metrics and log."""
        self.dead_letter_reasons[reason] += 1
        self.refused.append((item.source, reason, text))

    def add_task(
        self, item: InFlight, plan: TaskPlan, decision: Decision, notifications: str | None = None
    ) -> None:
        """Add what an event did to its task, for timers, retention and metrics.

        ``notifications``: the topic of what people have to hear.
        """
        outcome = decision.outcome
        self.scheduled += item.entries
        if plan.timer is not None:
            self._add_timer(item, plan.key, plan.timer, outcome)
            if isinstance(outcome, Done):
                self.hook_counts.add_done(decision, outcome)
        if isinstance(outcome, Done) and outcome.told:
            made = [message for message in decision.messages if message.stream == notifications]
            self.hook_counts.add_told(item.source, outcome, made)

    def _add_timer(
        self, item: InFlight, key: TaskKey, token: TimerToken | HookToken, outcome: Outcome
    ) -> None:
        home = item.message.partition
        if isinstance(token, HookToken):
            task = DueTask(key, home, token.started_by, item.due_ms or 0, token.number, is_hook=True)
        else:
            task = DueTask(key, home, token.started_by, token.deadline_ms, token.epoch)
        match outcome:
            case Done():
                (self.hooked if task.is_hook else self.timed_out).append(task)
            case Dropped(reason=reason) if reason:
                self.undeliverable.append(task)
                self.refused.append((item.source, "NOT_RESUMED", reason))
            case _:
                self.stale.append(task)
