"""What an open task costs in Redis."""

from __future__ import annotations

from tests.bench.events import send_all, start_event
from tests.bench.stage import Stage, running_worker, wait_for


def measure_bytes_per_task(stage: Stage, tasks: int) -> float:
    """Return bytes of Redis per open task with a deadline, everything kept beside it included."""
    client = stage.redis.client()
    before = int(client.info("memory")["used_memory"])
    send_all(stage, (start_event(n, stage.name, timeout=86_400_000) for n in range(tasks)))
    with running_worker(stage):
        wait_for(lambda: stage.count(stage.responses) >= tasks, "all tasks to be open", 0.25)
        after = int(client.info("memory")["used_memory"])
    return (after - before) / tasks
