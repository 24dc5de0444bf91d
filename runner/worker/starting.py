"""The start of a worker: who does not answer yet is waited for, until the time is over.

Only what passes by itself is waited for. What a person must mend (a password, a certificate, a topic, a
foreign key space) ends the start at once.
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
"""Between two tries."""

_log: Final = log.get("worker")


class Start:
    """Asks again until there is an answer, for as long as a start may take in all."""

    def __init__(
        self,
        seconds: float,
        health: HealthState,
        pause: Callable[[float], object],
        explain: Callable[[TransientError], str],
        ticker: Ticker,
    ) -> None:
        """``explain`` gives what is said of an error to somebody who does not wait for it any longer."""
        self._give_up = ticker() + seconds
        self._health = health
        self._pause = pause
        self._explain = explain
        self._ticker = ticker
        self._said: set[str] = set()

    def answered(self, ask: Callable[[], Answer]) -> Answer:
        """Return what ``ask`` gets; it may be called any number of times.

        Raises what it raises of other kinds; FatalError or LogUnavailable for who refuses, and for who has
        not answered when the time is over.
        """
        while True:
            self._health.tick(self._ticker())
            try:
                found = ask()
            except TransientError as error:
                left_seconds = self._give_up - self._ticker()
                if isinstance(error, StoreRefused | LogRefused) or left_seconds <= 0:
                    raise self._final(error) from error
                self._wait_for(error, left_seconds)
            else:
                self._health.set_waiting(None)
                return found

    def _wait_for(self, error: TransientError, left_seconds: float) -> None:
        reason = self._explain(error)
        whom = _whom(error)
        if whom not in self._said:
            self._said.add(whom)
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
