"""Paces the garbage collector: it runs seldom, and between two batches.

A batch makes tens of thousands of objects and hardly any cycle; collecting as often as Python does by
default costs a fifth of the worker's time (docs/performance.md). Never collecting would keep the cycles
that errors leave. Python would also keep ever more freed tuples for later use, up to 2000 of every length:
4 MB, which took 40,000 events to fill up and looked like a leak.

The C library keeps freed memory as well: after an outage, whose backlog makes the largest batches, a worker
had 20 MB more for the rest of its life. glibc returns it where it is asked to; other libraries are not
asked. Both together take some milliseconds.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Final

from runner.clock import Ticker

EVERY_SECONDS: Final = 10.0
_MOST_OBJECTS: Final = 200_000
"""New objects after which the collector runs at once, even in the middle of a batch."""


class GcPacer:
    """Runs the garbage collector of this process; for the thread of the loop."""

    def __init__(self, ticker: Ticker) -> None:
        """Freeze the objects that exist now: they are not collected again."""
        self._ticker = ticker
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        gc.collect()
        gc.freeze()
        gc.set_threshold(_MOST_OBJECTS, 20, 20)
        self._due = ticker() + EVERY_SECONDS

    def overlap(self, question: Callable[[], bool]) -> Callable[[], bool]:
        """Return a function that answers ``question``, and collects first where it is time."""

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
