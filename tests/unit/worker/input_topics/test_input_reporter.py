"""What the numbers and /health/ready say of an input topic."""

from __future__ import annotations

from runner.clock import ManualTicker
from runner.errors import Fenced, LogUnavailable
from runner.kafka.message import Message
from runner.metrics import Metrics
from runner.tasks.source import Source
from runner.worker.assignment import Batch
from runner.worker.health import HealthState
from runner.worker.input_topics.reporter import InputReporter
from runner.worker.result import BatchResult

BATCH = Batch((Message(0, 0, None, b""),), {0: 0})


class Bench:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.ticker = ManualTicker()
        self.health = HealthState(0.0)
        self.reporter = InputReporter("desk", self.metrics, self.health, self.ticker)

    def number(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"runner_{name}", labels)

    @property
    def trouble(self) -> list[str]:
        return [reason for reason in self.health.readiness(0.0, 30.0).reasons if "desk" in reason]


def test_messages_are_counted_by_what_they_came_to() -> None:
    bench = Bench()
    done = BatchResult()
    done.counts.update({("desk", "EVENT"): 3, ("desk", "IGNORED"): 2})
    done.dead_letter_reasons["NOT_JSON"] = 1
    done.refused.append((Source(0, 2, 7), "NOT_JSON", "why"))
    bench.reporter.processed(BATCH, done, timers=0, seconds=0.1)
    for result, count in (("event", 3), ("ignored", 2), ("dead_letter", 1)):
        assert bench.number("input_messages_total", input="desk", result=result) == count
    assert bench.number("dead_letters_total", code="NOT_JSON") == 1


def test_an_outage_is_trouble_until_the_loop_has_come_round() -> None:
    bench = Bench()
    assert bench.number("input_up", input="desk") == 1
    bench.reporter.aborted(LogUnavailable("no answer"))
    assert bench.trouble == ["input desk: no answer"]
    assert bench.number("input_up", input="desk") == 0
    bench.reporter.phase_ended("poll")
    assert bench.trouble
    bench.reporter.phase_ended("other")
    assert bench.trouble == []
    bench.reporter.failed(Fenced("fenced"))
    bench.reporter.recovered()
    assert bench.number("input_up", input="desk") == 1


def test_paused_partitions_are_trouble_of_their_own() -> None:
    bench = Bench()
    bench.reporter.homes({0, 1, 2}, {2, 0})
    assert bench.trouble == ["input desk: paused, the log says why: partitions 0, 2"]
    assert bench.number("input_paused_partitions", input="desk") == 2
    bench.reporter.phase_ended("other")
    assert bench.trouble
    bench.reporter.homes({0, 1, 2}, set())
    assert bench.trouble == []


def test_it_is_alive_as_long_as_it_polls() -> None:
    bench = Bench()
    bench.ticker.advance(20)
    bench.reporter.phase_ended("decide")
    assert bench.reporter.alive.seconds_since_tick(20) == 20
    bench.reporter.phase_ended("poll")
    assert bench.reporter.alive.seconds_since_tick(20) == 0
    assert bench.health.seconds_since_tick(20) == 20, "the worker's own loop is another matter"
