"""Who hears of batches for the sake of traces; by default nobody, at the price of an empty call a lap."""

from __future__ import annotations

from typing import Protocol

from runner.worker.result import BatchResult


class Tracer(Protocol):
    """Is told what the loop does. Must not raise, and waits for nobody."""

    def phase_ended(self, part: str) -> None:
        """A part of the loop ended."""
        ...

    def processed(self, result: BatchResult) -> None:
        """A batch was committed: all laps since the last poll are its own."""
        ...


class NoTraces:
    """Traces are off. Trace context is passed on all the same, by the actions."""

    def phase_ended(self, part: str) -> None:
        """Do nothing."""

    def processed(self, result: BatchResult) -> None:
        """Do nothing."""
