"""The tracer of a loop; by default it does nothing, at the price of an empty call a phase."""

from __future__ import annotations

from typing import Protocol

from runner.worker.result import BatchResult


class Tracer(Protocol):
    """Receives phases and batches of the loop; must not raise or block."""

    def phase_ended(self, part: str) -> None:
        """A phase of the loop ended."""
        ...

    def processed(self, result: BatchResult) -> None:
        """A batch was committed: the phases since the last poll are its own."""
        ...


class NoTraces:
    """The tracer where traces are off; the actions pass trace context on all the same."""

    def phase_ended(self, part: str) -> None:
        """Do nothing."""

    def processed(self, result: BatchResult) -> None:
        """Do nothing."""
