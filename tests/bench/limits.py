"""``make limits``: what a million open tasks, 100,000 deadlines at once and more workers do to it.

    python -m tests.bench.limits tasks          a million open tasks: start, idling, memory
    python -m tests.bench.limits deadlines      100,000 deadlines within one second
    python -m tests.bench.limits hooked         a million open tasks with hooks
    python -m tests.bench.limits hooks          20,000 deadlines, and as many tasks with hooks, due at once
    python -m tests.bench.limits restoring      a million open tasks, lost by Redis and restored
    python -m tests.bench.limits workers        1, 2 and 4 workers on the same work
    python -m tests.bench.limits projection     lists of 100,000 tasks: filled, and 1,000 changes a second

Without a name all of them are measured. Prints a table, and the same as JSON on the last line.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tests.bench.deadline_burst import measure_deadline_burst
from tests.bench.due_at_once import measure_due_at_once
from tests.bench.open_tasks import measure_hooked_tasks, measure_open_tasks
from tests.bench.projection import measure_projection
from tests.bench.restoring import measure_restoring
from tests.bench.rig import Rig, new_rig
from tests.bench.scaling import measure_scaling
from tests.servers.kafka_server import running_kafka
from tests.servers.redis_server import running_redis

Figures = dict[str, float]


def main() -> None:
    """Measure what is asked for, and print it."""
    asked = _arguments()
    measures: dict[str, Callable[[Rig], Figures]] = {
        "tasks": lambda rig: measure_open_tasks(rig, asked.tasks),
        "deadlines": lambda rig: measure_deadline_burst(rig, asked.deadlines),
        "hooked": lambda rig: measure_hooked_tasks(rig, asked.tasks),
        "hooks": lambda rig: measure_due_at_once(rig, asked.hooks),
        "restoring": lambda rig: measure_restoring(rig, asked.tasks),
        "workers": lambda rig: measure_scaling(rig, asked.events // 2, (1, 2, 4)),
        "projection": lambda rig: measure_projection(rig.kafka, asked.listed, 1000, 20.0),
    }
    figures: Figures = {}
    console = Console(stderr=True)
    with running_kafka() as kafka, running_redis() as redis:
        for name in asked.what or measures:
            console.print(f"measuring {name}")
            figures |= measures[name](new_rig(kafka, redis, name))
    table = Table(title=f"limits, {kafka.lane}, {os.cpu_count()} cores")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for what, figure in figures.items():
        table.add_row(what, f"{figure:,.2f}")
    console.print(table)
    print(json.dumps({"about": {"cores": os.cpu_count(), "kafka": kafka.lane}, "figures": figures}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.limits", description=__doc__)
    what = ("tasks", "deadlines", "hooked", "hooks", "restoring", "workers", "projection")
    parser.add_argument("what", nargs="*", choices=what, help="default: all")
    parser.add_argument("--tasks", type=int, default=1_000_000, help="open tasks (default a million)")
    parser.add_argument("--deadlines", type=int, default=100_000, help="deadlines within one second")
    parser.add_argument("--listed", type=int, default=100_000, help="tasks in lists")
    parser.add_argument("--hooks", type=int, default=20_000, help="tasks with hooks that are due at once")
    parser.add_argument("--events", type=int, default=60_000, help="events that the workers share")
    return parser.parse_args()


if __name__ == "__main__":
    main()
