"""What an open task costs in Redis."""

from __future__ import annotations

from tests.bench.events import send_all, start_event
from tests.bench.rig import Rig, running_worker, wait_for


def measure_bytes_per_task(rig: Rig, tasks: int) -> float:
    """Return bytes of Redis per open task with a deadline, everything kept beside it included."""
    client = rig.redis.client()
    before = int(client.info("memory")["used_memory"])
    send_all(rig, (start_event(n, rig.name, timeout=86_400_000) for n in range(tasks)))
    with running_worker(rig):
        wait_for(lambda: rig.count(rig.responses) >= tasks, "all tasks to be open", 0.25)
        after = int(client.info("memory")["used_memory"])
    return (after - before) / tasks
