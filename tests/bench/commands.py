"""``python -m tests.bench.commands``: how long a command over HTTP takes at a steady rate, with real servers.

A task is started when it is due, whether or not those before are answered, and measured from then; it is
claimed after that. Pages of lists and single tasks are read meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from tests.e2e.site import SHORTEST_SESSION_MS, Site
from tests.e2e.web import API, Web, create_topics, office, web_settings
from tests.servers.kafka_server import running_kafka
from tests.servers.redis_server import running_redis

_SESSION_MS: Final = max(SHORTEST_SESSION_MS, 10_000)
WARM_SECONDS: Final = 10.0


class Measured:
    """Seconds by what was asked for."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return name, count, p50 and p99 of each, in milliseconds."""
        found = []
        for name, seconds in self.seconds.items():
            ordered = sorted(seconds)
            p50, p99 = (1000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
            found.append((name, str(len(ordered)), f"{p50:.1f}", f"{p99:.1f}"))
        return found


async def measure(url: str, rate: float, seconds: float) -> Measured:
    """Ask at a rate for so long; half of it are commands that start a task, half that claim one."""
    measured, warm = Measured(), Measured()
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with (
        httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client,
        asyncio.TaskGroup() as all_,
    ):
        began = time.monotonic()
        for number in range(int((WARM_SECONDS + seconds) * rate / 2)):
            due = began + number * 2 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            into = warm if due - began < WARM_SECONDS else measured
            all_.create_task(_work(client, f"bench-{number}", due, into))
    return measured


async def _work(client: httpx.AsyncClient, task_id: str, due: float, into: Measured) -> None:
    start = {"domain": "default", "taskId": task_id, "roles": ["manager"], "data": {"amount": 12}}
    await _ask(client, "start", "sam", "POST", "/tasks", due, into, json=start)
    path = f"/tasks/default/{task_id}"
    await _ask(client, "claim", "ann", "POST", f"{path}/claim", time.monotonic(), into)
    await _ask(client, "one task", "ann", "GET", path, time.monotonic(), into)
    query = {"forMe": "true", "limit": "50"}
    await _ask(client, "page of 50", "ann", "GET", "/tasks", time.monotonic(), into, params=query)


async def _ask(
    client: httpx.AsyncClient,
    name: str,
    who: str,
    method: str,
    path: str,
    due: float,
    into: Measured,
    **more: object,
) -> None:
    headers = {"Authorization": f"Bearer {who}"}
    answer = await client.request(method, API + path, headers=headers, **more)  # type: ignore[arg-type]
    answer.raise_for_status()
    into.seconds[name].append(time.monotonic() - due)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.commands", description=__doc__)
    parser.add_argument("--rate", type=float, default=100.0, help="commands a second (default 100)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long, after ten seconds to warm up")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_kafka() as kafka,
        running_redis() as redis,
    ):
        site = Site(kafka, redis.url, Path(folder), _SESSION_MS, settings=web_settings())
        create_topics(site)
        with office(site) as opened:
            web: Web = opened.open()
            measured = asyncio.run(measure(web.url, asked.rate, asked.seconds))
    table = Table(title=f"{asked.rate:g} commands a second, milliseconds")
    for name in ("what", "requests", "p50", "p99"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in measured.rows():
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
