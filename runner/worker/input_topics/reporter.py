"""The observer of an input topic: metrics, health and log events of its loop."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from runner import log
from runner.clock import Ticker
from runner.errors import RunnerError, TransientError
from runner.metrics import Metrics
from runner.worker.assignment import Batch
from runner.worker.health import HealthState
from runner.worker.result import BatchResult

_log: Final = log.get("inputs")


class InputReporter:
    """Updates metrics and health for one input topic; ``alive`` ticks for its loop alone."""

    def __init__(self, name: str, metrics: Metrics, health: HealthState, ticker: Ticker) -> None:
        self.alive = HealthState(ticker())
        self._name = name
        self._metrics = metrics
        self._health = health
        self._ticker = ticker
        self._paused: tuple[int, ...] = ()
        self._down: str | None = None
        self._show()

    def phase_ended(self, part: str) -> None:
        """Show that the loop is alive, and that it has recovered once it completes a round."""
        if part == "poll":
            self.tick()
        elif part == "other" and self._down is not None:
            self.recovered()

    def tick(self) -> None:
        """Show that the thread is alive, even while it waits."""
        self.alive.tick(self._ticker())

    def processed(self, batch: Batch, result: BatchResult, timers: int, seconds: float) -> None:
        """Count the results of a batch, and log its dead letters."""
        del batch, timers, seconds
        for (_, status), count in result.counts.items():
            self._metrics.count_input(self._name, status.lower(), count)
        if result.dead_letter_reasons:
            self._metrics.count_input(self._name, "dead_letter", result.dead_letter_reasons.total())
            self._metrics.count_dead_letters(result.dead_letter_reasons)
        for source, what, why in result.refused:
            place = f"{source.partition}@{source.offset}"
            _log.warning("not_handled", input=self._name, source=place, what=what, why=why)

    def delivered(self) -> None:
        """Count nothing."""

    def aborted(self, error: TransientError) -> None:
        """Log an outage once."""
        self._fail("batch_abandoned", error)

    def failed(self, error: RunnerError) -> None:
        """Log once why the topic cannot be read; its clients are made again."""
        self._fail("input_failed", error)

    def recovered(self) -> None:
        _log.info("reading_again", input=self._name)
        self._down = None
        self._show()

    def homes(self, opened: Collection[int], paused: Collection[int]) -> None:
        self._paused = tuple(sorted(paused))
        self._show()
        _log.info("partitions", input=self._name, open=sorted(opened), paused=sorted(paused))

    def paused(self, home: int, reason: str) -> None:
        _log.error("partition_paused", input=self._name, partition=home, reason=reason)

    def _fail(self, event: str, error: RunnerError) -> None:
        log_it = _log.warning if self._down is None else _log.debug
        log_it(event, input=self._name, code=error.label, reason=str(error))
        self._down = str(error)
        self._show()

    def _show(self) -> None:
        paused = f"paused, the log says why: partitions {', '.join(map(str, self._paused))}"
        trouble = self._down or (paused if self._paused else None)
        self._health.set_trouble(f"input {self._name}", trouble)
        self._metrics.set_input(self._name, up=self._down is None, paused=len(self._paused))
