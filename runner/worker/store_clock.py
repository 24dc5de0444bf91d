"""What time it is in the store, between two answers of it: only to know when to ask again."""

from __future__ import annotations

from runner.clock import Ticker


class StoreClock:
    """The last time the store gave, carried on by a clock that only measures durations.

    An estimate: it decides when to look, never what is due. That is compared in the store.
    """

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._ahead_ms: float | None = None

    def observe(self, now_ms: int) -> None:
        """Take a time that the store gave just now; 0 is none."""
        if now_ms:
            self._ahead_ms = now_ms - self._ticker() * 1000

    def now_ms(self) -> int | None:
        """Return the estimate, epoch ms; None before the store was ever asked."""
        return None if self._ahead_ms is None else int(self._ticker() * 1000 + self._ahead_ms)
