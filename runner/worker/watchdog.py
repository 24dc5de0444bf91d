"""Ends a worker whose loop does not come round any more, so that a fresh process takes over.

A call into the Kafka client may never return, whatever its time-out says: sending offsets after the
group's coordinator has left the cluster (librdkafka issues 5456 and 5511). The client would go on
beating its heart, and the partitions would stand still.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from runner import log
from runner.clock import Ticker, monotonic_seconds
from runner.errors import Fenced
from runner.worker.health import HealthState
from runner.worker.kafka_log import UNCONFIRMED_SECONDS

STUCK_SECONDS: Final = UNCONFIRMED_SECONDS + 15.0
"""Longer than any step waits that still knows what it waits for."""

_LOOKS: Final = 20
"""How often it looks in that time."""

_log: Final = log.get("watchdog")


class Watchdog:
    """Looks from a thread of its own; ends the process as ``kill -9`` would, which costs nothing."""

    def __init__(
        self,
        state: HealthState,
        stuck_seconds: float = STUCK_SECONDS,
        now: Ticker = monotonic_seconds,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._state = state
        self._stuck_seconds = stuck_seconds
        self._now = now
        self._end = end
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking: what takes time from now on is the end of the worker, which has its own limit."""
        self._closing.set()
        self._thread.join()

    def look(self) -> None:
        """End the process if the loop has not come round for too long."""
        silent_seconds = self._state.seconds_since_tick(self._now())
        if silent_seconds > self._stuck_seconds:
            log.last_words(
                lambda: _log.error("stuck", seconds=round(silent_seconds, 1), exit_code=Fenced.exit_code)
            )
            self._end(Fenced.exit_code)

    def _run(self) -> None:
        while not self._closing.wait(self._stuck_seconds / _LOOKS):
            self.look()
