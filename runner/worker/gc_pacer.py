"""When memory that nobody needs any more is looked for and given back: seldom, and between two batches.

A batch makes tens of thousands of objects and no cycle to speak of; looking for cycles as often as
Python does by default costs a fifth of the worker's time (docs/performance.md). Never looking
would keep what an error left in a cycle. It would also let Python keep ever more tuples that were let go
for later use, up to 2000 of every length: 4 MB, which took 40,000 events to fill up and looked like a leak.

The C library keeps what is let go as well: after an outage, whose backlog makes the biggest batches, a worker
had 20 MB more for the rest of its life. glibc gives that back where it is asked to; others are not asked.
Both together take some milliseconds.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Final

from runner.clock import Ticker

EVERY_SECONDS: Final = 10.0
_MOST_OBJECTS: Final = 200_000
"""After so many new objects it runs at once, in the midst of a batch."""


class GcPacer:
    """Takes over the cycle collector of this process; for the thread that runs the loop."""

    def __init__(self, ticker: Ticker) -> None:
        """Take what is there by now for what stays: it is not looked at again."""
        self._ticker = ticker
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        gc.collect()
        gc.freeze()
        gc.set_threshold(_MOST_OBJECTS, 20, 20)
        self._due = ticker() + EVERY_SECONDS

    def overlap(self, question: Callable[[], bool]) -> Callable[[], bool]:
        """Return the same question, and collect where it is asked and it is time."""

        def ask() -> bool:
            if self._ticker() >= self._due:
                self._collect()
                self._due = self._ticker() + EVERY_SECONDS
            return question()

        return ask

    def _collect(self) -> None:
        gc.collect()
        if self._trim is not None:
            self._trim(0)
