"""The observer of a worker: metrics, health and log events of its loop."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol, cast

from runner import log
from runner.clock import Ticker
from runner.errors import LogUnavailable, SchemasUnavailable, StoreUnavailable, TransientError
from runner.metrics import LoopClock, LoopPart, Metrics
from runner.worker.assignment import Batch
from runner.worker.health import HealthState
from runner.worker.hook_counts import HookCounts
from runner.worker.result import BatchResult

REFUSED_IN_A_ROW: Final = 3
"""Refused batches in a row after which the worker is not ready; fewer may be a rebalance."""

_REGISTRY: Final = "schema registry"
_log: Final = log.get("worker")


class Tracer(Protocol):
    """Receives phases and batches of the loop; must not raise or block."""

    def phase_ended(self, part: str) -> None: ...

    def processed(self, result: BatchResult) -> None:
        """A batch was committed: the phases since the last poll are its own."""


class Reporter:
    """Updates metrics and health of one worker; events are counted once a batch."""

    def __init__(
        self, metrics: Metrics, health: HealthState, ticker: Ticker, tracer: Tracer | None = None
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._ticker = ticker
        self._tracer = tracer
        self._clock = LoopClock(metrics)
        self._down = False
        self._refusals = 0
        """Batches in a row that Kafka refused."""
        self._open: frozenset[int] = frozenset()
        health.set_store(up=True)
        metrics.store_up.set(1)

    def phase_ended(self, part: str) -> None:
        """Attribute the time since the last phase, and show that the loop is alive."""
        self._clock.lap(cast("LoopPart", part))
        if self._tracer is not None:
            self._tracer.phase_ended(part)
        if part == "poll":
            self._health.tick(self._ticker())

    def processed(self, batch: Batch, result: BatchResult, timers: int, seconds: float) -> None:
        """Count the result of a batch, and log its dead letters and undeliverable timers."""
        metrics = self._metrics
        if self._tracer is not None:
            self._tracer.processed(result)
        metrics.count_transaction("committed")
        metrics.commit_seconds.observe(seconds)
        metrics.batch_events.observe(len(batch.messages))
        metrics.timers_sent.inc(timers)
        if result.counts:
            metrics.count_events(result.counts)
            metrics.forwarded.inc(sum(n for (_, status), n in result.counts.items() if status == "FORWARDED"))
        metrics.redelivered.inc(result.redelivered)
        metrics.conflicts.inc(result.conflicts)
        metrics.count_dead_letters(result.dead_letter_reasons)
        for task in result.timed_out:
            metrics.timer_lateness_seconds.observe(max(0, result.now_ms - task.deadline_ms) / 1000)
        for task in result.hooked:
            if task.deadline_ms > 0:
                metrics.hook_lateness_seconds.observe(max(0, result.now_ms - task.deadline_ms) / 1000)
        self._count_hooks(result.hook_counts)
        for source, what, why in result.refused:
            _log.warning("not_handled", source=str(source), what=what, why=why)

    def _count_hooks(self, counts: HookCounts) -> None:
        """Count what people were told and what hooks did; what was left out is one line a batch."""
        metrics = self._metrics
        metrics.count_notifications(counts.sent, counts.left_out)
        metrics.reminders.inc(counts.reminders)
        metrics.count_escalations(counts.escalations)
        for age_ms in counts.ages_ms:
            metrics.hook_task_age_seconds.observe(age_ms / 1000)
        if counts.left_out:
            first = str(counts.first_left_out)
            _log.warning("notifications_left_out", events=dict(counts.left_out), first=first)

    def delivered(self) -> None:
        self._refusals = 0
        self._health.set_log(up=True)

    def aborted(self, error: TransientError) -> None:
        """Log an outage once, and show it until the store answers and reading goes on."""
        self._metrics.count_transaction("aborted")
        if isinstance(error, StoreUnavailable):
            self._health.set_store(up=False)
            self._metrics.store_up.set(0)
        if isinstance(error, LogUnavailable):
            self._refusals += 1
            self._health.set_log(up=self._refusals < REFUSED_IN_A_ROW)
        if isinstance(error, SchemasUnavailable):
            self._health.set_trouble(_REGISTRY, str(error))
        log_it = _log.debug if self._down else _log.warning
        log_it("batch_abandoned", code=error.label, reason=str(error))
        self._down = True

    def recovered(self) -> None:
        self._down = False
        self._health.set_store(up=True)
        self._health.set_trouble(_REGISTRY, None)
        self._metrics.store_up.set(1)
        _log.info("reading_again")

    def homes(self, opened: Collection[int], paused: Collection[int]) -> None:
        if not self._open.issuperset(opened):
            # Kafka has just returned their start offsets: it may be long before there is a batch to commit.
            self.delivered()
        self._open = frozenset(opened)
        self._health.set_assigned(len(opened))
        self._health.set_paused(paused)
        self._metrics.open_homes.set(len(opened))
        self._metrics.paused_partitions.set(len(paused))
        _log.info("homes", open=sorted(opened), paused=sorted(paused))

    def paused(self, home: int, reason: str) -> None:
        _log.error("home_paused", home=home, reason=reason)

    def restoring(self, shards_left: int, records: int) -> None:
        self._health.set_trouble("restoring what Redis has lost", f"{shards_left} shards are left")
        self._metrics.shards_restoring.set(shards_left)
        _log.warning("restoring", shards_left=shards_left, records=records)

    def restored(self, records: int) -> None:
        self.not_restored()
        self._metrics.records_restored.inc(records)
        _log.warning("restored", records=records)

    def not_restored(self) -> None:
        self._health.set_trouble("restoring what Redis has lost", None)
        self._metrics.shards_restoring.set(0)

    def removed(self, records: int) -> None:
        self._metrics.records_removed.inc(records)
