"""The watchdog ends a worker whose loop is stuck, so that a fresh process takes over.

A call into the Kafka client may never return, whatever its time-out: sending offsets after the group's
coordinator has left the cluster (librdkafka issues 5456 and 5511). The client would go on sending
heartbeats, and its partitions would stand still.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from runner import log
from runner.clock import Ticker, monotonic_seconds
from runner.errors import Fenced
from runner.kafka.producer import UNCONFIRMED_SECONDS
from runner.worker.health import HealthState

STUCK_SECONDS: Final = UNCONFIRMED_SECONDS + 15.0
"""Longer than the longest time-out of a step."""

_LOOKS: Final = 20
"""Checks in that time."""

_log: Final = log.get("watchdog")


class Watchdog:
    """Checks the loop from a separate thread; ends the process as ``kill -9`` would, which is safe."""

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
        self._thread.start()

    def close(self) -> None:
        """Stop checking: the shutdown of the worker has a time limit of its own."""
        self._closing.set()
        self._thread.join()

    def look(self) -> None:
        """End the process if the loop has completed no round for too long."""
        silent_seconds = self._state.seconds_since_tick(self._now())
        if silent_seconds > self._stuck_seconds:
            log.last_words(
                lambda: _log.error("stuck", seconds=round(silent_seconds, 1), exit_code=Fenced.exit_code)
            )
            self._end(Fenced.exit_code)

    def _run(self) -> None:
        while not self._closing.wait(self._stuck_seconds / _LOOKS):
            self.look()
