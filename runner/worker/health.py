"""Health: the state of a worker, written by its loop and read by other threads (``telemetry``)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LIVE_WITHIN_SECONDS: Final = 30.0
"""Time without a round after which a loop is not live; a commit may take longer, and a restart is safe."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Readiness at one moment; ``reasons`` is empty only if the worker is ready."""

    assigned_partitions: int
    store_up: bool
    paused_partitions: tuple[int, ...]
    seconds_since_tick: float
    reasons: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons


class HealthState:
    """The state of a worker, written by its loop and read by other threads.

    It begins as started at ``now_seconds``, without partitions and without Redis. Seconds are those of
    one monotonic clock.
    """

    def __init__(self, now_seconds: float) -> None:
        self._lock = threading.Lock()
        self._ticked_seconds = now_seconds
        self._assigned = 0
        self._store_up = False
        self._log_up = True
        self._paused: tuple[int, ...] = ()
        self._troubles: dict[str, str] = {}
        self._waits: str | None = None

    def tick(self, now_seconds: float) -> None:
        with self._lock:
            self._ticked_seconds = now_seconds

    def set_assigned(self, partitions: int) -> None:
        with self._lock:
            self._assigned = partitions

    def set_store(self, up: bool) -> None:  # noqa: FBT001 - reads as a setter at its callers
        """Set whether Redis answered its last call."""
        with self._lock:
            self._store_up = up

    def set_log(self, up: bool) -> None:  # noqa: FBT001 - reads as a setter at its callers
        """Set whether Kafka commits transactions; a single refusal is not unusual."""
        with self._lock:
            self._log_up = up

    def set_paused(self, partitions: Iterable[int]) -> None:
        """Set the paused partitions: too much poison, or an answer that no topic takes.

        Pauses for backpressure end by themselves and are not among them.
        """
        paused = tuple(sorted(partitions))
        with self._lock:
            self._paused = paused

    def set_trouble(self, what: str, why: str | None) -> None:
        """Set the trouble of a part beside the loop; None: it has none."""
        with self._lock:
            self._troubles.pop(what, None)
            if why is not None:
                self._troubles[what] = why

    def set_waiting(self, why: str | None) -> None:
        """Set what the start of the worker waits for, which is the only reason then; None: it has started."""
        with self._lock:
            self._waits = why

    def seconds_since_tick(self, now_seconds: float) -> float:
        """Return the age of the last tick; never negative."""
        with self._lock:
            return max(0.0, now_seconds - self._ticked_seconds)

    def readiness(self, now_seconds: float, live_within_seconds: float) -> Readiness:
        """Return the readiness, consistent at one moment."""
        with self._lock:
            age = max(0.0, now_seconds - self._ticked_seconds)
            assigned, store_up, paused = self._assigned, self._store_up, self._paused
            log_up = self._log_up
            troubles = sorted(self._troubles.items())
            waits = self._waits
        if waits is not None:
            return Readiness(assigned, store_up, paused, age, (waits,))
        reasons = []
        if age > live_within_seconds:
            reasons.append(f"the loop has not come round for {age:.1f} s")
        if assigned == 0:
            reasons.append("no partitions are assigned")
        if not store_up:
            reasons.append("Redis does not answer")
        if not log_up:
            reasons.append("Kafka does not take what is sent, the log says why")
        if paused:
            reasons.append(f"paused, the log says why: partitions {_joined(paused)}")
        reasons += [f"{what}: {why}" for what, why in troubles]
        return Readiness(assigned, store_up, paused, age, tuple(reasons))


def _joined(partitions: tuple[int, ...]) -> str:
    return ", ".join(str(partition) for partition in partitions)
