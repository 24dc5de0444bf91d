"""The start of a worker: who is waited for, for how long, what is said, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import redis
from confluent_kafka import KafkaError, KafkaException
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
)
from redis.sentinel import MasterNotFoundError
from structlog.testing import capture_logs

from runner.cli.stopping import EndedEarly, Stopping
from runner.clock import ManualTicker
from runner.errors import (
    FatalError,
    LogRefused,
    LogUnavailable,
    SchemasUnavailable,
    StoreMismatch,
    StoreRefused,
    StoreUnavailable,
)
from runner.kafka.errors import unreachable
from runner.store.connection.refusals import unavailable
from runner.worker.health import HealthState
from runner.worker.starting import PAUSE_SECONDS, Start

SECONDS = 60
AWAY = StoreUnavailable("Redis does not answer: refused")
LIVE_WITHIN_SECONDS = 30.0


class Bench:
    """A start whose clock only its pauses move."""

    def __init__(self) -> None:
        self.ticker = ManualTicker(1000.0)
        self.health = HealthState(self.ticker())
        self.reasons: list[tuple[str, ...]] = []
        self.asked = 0
        self.start = Start(SECONDS, self.health, self._pause, lambda error: f"{error}; do", self.ticker)

    def _pause(self, seconds: float) -> None:
        readiness = self.health.readiness(self.ticker(), LIVE_WITHIN_SECONDS)
        self.reasons.append(readiness.reasons)
        self.ticker.advance(seconds)

    def answers(self, errors: Iterable[Exception]) -> Callable[[], str]:
        left = iter(errors)

        def ask() -> str:
            self.asked += 1
            error = next(left, None)
            if error is not None:
                raise error
            return "here"

        return ask


@pytest.fixture
def bench() -> Bench:
    return Bench()


def said(logged: Iterable[Any]) -> list[tuple[str, str]]:
    return [(event["what"], event["reason"]) for event in logged if event["event"] == "waiting"]


def test_who_does_not_answer_yet_is_waited_for_and_named_once(bench: Bench) -> None:
    kafka, schemas = LogUnavailable("Kafka is away"), SchemasUnavailable("the registry is away")
    with capture_logs() as logged:
        assert bench.start.answered(bench.answers([kafka] * 20)) == "here"
        assert bench.start.answered(bench.answers([schemas, AWAY, kafka, AWAY])) == "here"
    assert said(logged) == [
        ("Kafka", "Kafka is away; do"),
        ("the schema registry", "the registry is away; do"),
        ("Redis", f"{AWAY}; do"),
    ]
    assert bench.reasons[0] == ("the start waits for Kafka: Kafka is away; do",)
    assert bench.ticker() == 1000 + 24 * PAUSE_SECONDS


def test_who_answers_at_once_is_not_spoken_of(bench: Bench) -> None:
    with capture_logs() as logged:
        assert bench.start.answered(bench.answers([])) == "here"
    assert logged == []
    assert bench.health.readiness(1000, LIVE_WITHIN_SECONDS).reasons == (
        "no partitions are assigned",
        "Redis does not answer",
    )


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (AWAY, FatalError, f"{AWAY}; do"),
        (SchemasUnavailable("away"), FatalError, "away; do"),
        (LogUnavailable("Kafka is away"), LogUnavailable, "Kafka is away"),
    ],
)
def test_when_the_time_is_over_it_ends_with_the_way_out(
    bench: Bench, error: Exception, kind: type[Exception], text: str
) -> None:
    """The time is that of the whole start, whoever takes it."""
    bench.start.answered(bench.answers([AWAY] * int(SECONDS / 2 / PAUSE_SECONDS)))
    with pytest.raises(kind) as raised:
        bench.start.answered(bench.answers([error] * 10_000))
    assert type(raised.value) is kind
    assert str(raised.value) == text
    assert bench.ticker() == 1000 + SECONDS


def test_a_worker_that_waits_is_live(bench: Bench) -> None:
    ages = []

    def ask() -> str:
        ages.append(bench.health.seconds_since_tick(bench.ticker()))
        bench.ticker.advance(5)
        if len(ages) < 8:
            raise AWAY
        return "here"

    bench.start.answered(ask)
    assert ages == [0] * 8


@pytest.mark.parametrize(
    "error",
    [
        StoreRefused("Redis refuses the password"),
        LogRefused("Kafka refuses the password"),
        StoreMismatch("Redis belongs to another group"),
        FatalError("there is no topic requests"),
        ValueError("a bug"),
    ],
    ids=repr,
)
def test_what_waiting_does_not_mend_ends_it_at_once(bench: Bench, error: Exception) -> None:
    with pytest.raises(Exception, match=str(error)), capture_logs() as logged:
        bench.start.answered(bench.answers([error]))
    assert bench.asked == 1
    assert logged == []


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("refused"),
        redis.TimeoutError("no answer"),
        OSError("no route"),
        BusyLoadingError("Redis is loading the dataset in memory"),
        ReadOnlyError("You can't write against a read only replica."),
        MasterDownError("Link with MASTER is down"),
        ClusterDownError("The cluster is down"),
        MasterNotFoundError("No master found for 'tasks'"),
        redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
    ],
    ids=repr,
)
def test_redis_that_is_not_there_yet_is_not_refused_for_good(error: Exception) -> None:
    assert type(unavailable(error)) is StoreUnavailable


@pytest.mark.parametrize(
    "error",
    [
        redis.AuthenticationError("WRONGPASS"),
        NoPermissionError("this user has no permissions to run the 'zadd' command"),
        MovedError("1 127.0.0.1:1"),
        redis.ResponseError("unknown command 'ZADD'"),
        redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
    ids=repr,
)
def test_redis_that_refuses_is_not_waited_for(error: Exception) -> None:
    assert type(unavailable(error)) is StoreRefused


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._TRANSPORT, LogUnavailable),
        (KafkaError._TIMED_OUT, LogUnavailable),
        (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, LogUnavailable),
        (KafkaError.LEADER_NOT_AVAILABLE, LogUnavailable),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, LogRefused),
        (KafkaError.UNSUPPORTED_VERSION, LogRefused),
        (KafkaError._SSL, LogRefused),
    ],
)
def test_kafka_is_waited_for_where_asking_again_is_of_use(code: int, kind: type[Exception]) -> None:
    assert type(unreachable("text", KafkaException(KafkaError(code)))) is kind


def test_an_answer_that_only_is_late_is_waited_for() -> None:
    assert type(unreachable("text", TimeoutError())) is LogUnavailable


def test_a_signal_before_the_beginning_ends_it_where_it_is_and_a_later_one_is_noted() -> None:
    early = Stopping()
    early.note()
    with pytest.raises(EndedEarly):
        early.interrupt()
    with pytest.raises(EndedEarly):
        early.pause(3600)
    later = Stopping()
    later.begun()
    assert not later.asked()
    later.note()
    later.interrupt()
    assert later.asked()
