"""Measuring: every task is started and ended once, so many at a time; the figures say how long it took."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from runner.cli.bench.isolated_environment import overrides
from runner.cli.bench.measuring import PROCEED, START, Figures, Load, measure
from runner.clock import ManualTicker
from runner.config import Config, load
from runner.errors import FatalError
from runner.kafka.topic_message import TopicMessage
from tests.unit.cli.builders import seen

LOAD = Load("b", "orders", "user-task", tasks=7, in_flight=3, homes=4, payload_bytes=10)


class Workers:
    """Answers each event after so long, in the order in which they came."""

    def __init__(self, status: Callable[[str], str] = lambda _: "ACK", seconds: float = 0.01) -> None:
        self.ticker = ManualTicker()
        self.sent: list[tuple[str, int]] = []
        self.most_open = 0
        self._open: set[str] = set()
        self._status = status
        self._seconds = seconds
        self._waiting: deque[str] = deque()

    def send(self, key: str, value: bytes, partition: int) -> None:
        event = msgspec.json.decode(value)
        assert event["requestMeta"]["id"] == key
        self.sent.append((key, partition))
        self._open.add(event["payload"]["taskId"])
        self.most_open = max(self.most_open, len(self._open))
        if event["eventMeta"]["action"] == PROCEED:
            self._open.discard(event["payload"]["taskId"])
        self._waiting.append(key)

    def next(self, timeout_seconds: float) -> TopicMessage | None:
        if not self._waiting:
            self.ticker.advance(timeout_seconds)
            return None
        self.ticker.advance(self._seconds)
        key = self._waiting.popleft()
        return seen(key=key, status=self._status(key))


def measured(workers: Workers, load_: Load = LOAD) -> tuple[Figures, int]:
    steps: list[int] = []
    return measure(load_, workers.send, workers, workers.ticker, 5, steps.append), sum(steps)


def test_every_task_is_started_and_ended_once_at_its_home() -> None:
    workers = Workers()

    figures, steps = measured(workers)

    assert sorted(workers.sent) == sorted(
        (LOAD.key(action, number), number % 4) for action in (START, PROCEED) for number in range(7)
    )
    assert (figures.events, figures.failed, steps) == (14, 0, 7)
    assert workers.most_open == 3
    assert figures.seconds == pytest.approx(0.14)
    assert figures.rate == pytest.approx(100)


def test_percentiles_are_of_the_time_from_sending_to_the_reply() -> None:
    figures, _ = measured(Workers(seconds=0.5), replace(LOAD, in_flight=1))
    assert figures.spread(START) == {"p50": 500.0, "p95": 500.0, "p99": 500.0}

    figures.latency_ms[PROCEED] = [float(number) for number in range(100)]
    assert figures.spread(PROCEED) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert Figures().spread(START) == {"p50": 0.0, "p95": 0.0, "p99": 0.0}


def test_a_task_that_was_refused_is_counted_and_not_ended() -> None:
    workers = Workers(lambda key: "FAIL" if key.endswith("-2") else "ACK")

    figures, _ = measured(workers)

    assert figures.failed == 1
    assert LOAD.key(PROCEED, 2) not in dict(workers.sent)
    assert figures.events == 13


def test_nobody_waits_for_ever() -> None:
    workers = Workers()
    silent = Workers()

    with pytest.raises(FatalError, match="no reply came for 5 s, 3 are missing; is a worker running"):
        measure(LOAD, workers.send, silent, silent.ticker, 5, lambda _: None)


def test_its_own_place_lies_beside_the_configured_one_and_shares_nothing_with_it() -> None:
    settings = Config()

    own = load(None, overrides(settings, "bench-1"))

    theirs = {own.topics.requests, own.topics.responses, own.topics.dead_letters}
    assert theirs == {"requests-bench-1", "responses-bench-1", "dead-letters-bench-1"}
    assert own.kafka.group == "saga-task-runner-bench-1"
    assert own.redis.prefix == "runner:bench-1"
    assert list(own.domains) == ["bench"]
    assert own.domain_rules()["bench"].on_proceed == "delete"
    assert (own.topics.tasks, dict(own.inputs), list(own.responses.streams)) == ("tasks-bench-1", {}, [])
    without = load(None, {"RUNNER_TOPICS__TASKS": ""})
    assert load(None, overrides(without, "bench-1")).topics.tasks is None
