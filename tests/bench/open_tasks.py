"""What very many open tasks cost: to open them, to start a worker beside them, and to do nothing."""

from __future__ import annotations

import time
from typing import Any, Final

from tests.bench.events import proceed_event, send_all, start_event
from tests.bench.process import cpu_seconds, resident_mb
from tests.bench.rig import Rig, running_worker, wait_for

STEPS: Final = 10
IDLE_SECONDS: Final = 20.0
DAY_MS: Final = 86_400_000
PROBES: Final = 100


HOOKS: Final = [
    {"on": "arrival", "after": DAY_MS, "do": "remind"},
    {"on": "arrival", "after": 2 * DAY_MS, "do": "reassign", "roles": ["lead"]},
]


def measure_hooked_tasks(rig: Rig, tasks: int) -> dict[str, float]:
    """Do the same with tasks that have hooks beside their deadlines."""
    return {f"with hooks: {name}": figure for name, figure in measure_open_tasks(rig, tasks, HOOKS).items()}


def measure_open_tasks(rig: Rig, tasks: int, hooks: list[dict[str, Any]] | None = None) -> dict[str, float]:
    """Open the tasks in STEPS, each with a deadline of its own; then start a fresh worker beside them."""
    named = {} if hooks is None else {"hooks": hooks}
    redis = rig.redis.client()
    before = int(redis.info("memory")["used_memory"])
    grown: list[float] = []
    began = time.monotonic()
    with running_worker(rig) as worker:
        for step in range(STEPS):
            first, end = tasks * step // STEPS, tasks * (step + 1) // STEPS
            send_all(rig, (start_event(n, rig.name, timeout=DAY_MS + n, **named) for n in range(first, end)))
            wait_for(lambda end=end: _open_tasks(rig) >= end, f"{end} open tasks", 0.25)  # type: ignore[misc]
            grown.append(resident_mb(worker.pid))
    opening = time.monotonic() - began
    bytes_each = (int(redis.info("memory")["used_memory"]) - before) / tasks
    return {
        "open tasks": tasks,
        "opened a second, sending included": tasks / opening,
        "Redis, bytes per open task": bytes_each,
        "worker, MB with a tenth of the tasks open": grown[0],
        "worker, MB with half of the tasks open": grown[STEPS // 2 - 1],
        "worker, MB with all tasks open": grown[-1],
        **_overlap(rig, tasks),
    }


def _overlap(rig: Rig, tasks: int) -> dict[str, float]:
    """Return what a worker costs that starts where the tasks are open already."""
    redis = rig.redis.client()
    began = time.monotonic()
    with running_worker(rig) as worker:
        started = time.monotonic() - began
        fresh = resident_mb(worker.pid)
        spent, commands = cpu_seconds(worker.pid), _commands(rig)
        redis_spent = float(redis.info("cpu")["used_cpu_user"]) + float(redis.info("cpu")["used_cpu_sys"])
        time.sleep(IDLE_SECONDS)
        spent, commands = cpu_seconds(worker.pid) - spent, _commands(rig) - commands
        now = redis.info("cpu")
        redis_spent = float(now["used_cpu_user"]) + float(now["used_cpu_sys"]) - redis_spent
        answered = _answer_some(rig, tasks)
    return {
        "start, s until all homes are open": started,
        "fresh worker, MB": fresh,
        "idle worker, % of a core": 100 * spent / IDLE_SECONDS,
        "idle Redis, % of a core": 100 * redis_spent / IDLE_SECONDS,
        "idle, Redis commands a second": commands / IDLE_SECONDS,
        f"{PROBES} ProceedTasks, s until all are answered": answered,
    }


def _answer_some(rig: Rig, tasks: int) -> float:
    before = rig.count(rig.responses)
    began = time.monotonic()
    every = max(1, tasks // PROBES)
    send_all(rig, (proceed_event(n, rig.name) for n in range(0, every * PROBES, every)))
    wait_for(lambda: rig.count(rig.responses) >= before + 2 * PROBES, "the answers")
    return time.monotonic() - began


def _open_tasks(rig: Rig) -> int:
    redis = rig.redis.client()
    return sum(redis.zcard(key) for key in redis.scan_iter(f"{rig.name}:*:deadlines:*", count=100_000))


def _commands(rig: Rig) -> int:
    return int(rig.redis.client().info("stats")["total_commands_processed"])
