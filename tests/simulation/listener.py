"""Counts, and tells the trace, what a loop says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from runner.errors import TransientError
from runner.worker.assignment import Batch
from runner.worker.result import BatchResult


class Listener:
    """The Observer of a loop and of its restorer."""

    def __init__(self, counts: Counter[str], trace: Callable[..., None] | None) -> None:
        self._counts = counts
        self._trace = trace

    def phase_ended(self, part: str) -> object:
        """Ignore."""

    def processed(self, batch: Batch, done: BatchResult, timers: int, seconds: float) -> None:
        """Count."""
        del timers, seconds
        self._counts["batches"] += 1
        self._counts["events"] += len(batch.messages)
        self._counts["events that came again"] += done.redelivered

    def delivered(self) -> None:
        """Ignore."""

    def aborted(self, error: TransientError) -> None:
        """Say why."""
        self._counts["batches given up"] += 1
        self._say("abandons its batch:", error.label, error)

    def recovered(self) -> None:
        """Ignore."""

    def homes(self, opened: Collection[int], paused: Collection[int]) -> None:
        """Ignore."""

    def paused(self, home: int, reason: str) -> None:
        """Say why."""
        self._say("blocks home", home, reason)

    def removed(self, records: int) -> None:
        """Count."""
        self._counts["tasks removed"] += records

    def restoring(self, shards_left: int, records: int) -> None:
        """Count those that begin."""
        self._counts["restorings begun"] += records == 0
        self._say("restores", shards_left, "shards")

    def restored(self, records: int) -> None:
        """Count."""
        self._counts["restorings done"] += 1
        self._say("has restored", records, "records")

    def not_restored(self) -> None:
        """Count."""
        self._counts["restorings given up"] += 1
        self._say("gives restoring up")

    def _say(self, *words: object) -> None:
        if self._trace is not None:
            self._trace(*words)
