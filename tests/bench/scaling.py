"""The same work done by one worker and by more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from tests.bench.events import proceed_event, send_all, start_event
from tests.bench.rig import HOMES, Rig, running_workers, wait_for
from tests.bench.throughput import read_responses


def measure_scaling(rig: Rig, tasks: int, numbers: Sequence[int]) -> dict[str, float]:
    """Return events per second of StartTask and ProceedTask sent to the home, by number of workers."""
    figures: dict[str, float] = {}
    for number in numbers:
        figures[f"{number} workers, events/s"] = _events_a_second(_again(rig, number), tasks, number)
    return figures


def _again(rig: Rig, number: int) -> Rig:
    fresh = replace(rig, name=f"{rig.name}-{number}")
    fresh.kafka.create_topics({fresh.requests: HOMES, fresh.responses: HOMES, fresh.dead_letters: 1})
    return fresh


def _events_a_second(rig: Rig, tasks: int, number: int) -> float:
    """All workers share the homes before the first event is sent: what is measured is work, not joining."""
    with running_workers(rig, number):
        starts = (start_event(n, rig.name) for n in range(tasks))
        send_all(rig, chain(starts, (proceed_event(n, rig.name) for n in range(tasks))))
        wait_for(lambda: rig.count(rig.responses) >= 3 * tasks, "all responses", 0.25)
        wait_for(lambda: sum(1 for _ in read_responses(rig)) >= 3 * tasks, "all responses", 0.5)
    times_ms = [when_ms for _, when_ms, _ in read_responses(rig)]
    return 2 * tasks / (max(times_ms) - min(times_ms)) * 1000
