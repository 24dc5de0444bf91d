"""How fast a worker fills an emptied Redis again from the changelog."""

from __future__ import annotations

import time
from typing import Final

from runner.store.calls import Index, IndexKind
from runner.store.keys import Keys
from tests.bench.events import send_all, start_event
from tests.bench.open_tasks import DAY_MS, STEPS
from tests.bench.process import cpu_seconds, resident_mb
from tests.bench.rig import HOMES, SHARDS, Rig, running_worker, wait_for, with_changelog

EVERY_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 600.0


def measure_restoring(plain: Rig, tasks: int) -> dict[str, float]:
    """Open the tasks, empty Redis under an idle worker, and wait until all of them are there again."""
    rig = with_changelog(plain)
    with running_worker(rig) as worker:
        for step in range(STEPS):
            first, end = tasks * step // STEPS, tasks * (step + 1) // STEPS
            send_all(rig, (start_event(n, rig.name, timeout=DAY_MS + n) for n in range(first, end)))
            wait_for(lambda end=end: _open_tasks(rig) >= end, f"{end} open tasks", 0.25)  # type: ignore[misc]
        rig.redis.client().flushall()
        emptied = time.monotonic()
        before, spent, redis_spent = resident_mb(worker.pid), cpu_seconds(worker.pid), redis_seconds(rig)
        wait_for(lambda: _open_tasks(rig) > 0, "the worker to notice", EVERY_SECONDS)
        began, largest = time.monotonic(), [before]

        def are_restored() -> bool:
            largest.append(resident_mb(worker.pid))
            return _open_tasks(rig) >= tasks

        wait_for(are_restored, "all tasks to be there again", EVERY_SECONDS, LONGEST_SECONDS)
        ended = time.monotonic()
        spent, redis_spent = cpu_seconds(worker.pid) - spent, redis_seconds(rig) - redis_spent
    return {
        "restoring: open tasks": tasks,
        "restoring: s until it begins": began - emptied,
        "restoring: s until all are there again": ended - began,
        "restoring: records a second": tasks / (ended - began),
        "restoring: worker, µs of processor a record": 1e6 * spent / tasks,
        "restoring: Redis, µs of processor a record": 1e6 * redis_spent / tasks,
        "restoring: worker before, MB": before,
        "restoring: worker at most, MB": max(largest),
    }


def _open_tasks(rig: Rig) -> int:
    """Return how many tasks wait, by the indexes: without a walk over all keys."""
    keys = Keys(rig.name, SHARDS)
    with rig.redis.client() as redis, redis.pipeline(transaction=False) as asked:
        for shard in range(SHARDS):
            for home in range(HOMES):
                asked.zcard(keys.index(Index(IndexKind.DEADLINES, "default", shard, home)))
        return sum(asked.execute())


def redis_seconds(rig: Rig) -> float:
    """Return the processor time that Redis has taken so far."""
    with rig.redis.client() as redis:
        spent = redis.info("cpu")
    return float(spent["used_cpu_user"]) + float(spent["used_cpu_sys"])
