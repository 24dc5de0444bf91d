"""What is due at once after a night without workers: deadlines, and hooks of as many tasks.

Tasks are opened by one worker, which then ends; once all of them are due another one starts.
"""

from __future__ import annotations

import time
from typing import Any, Final

from tests.bench.events import send_all, start_event
from tests.bench.latency import Reader
from tests.bench.rig import Rig, running_worker, wait_for

OPENED_A_SECOND: Final = 1_500
"""How many tasks a worker opens at least, while the measurement sends and reads on the same cores."""

HOOKS: Final = 10


def measure_due_at_once(rig: Rig, tasks: int) -> dict[str, float]:
    """Let as many deadlines, and as many tasks with ten hooks of which one ends them, be due at once."""
    after_ms = 5_000 + 1000 * tasks // OPENED_A_SECOND
    hooks = [
        {"on": "arrival", "after": after_ms, "do": "timeout"},
        *({"on": "arrival", "after": 86_400_000 + n, "do": "remind"} for n in range(HOOKS - 1)),
    ]
    deadlines, _ = _drained(rig, f"{rig.name}-d", tasks, after_ms, timeout=after_ms)
    hooked, entries = _drained(rig, f"{rig.name}-h", tasks, after_ms, hooks=hooks)
    return {
        "due at once": tasks,
        "deadlines at once, timed out a second": deadlines,
        "hooks at once, timed out a second": hooked,
        f"index entries of a task with {HOOKS} hooks": entries,
    }


def _drained(rig: Rig, name: str, tasks: int, after_ms: int, **parameters: Any) -> tuple[float, float]:
    """Return how many tasks a second end once all are due, and the index entries of each while open."""
    reader = Reader(rig)
    try:
        with running_worker(rig):
            send_all(rig, (start_event(n, name, **parameters) for n in range(tasks)))
            wait_for(lambda: _count(reader, name, "ACK") >= tasks, "all tasks to be open")
        entries = _entries(rig) / tasks
        if _count(reader, name, "TIMEOUT"):
            raise RuntimeError("a task was due before all were open")
        time.sleep(after_ms / 1000)
        with running_worker(rig):
            wait_for(lambda: _count(reader, name, "TIMEOUT") >= tasks, "all ends")
        ends = [
            at for (key, status), at in reader.seen.items() if status == "TIMEOUT" and key.startswith(name)
        ]
        return tasks / (max(ends) - min(ends)), entries
    finally:
        reader.close()


def _count(reader: Reader, name: str, status: str) -> int:
    return sum(key.startswith(name) and told == status for key, told in list(reader.seen))


def _entries(rig: Rig) -> int:
    redis = rig.redis.client()
    kinds = ("deadlines", "undated", "hooks")
    return sum(
        redis.zcard(key) for kind in kinds for key in redis.scan_iter(f"{rig.name}:*:{kind}:*", count=100_000)
    )
