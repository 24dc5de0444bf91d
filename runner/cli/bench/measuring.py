"""One measurement: tasks are started, and ended as soon as they are, so many at a time.

Closed loop: a task is begun when an earlier one has ended. So the figures are those of a load that the
workers can just bear, and the time of an answer is not that of a queue which grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from runner.cli.progress import Step
from runner.cli.responses_table import FAIL
from runner.clock import Ticker
from runner.errors import FatalError
from runner.kafka.topic_message import REPLY, Sightings

START: Final = "StartTask"
PROCEED: Final = "ProceedTask"

_POLL_SECONDS: Final = 0.5
_PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the workers."""

    name: str
    """First part of every task id and request id of this measurement."""
    domain: str
    handler: str
    tasks: int
    in_flight: int
    homes: int
    payload_bytes: int
    deployment: str | None = None

    def start(self, number: int) -> bytes:
        """Return the StartTask of a task."""
        padding = "x" * self.payload_bytes
        payload = {"taskId": f"{self.name}-{number}", "padding": padding}
        return self._event(START, number, payload, {"stepId": "bench"})

    def proceed(self, number: int) -> bytes:
        """Return the ProceedTask of a task."""
        return self._event(PROCEED, number, {"taskId": f"{self.name}-{number}"}, {"stepId": "done"})

    def key(self, action: str, number: int) -> str:
        """Return the request id of an event."""
        return f"{self.name}-{action}-{number}"

    def home(self, number: int) -> int:
        """Return the partition of a task."""
        return number % self.homes

    def _event(self, action: str, number: int, payload: dict[str, Any], step: dict[str, Any]) -> bytes:
        meta: dict[str, Any] = {"handler": self.handler, "action": action, "domain": self.domain}
        if self.deployment is not None:
            meta["deployments"] = [self.deployment]
        return msgspec.json.encode(
            {
                "requestMeta": {"id": self.key(action, number)},
                "sagaMeta": [{"sagaId": f"{self.name}-{number}", **step}],
                "eventMeta": meta,
                "payload": payload,
            }
        )


class Out(Protocol):
    """Where events go."""

    def __call__(self, key: str, value: bytes, partition: int) -> None:
        """Send an event; raises where Kafka refuses one."""
        ...


@dataclass(slots=True)
class Figures:
    """What was measured."""

    seconds: float = 0.0
    events: int = 0
    failed: int = 0
    latency_ms: dict[str, list[float]] = field(default_factory=lambda: {START: [], PROCEED: []})

    @property
    def rate(self) -> float:
        """Events answered in a second."""
        return self.events / self.seconds if self.seconds > 0 else 0.0

    def spread(self, action: str) -> Mapping[str, float]:
        """Return percentiles of the time from sending to the reply, in ms."""
        ordered = sorted(self.latency_ms[action])
        return {f"p{each}": round(_percentile(ordered, each), 1) for each in _PERCENTILES}


def measure(
    load: Load, send: Out, reader: Sightings, ticker: Ticker, patience_seconds: float, step: Step
) -> Figures:
    """Start and end all tasks of a load and return the figures.

    Raises FatalError where no reply comes for so long: ``reader`` must have been entered before.
    """
    return _Run(load, send, reader, ticker).run(patience_seconds, step)


class _Run:
    def __init__(self, load: Load, send: Out, reader: Sightings, ticker: Ticker) -> None:
        self._load = load
        self._send = send
        self._reader = reader
        self._ticker = ticker
        self._sent: dict[str, tuple[str, int, float]] = {}
        self._begun = 0
        self._ended = 0
        self._figures = Figures()

    def run(self, patience_seconds: float, step: Step) -> Figures:
        load, began_seconds = self._load, self._ticker()
        heard_seconds = began_seconds
        while self._ended < load.tasks:
            while self._begun < load.tasks and self._begun - self._ended < load.in_flight:
                self._ask(START, self._begun)
                self._begun += 1
            before = self._ended
            if self._hear():
                heard_seconds = self._ticker()
            elif self._ticker() - heard_seconds > patience_seconds:
                raise FatalError(
                    f"no reply came for {patience_seconds:g} s, {len(self._sent)} are missing; "
                    "is a worker running?"
                )
            step(self._ended - before)
        self._figures.seconds = self._ticker() - began_seconds
        return self._figures

    def _ask(self, action: str, number: int) -> None:
        load = self._load
        value = load.start(number) if action == START else load.proceed(number)
        key = load.key(action, number)
        self._sent[key] = (action, number, self._ticker())
        self._send(key, value, load.home(number))

    def _hear(self) -> bool:
        """Take the next reply; return whether there was one of ours."""
        seen = self._reader.next(_POLL_SECONDS)
        sent = None if seen is None or seen.kind != REPLY else self._sent.pop(seen.key, None)
        if seen is None or sent is None:
            return False
        action, number, sent_seconds = sent
        self._figures.events += 1
        self._figures.latency_ms[action].append((self._ticker() - sent_seconds) * 1000)
        if seen.status == FAIL:
            self._figures.failed += 1
        if action == START and seen.status != FAIL:
            self._ask(PROCEED, number)
        else:
            self._ended += 1
        return True


def _percentile(ordered: list[float], percent: int) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
