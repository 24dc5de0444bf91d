"""What the numbers say after a batch, an outage and a recovery."""

from __future__ import annotations

import pytest

from runner.clock import ManualTicker
from runner.errors import LogUnavailable, SchemasUnavailable, StoreUnavailable, Superseded
from runner.kafka.message import Message
from runner.metrics import Metrics
from runner.tasks.due import DueTask
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.telemetry.reporter import Reporter
from runner.worker.assignment import Batch
from runner.worker.health import HealthState
from runner.worker.result import BatchResult


class ToldTracer:
    """A tracer that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def phase_ended(self, part: str) -> None:
        self.told.append(part)

    def processed(self, done: BatchResult) -> None:
        self.told.append(done)


class Bench:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.tracer = ToldTracer()
        self.ticker = ManualTicker()
        self.health = HealthState(0.0)
        self.reporter = Reporter(self.metrics, self.health, self.ticker, self.tracer)

    def number(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"runner_{name}", labels)

    @property
    def reasons(self) -> list[str]:
        return list(self.health.readiness(self.ticker(), 30.0).reasons)


@pytest.fixture
def bench() -> Bench:
    return Bench()


BATCH = Batch(tuple(Message(0, offset, None, b"") for offset in range(5)), {0: 0})


def test_a_batch_is_counted(bench: Bench) -> None:
    done = BatchResult(now_ms=10_000, redelivered=2, conflicts=1)
    done.counts.update({("StartTask", "ACK"): 3, ("ProceedTask", "FORWARDED"): 2, ("other", "FAIL"): 1})
    done.dead_letter_reasons["NOT_JSON"] = 2
    bench.reporter.processed(BATCH, done, timers=4, seconds=0.02)
    assert bench.number("events_total", action="StartTask", status="ACK") == 3
    assert bench.number("events_total", action="other", status="FAIL") == 1
    assert bench.number("forwarded_total") == 2
    assert bench.number("dead_letters_total", code="NOT_JSON") == 2
    assert bench.number("redelivered_total") == 2
    assert bench.number("conflicts_total") == 1
    assert bench.number("timers_sent_total") == 4
    assert bench.number("transactions_total", result="committed") == 1
    assert bench.number("batch_events_sum") == 5
    assert bench.number("commit_seconds_sum") == pytest.approx(0.02)


def test_lateness_is_that_of_timers_that_fired_and_never_negative(bench: Bench) -> None:
    task = DueTask(TaskKey("orders", "t"), 0, Source(1, 0, 0), 9_000)
    early = DueTask(TaskKey("orders", "t"), 0, Source(1, 0, 0), 11_000)
    forged = DueTask(TaskKey("orders", "t"), 0, Source(1, 0, 0), -(10**4000))
    done = BatchResult(now_ms=10_000, timed_out=[task, early], stale=[forged], undeliverable=[forged])
    bench.reporter.processed(BATCH, done, timers=0, seconds=0)
    assert bench.number("timer_lateness_seconds_count") == 2
    assert bench.number("timer_lateness_seconds_sum") == pytest.approx(1.0)


def test_an_outage_of_the_store_is_seen_until_it_ends(bench: Bench) -> None:
    bench.reporter.homes({0}, set())
    bench.reporter.phase_ended("poll")
    assert bench.reasons == []
    bench.reporter.aborted(StoreUnavailable("no answer"))
    assert bench.number("store_up") == 0
    assert bench.number("transactions_total", result="aborted") == 1
    assert bench.reasons == ["Redis does not answer"]
    bench.reporter.recovered()
    assert bench.number("store_up") == 1
    assert bench.reasons == []


def test_a_registry_that_is_waited_for_is_a_reason_until_it_answers(bench: Bench) -> None:
    bench.reporter.homes({0}, set())
    bench.reporter.phase_ended("poll")
    bench.reporter.aborted(SchemasUnavailable("no schema 3"))
    assert bench.number("store_up") == 1
    assert bench.reasons == ["schema registry: no schema 3"]
    bench.reporter.recovered()
    assert bench.reasons == []


@pytest.mark.parametrize("error", [LogUnavailable("no answer"), Superseded("later")])
def test_other_failures_say_nothing_of_the_store(bench: Bench, error: LogUnavailable | Superseded) -> None:
    bench.reporter.homes({0}, set())
    bench.reporter.aborted(error)
    assert bench.number("store_up") == 1
    assert bench.reasons == []


def test_open_and_paused_homes_are_shown_and_paused_ones_are_a_reason(bench: Bench) -> None:
    assert bench.reasons == ["no partitions are assigned"]
    bench.reporter.homes({0, 1, 5}, {5})
    assert bench.number("open_homes") == 3
    assert bench.number("paused_partitions") == 1
    assert len(bench.reasons) == 1
    assert "5" in bench.reasons[0]


def test_polling_shows_that_the_loop_is_alive(bench: Bench) -> None:
    bench.reporter.homes({0}, set())
    bench.ticker.advance(60)
    assert len(bench.reasons) == 1
    bench.reporter.phase_ended("apply")
    assert len(bench.reasons) == 1, "only a poll shows that it came round"
    bench.reporter.phase_ended("poll")
    assert bench.reasons == []


def test_the_time_of_every_part_is_counted(bench: Bench) -> None:
    parts = ("poll", "decode", "load", "decide", "apply", "timers", "commit", "other")
    for part in parts:
        bench.reporter.phase_ended(part)
    for part in parts:
        assert bench.number("loop_seconds_total", part=part) is not None


def test_the_tracer_hears_of_every_lap_and_of_what_was_committed(bench: Bench) -> None:
    done = BatchResult()
    bench.reporter.phase_ended("poll")
    bench.reporter.phase_ended("commit")
    bench.reporter.processed(BATCH, done, timers=0, seconds=0)
    bench.reporter.aborted(LogUnavailable("no answer"))
    assert bench.tracer.told == ["poll", "commit", done]


def test_removed_records_are_counted(bench: Bench) -> None:
    bench.reporter.removed(3)
    assert bench.number("records_removed_total") == 3


def test_what_kafka_does_not_take_again_and_again_makes_the_worker_not_ready_until_it_does(
    bench: Bench,
) -> None:
    bench.reporter.homes({0}, set())
    refused = LogUnavailable("no permission")
    for _ in range(2):
        bench.reporter.aborted(refused)
        bench.reporter.recovered()
    assert bench.reasons == []
    bench.reporter.aborted(refused)
    bench.reporter.recovered()
    assert bench.reasons == ["Kafka does not take what is sent, the log says why"]
    bench.reporter.delivered()
    assert bench.reasons == []


def test_a_worker_without_events_is_ready_again_once_kafka_has_told_where_its_homes_begin(
    bench: Bench,
) -> None:
    for _ in range(3):
        bench.reporter.aborted(LogUnavailable("no answer"))
    assert bench.reasons
    bench.reporter.homes({0}, set())
    assert bench.reasons == []
    for _ in range(3):
        bench.reporter.aborted(LogUnavailable("refused"))
        bench.reporter.homes({0}, set())
    assert bench.reasons, "the same homes say nothing of what Kafka takes"
