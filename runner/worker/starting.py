"""The start of a worker: servers that do not answer yet are waited for, within a time limit.

Only faults that pass by themselves are waited for. A fault that a person must mend (a password, a
certificate, a topic, a foreign key space) ends the start at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from runner import log
from runner.clock import Ticker
from runner.errors import (
    FatalError,
    LogRefused,
    LogUnavailable,
    SchemasUnavailable,
    StoreRefused,
    TransientError,
)
from runner.worker.health import HealthState

Answer = TypeVar("Answer")

PAUSE_SECONDS: Final = 0.25
"""Between two attempts."""

_log: Final = log.get("worker")


class Start:
    """Repeats a question until it is answered, within the time limit of the whole start."""

    def __init__(
        self,
        seconds: float,
        health: HealthState,
        pause: Callable[[float], object],
        explain: Callable[[TransientError], str],
        ticker: Ticker,
    ) -> None:
        """``explain`` returns the text of an error that ends the start."""
        self._deadline = ticker() + seconds
        self._health = health
        self._pause = pause
        self._explain = explain
        self._ticker = ticker
        self._reported: set[str] = set()

    def answered(self, ask: Callable[[], Answer]) -> Answer:
        """Return the answer of ``ask``, which may be called any number of times.

        Raises FatalError or LogUnavailable where a server refuses, or has not answered within the time
        limit; errors of ``ask`` that are not transient pass through.
        """
        while True:
            self._health.tick(self._ticker())
            try:
                answer = ask()
            except TransientError as error:
                left_seconds = self._deadline - self._ticker()
                if isinstance(error, StoreRefused | LogRefused) or left_seconds <= 0:
                    raise self._final(error) from error
                self._wait_for(error, left_seconds)
            else:
                self._health.set_waiting(None)
                return answer

    def _wait_for(self, error: TransientError, left_seconds: float) -> None:
        reason = self._explain(error)
        whom = _whom(error)
        if whom not in self._reported:
            self._reported.add(whom)
            _log.warning("waiting", what=whom, reason=reason, seconds=round(left_seconds))
        self._health.set_waiting(f"the start waits for {whom}: {reason}")
        self._pause(min(PAUSE_SECONDS, left_seconds))

    def _final(self, error: TransientError) -> Exception:
        return error if isinstance(error, LogUnavailable) else FatalError(self._explain(error))


def _whom(error: TransientError) -> str:
    match error:
        case LogUnavailable():
            return "Kafka"
        case SchemasUnavailable():
            return "the schema registry"
        case _:
            return "Redis"
