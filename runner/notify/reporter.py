"""The observer of ``runner notify``: metrics, health and log events. Nothing here holds an address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from runner import log
from runner.clock import Ticker
from runner.metrics import NotifyMetrics
from runner.notify.notice import Notice, harmless
from runner.notify.notifier import DeadLetter
from runner.notify.senders import Attempt

_LOGGED_CHARACTERS: Final = 100
_DIRECTORY: Final = "directory"

_log: Final = log.get("notify")


class Health(Protocol):
    """What ``/health`` is told."""

    def tick(self, now_seconds: float) -> None: ...

    def set_assigned(self, partitions: int) -> None: ...

    def set_log(self, up: bool) -> None: ...  # noqa: FBT001 - as the one it describes has it

    def set_trouble(self, what: str, why: str | None) -> None: ...


class NotifyReporter:
    """Updates metrics and health, and logs what a person may have to know."""

    def __init__(
        self, metrics: NotifyMetrics, health: Health, ticker: Ticker, troubles: Callable[[], str | None]
    ) -> None:
        """``troubles``: what is wrong with the directory, but does not stop anything."""
        self._metrics = metrics
        self._health = health
        self._ticker = ticker
        self._troubles = troubles
        self._log_down: str | None = None
        self._down: Mapping[str, str] = {}

    def tick(self) -> None:
        self._health.tick(self._ticker())

    def partitions(self, assigned: Collection[int], *, paused: bool) -> None:
        self._health.set_assigned(len(assigned))
        self._metrics.partitions.set(len(assigned))
        _log.info("partitions", open=sorted(assigned), paused=paused)

    def read(self, result: str) -> None:
        self._metrics.count_message(result)

    def attempted(self, notice: Notice, recipient: str, attempt: Attempt) -> None:
        """Count an attempt; log the first failure of a job, and what was sent."""
        job = attempt.job
        about = {
            "task": harmless(notice.task_id)[:_LOGGED_CHARACTERS],
            "about": notice.event,
            "recipient": recipient[:_LOGGED_CHARACTERS],
            "channel": job.kind,
        }
        if attempt.reason:
            self._metrics.count_delivery(job.kind, "failed" if attempt.is_over else "retried")
            say = _log.warning if attempt.failures == 1 else _log.debug
            say("not_sent", **about, attempts=attempt.failures, reason=attempt.reason)
        elif job.kind != _DIRECTORY:
            self._metrics.count_delivery(job.kind, "sent")
            _log.info("sent", **about, attempts=attempt.failures + 1)

    def buried(self, letter: DeadLetter) -> None:
        """Count and log a dead letter."""
        self._metrics.count_delivery(letter.kind or "none", "dead_letter")
        message = letter.message
        _log.warning(
            "dead_letter",
            source=f"{message.partition}@{message.offset}",
            recipient=letter.recipient[:_LOGGED_CHARACTERS],
            channel=letter.kind,
            what=letter.reason,
            why=letter.text,
        )

    def log_down(self, why: str | None) -> None:
        """Log once that Kafka takes nothing, and once that it does again."""
        if (why is None) != (self._log_down is None):
            if why is None:
                _log.info("kafka_again")
            else:
                _log.warning("kafka_down", reason=why)
            self._health.set_log(why is None)
        self._log_down = why

    def state(self, waiting: int, down: Mapping[str, str]) -> None:
        """Show what waits; log once that a channel is down, and that it is not any more."""
        self._metrics.waiting.set(waiting)
        self._metrics.channels_down.set(len(down))
        for name in down.keys() - self._down.keys():
            _log.warning("channel_down", channel=name, reason=down[name])
        for name in self._down.keys() - down.keys():
            _log.info("channel_not_down", channel=name)
        self._down = down
        self._health.set_trouble(_DIRECTORY, self._troubles())
