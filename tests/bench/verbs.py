"""What the verbs of people cost one worker, of tasks that are there; with a changelog."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from tests.bench.events import Sent, send_all, start_event, verb_event
from tests.bench.process import cpu_seconds
from tests.bench.restoring import redis_seconds
from tests.bench.rig import Rig, running_worker, wait_for
from tests.bench.throughput import read_responses

MEASURED: Final[dict[str, dict[str, Any]]] = {
    "ClaimTask": {},
    "SaveTask": {"data": {"amount": 12, "remark": "x" * 200}},
    "CommentTask": {"text": "x" * 200},
}
AT_ENTRIES: Final = (1, 10, 100)
TIMES: Final = 8
"""Verbs of each task that are measured at a length of its history."""


class VerbBench:
    """Tasks on a rig, and verbs about all of them; the worker runs while it is measured."""

    def __init__(self, rig: Rig, tasks: int) -> None:
        self._rig = rig
        self._tasks = tasks
        self._number = count()
        self._answered = 0
        self._answer(start_event(number, rig.name, timeout=86_400_000) for number in range(tasks))

    def per_second(self, action: str, times: int = 1) -> float:
        """Return events a second: every task gets the verb so many times."""
        names = self.send(action, times)
        times_ms = [when for key, when, status in read_responses(self._rig) if key in names]
        statuses = {status for key, _, status in read_responses(self._rig) if key in names}
        if statuses != {"SUCCESS"}:
            raise RuntimeError(f"{action} was answered {statuses}")
        return len(times_ms) / (max(times_ms) - min(times_ms)) * 1000

    def cost_us(self, action: str, times: int) -> tuple[float, float]:
        """Return processor time of the worker and of Redis for each event, in microseconds.

        On a machine that is shared it says more than events a second.
        """
        events = self._events(action, times)
        with running_worker(self._rig) as worker:
            before = cpu_seconds(worker.pid), redis_seconds(self._rig)
            send_all(self._rig, iter(events))
            self._answered += len(events)
            wait_for(lambda: self._rig.count(self._rig.responses) >= self._answered, "all responses", 0.25)
            spent = cpu_seconds(worker.pid) - before[0], redis_seconds(self._rig) - before[1]
        return spent[0] * 1e6 / len(events), spent[1] * 1e6 / len(events)

    def send(self, action: str, times: int) -> set[str]:
        """Send the verb so many times to every task, and wait for the answers; return the request ids."""
        events = self._events(action, times)
        self._answer(iter(events))
        return {event.key for event in events}

    def _events(self, action: str, times: int) -> list[Sent]:
        return [
            verb_event(number, self._rig.name, action, MEASURED[action], next(self._number))
            for _ in range(times)
            for number in range(self._tasks)
        ]

    def redis_bytes(self) -> float:
        """Return bytes of Redis for each task, everything kept beside it included."""
        return float(self._rig.redis.client().info("memory")["used_memory"]) / self._tasks

    def _answer(self, events: Iterator[Sent]) -> None:
        sent = list(events)
        send_all(self._rig, iter(sent))
        self._answered += len(sent)
        with running_worker(self._rig):
            wait_for(lambda: self._rig.count(self._rig.responses) >= self._answered, "all responses", 0.25)
            wait_for(lambda: sum(1 for _ in read_responses(self._rig)) >= self._answered, "the last", 0.5)


def measure_verbs(rig: Rig, tasks: int) -> dict[str, float]:
    """Return events a second of each verb: one for each of the tasks."""
    bench = VerbBench(rig, tasks)
    return {f"verb {action} events/s": bench.per_second(action) for action in MEASURED}


def measure_histories(rig: Rig, tasks: int) -> dict[str, float]:
    """Return what a comment costs at several lengths of the history of its task, µs of processor time."""
    bench, entries, found = VerbBench(rig, tasks), 0, {}
    for length in AT_ENTRIES:
        bench.send("CommentTask", length - entries)
        worker, redis = bench.cost_us("CommentTask", TIMES)
        found[f"comment at {length} entries, µs of the worker"] = worker
        found[f"comment at {length} entries, µs of Redis"] = redis
        entries = length + TIMES
    return found


def measure_lived_bytes(rig: Rig, tasks: int) -> dict[str, float]:
    """Return bytes of Redis for each task, plain, and with a draft and three comments."""
    empty = float(rig.redis.client().info("memory")["used_memory"]) / tasks
    bench = VerbBench(rig, tasks)
    plain = bench.redis_bytes() - empty
    bench.send("SaveTask", 1)
    bench.send("CommentTask", 3)
    lived = bench.redis_bytes() - empty
    return {"Redis bytes, plain task": plain, "Redis bytes, with a draft and three comments": lived}
