"""The estimated time of the store between two of its answers, used to schedule queries."""

from __future__ import annotations

from runner.clock import Ticker


class StoreClock:
    """The last time of the store, carried on by a monotonic clock.

    The estimate decides when to query, never what is due: the store compares that by its own time.
    """

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._ahead_ms: float | None = None

    def observe(self, now_ms: int) -> None:
        """Set the time that the store has just returned; 0: it returned none."""
        if now_ms:
            self._ahead_ms = now_ms - self._ticker() * 1000

    def now_ms(self) -> int | None:
        """Return the estimate, epoch ms; None before the first answer of the store."""
        return None if self._ahead_ms is None else int(self._ticker() * 1000 + self._ahead_ms)
