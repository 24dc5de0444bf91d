"""The catalogue of metrics, and the clock whose parts add up to the wall."""

from __future__ import annotations

import itertools

import pytest
from prometheus_client import generate_latest

from runner.metrics import PARTS, LoopClock, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"runner_{name}", labels)


def families(metrics: Metrics) -> dict[str, str]:
    return {family.name: family.type for family in metrics.registry.collect()}


def test_the_catalogue_is_complete() -> None:
    assert families(Metrics()) == {
        "runner_events": "counter",
        "runner_dead_letters": "counter",
        "runner_forwarded": "counter",
        "runner_redelivered": "counter",
        "runner_conflicts": "counter",
        "process_virtual_memory_bytes": "gauge",
        "process_resident_memory_bytes": "gauge",
        "process_start_time_seconds": "gauge",
        "process_cpu_seconds": "counter",
        "process_open_fds": "gauge",
        "process_max_fds": "gauge",
        "runner_transactions": "counter",
        "runner_spans": "counter",
        "runner_loop_seconds": "counter",
        "runner_timers_sent": "counter",
        "runner_notifications": "counter",
        "runner_notifications_left_out": "counter",
        "runner_reminders": "counter",
        "runner_escalations": "counter",
        "runner_hook_lateness_seconds": "histogram",
        "runner_hook_task_age_seconds": "histogram",
        "runner_records_removed": "counter",
        "runner_records_restored": "counter",
        "runner_shards_restoring": "gauge",
        "runner_input_messages": "counter",
        "runner_input_up": "gauge",
        "runner_input_paused_partitions": "gauge",
        "runner_batch_events": "histogram",
        "runner_commit_seconds": "histogram",
        "runner_timer_lateness_seconds": "histogram",
        "runner_open_homes": "gauge",
        "runner_paused_partitions": "gauge",
        "runner_store_up": "gauge",
    }


def test_two_of_them_share_nothing() -> None:
    first, second = Metrics(), Metrics()

    first.forwarded.inc()

    assert (value(first, "forwarded_total"), value(second, "forwarded_total")) == (1, 0)


def test_events_are_counted_a_batch_at_a_time() -> None:
    metrics = Metrics()

    metrics.count_events({("StartTask", "ACK"): 3, ("ProceedTask", "FAIL"): 1})
    metrics.count_events({("StartTask", "ACK"): 2})

    assert value(metrics, "events_total", action="StartTask", status="ACK") == 5
    assert value(metrics, "events_total", action="ProceedTask", status="FAIL") == 1


def test_dead_letters_are_counted_by_code() -> None:
    metrics = Metrics()

    metrics.count_dead_letters({"NOT_JSON": 2, "NOT_UTF8": 1})

    assert value(metrics, "dead_letters_total", code="NOT_JSON") == 2
    assert value(metrics, "dead_letters_total", code="NOT_UTF8") == 1


def test_transactions_and_parts_are_there_before_anything_happened() -> None:
    metrics = Metrics()

    metrics.count_transaction("aborted")

    assert value(metrics, "transactions_total", result="committed") == 0
    assert value(metrics, "transactions_total", result="aborted") == 1
    assert {value(metrics, "loop_seconds_total", part=part) for part in PARTS} == {0}


def test_the_parts_of_the_loop_add_up_to_the_wall() -> None:
    metrics = Metrics()
    times = itertools.accumulate([100.0, 1, 2, 4, 8, 16, 32, 64, 128])
    clock = LoopClock(metrics, lambda: next(times))

    laps = [clock.lap(part) for part in PARTS]

    assert laps == [1, 2, 4, 8, 16, 32, 64, 128]
    assert [value(metrics, "loop_seconds_total", part=part) for part in PARTS] == laps
    assert sum(laps) == 355 - 100


def test_the_same_part_may_come_twice_in_a_loop() -> None:
    metrics = Metrics()
    times = iter([0.0, 1.0, 3.0, 6.0])
    clock = LoopClock(metrics, lambda: next(times))

    laps = [clock.lap("apply"), clock.lap("decide"), clock.lap("apply")]

    assert laps == [1, 2, 3]
    assert value(metrics, "loop_seconds_total", part="apply") == 4
    assert value(metrics, "loop_seconds_total", part="decide") == 2


@pytest.mark.parametrize("seconds", [0.004, 0.02, 0.09, 0.3])
def test_lateness_is_told_apart_around_its_goals(seconds: float) -> None:
    metrics = Metrics()

    metrics.timer_lateness_seconds.observe(seconds)
    metrics.timer_lateness_seconds.observe(seconds * 1.3)

    counts = [
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "runner_timer_lateness_seconds_bucket"
    ]
    assert 1 in counts


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.store_up.set(1)

    text = generate_latest(metrics.registry).decode()

    assert "# TYPE runner_store_up gauge\nrunner_store_up 1.0\n" in text
