"""``python -m tests.bench.event_streams``: what a thousand open event streams cost a process of the API.

The server is a process of its own with the whole app on SQLite; its clients are sockets of this process.
Callers have ten of two hundred roles, and each change is one of a task of two roles. Memory is what the
streams add to a server that has served one; processor time is that of the server alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from starlette.datastructures import Headers

from runner.projection.builds import ChangelogTopic, begin, list_builds, live_build, prepare, replace_live
from runner.projection.changes import Recent
from runner.projection.database import connect, writing
from runner.projection.folding import FoldSettings
from runner.projection.sight import Sight, Viewer
from runner.web.app import build_app
from runner.web.callers import Caller
from runner.web.changes import Hub
from runner.web.event_response import EventStreams
from runner.web.seats import Seats
from runner.web.server import WebServer
from tests.bench.process import cpu_seconds, resident_mb
from tests.unit.web.desk import Inquirer

SHARDS: Final = 16
ROLES: Final = 200
ROLES_OF_CALLER: Final = 10
DOMAIN: Final = "orders"
_SETTINGS: Final = FoldSettings()
_VERSION: Final = re.compile(rb'"version":"([0-9]+)"')
_OPENING_AT_ONCE: Final = 50
_SETTLE_SECONDS: Final = 3.0
_BATCH_SECONDS: Final = 0.05


class Clerks:
    """Callers who have roles by their number."""

    async def of(self, headers: Headers, method: str = "POST") -> Caller:  # noqa: ARG002 - as the Protocol has it
        """Return the caller whose number follows ``Bearer``."""
        number = int(headers["authorization"].removeprefix("Bearer "))
        names = Random(number).sample(range(ROLES), ROLES_OF_CALLER)
        roles, domains = frozenset(f"role-{name}" for name in names), frozenset({DOMAIN})
        user = f"user-{number}"
        return Caller(user, user, roles, domains, "", "", Viewer(user, roles, domains))


def serve(url: str) -> None:
    """Serve the API, its lists aside, until the standard input ends; the port is printed."""
    streams = EventStreams(Hub(Recent(connect(url))), Seats(100_000, 100_000))
    parts = replace(Inquirer().parts, authenticator=Clerks(), streams=streams)
    server = WebServer(build_app(parts), ("127.0.0.1", 0), 5, streams.hub.close)
    print(server.port, flush=True)
    sys.stdin.read()
    server.stop()


@dataclass
class Projection:
    """A projection in which somebody else writes."""

    url: str
    random: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        self._engine = connect(self.url)
        prepare(self._engine)
        begin(self._engine, _SETTINGS, ChangelogTopic("topic", dict.fromkeys(range(SHARDS), 0), None), 0)
        with writing(self._engine) as connection:
            replace_live(connection, 1, 0)
        build = live_build(list_builds(self._engine))
        assert build is not None
        self._tables = build.tables
        self._next = dict.fromkeys(range(SHARDS), 0)

    def change(self, count: int) -> None:
        """Write so many changes in one transaction; the version of each is the moment, in ns."""
        rows = [self._row() for _ in range(count)]
        with writing(self._engine) as connection:
            connection.execute(self._tables.changes.insert(), rows)
            positions = self._tables.positions
            for shard in {row["shard"] for row in rows}:
                moved = positions.update().where(positions.c.shard == shard)
                connection.execute(moved.values(next_offset=self._next[int(str(shard))]))

    def _row(self) -> dict[str, object]:
        shard = self.random.randrange(SHARDS)
        place = self._next[shard]
        self._next[shard] += 1
        roles = tuple(f"role-{number}" for number in self.random.sample(range(ROLES), 2))
        sight = msgspec.json.encode(Sight(DOMAIN, roles=roles)).decode()
        return {
            "shard": shard,
            "place": place,
            "at_ms": time.time_ns() // 1_000_000,
            "domain": DOMAIN,
            "key": f"order-{shard}-{place}",
            "version": str(time.monotonic_ns()),
            "before": sight,
            "after": sight,
        }


@dataclass
class Server:
    """The server's process."""

    pid: int
    port: int


@contextmanager
def running_server(url: str) -> Iterator[Server]:
    """Run a server until the block ends."""
    command = [sys.executable, "-m", "tests.bench.event_streams", "--serve", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(process.pid, int(process.stdout.readline()))
        assert process.stdin is not None
        process.stdin.close()


class Ear:
    """A client of one stream, which notes how late it hears of each change."""

    def __init__(self, late_ms: list[float]) -> None:
        self._late_ms = late_ms

    async def open(self, port: int, number: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {number}\r\n\r\n"
        self._writer.write(request.encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head, head
        await self._reader.readuntil(b"\n\n")

    async def hear(self) -> None:
        while text := await self._reader.read(65_536):
            now = time.monotonic_ns()
            self._late_ms += [(now - int(version)) / 1e6 for version in _VERSION.findall(text)]

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def listening(port: int, count: int, late_ms: list[float]) -> AsyncIterator[None]:
    """Keep so many streams open."""
    ears = [Ear(late_ms) for _ in range(count)]
    for first in range(0, count, _OPENING_AT_ONCE):
        part = range(first, min(first + _OPENING_AT_ONCE, count))
        await asyncio.gather(*(ears[number].open(port, number) for number in part))
    hearing = [asyncio.create_task(ear.hear()) for ear in ears]
    yield
    for ear in ears:
        ear.close()
    await asyncio.gather(*hearing, return_exceptions=True)


async def measure(projection: Projection, server: Server, streams: int, seconds: float) -> dict[str, float]:
    """Return what the streams cost, silent and with changes at several rates."""
    found: dict[str, float] = {}
    late_ms: list[float] = []
    async with listening(server.port, 1, late_ms):
        await asyncio.sleep(_SETTLE_SECONDS)
        before = resident_mb(server.pid)
        found["MB of the server with one stream"] = before
        found["% of a core, one stream, idle"] = await _load(server, seconds)
    began = time.monotonic()
    async with listening(server.port, streams, late_ms):
        found["streams opened a second"] = streams / (time.monotonic() - began)
        await asyncio.sleep(_SETTLE_SECONDS)
        found["% of a core, idle"] = await _load(server, seconds)
        found["MB that the streams add"] = resident_mb(server.pid) - before
        for rate in (10, 100, 1000):
            late_ms.clear()
            load = asyncio.create_task(_load(server, seconds))
            await _write(projection, rate, seconds)
            found[f"% of a core, {rate} changes/s"] = await load
            await asyncio.sleep(1)
            ordered = sorted(late_ms)
            found[f"told a second, {rate} changes/s"] = len(ordered) / seconds
            found[f"ms late p50, {rate} changes/s"] = ordered[len(ordered) // 2]
            found[f"ms late p99, {rate} changes/s"] = ordered[len(ordered) * 99 // 100]
        found["MB that the streams add, after changes"] = resident_mb(server.pid) - before
    return found


async def _write(projection: Projection, rate: int, seconds: float) -> None:
    began, written = time.monotonic(), 0
    while (spent := time.monotonic() - began) < seconds:
        due = int(spent * rate) - written
        if due:
            await asyncio.to_thread(projection.change, due)
            written += due
        await asyncio.sleep(_BATCH_SECONDS)


async def _load(server: Server, seconds: float) -> float:
    """Return how much of a core the server takes."""
    before, began = cpu_seconds(server.pid), time.monotonic()
    await asyncio.sleep(seconds)
    return 100 * (cpu_seconds(server.pid) - before) / (time.monotonic() - began)


def measure_event_streams(streams: int = 1000, seconds: float = 30.0) -> dict[str, float]:
    """Return what event streams cost, each figure by its name."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'lists.db'}"
        projection = Projection(url)
        with running_server(url) as server:
            return asyncio.run(measure(projection, server, streams, seconds))


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.event_streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000, help="open streams (default 1000)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each measurement (default 30)")
    parser.add_argument("--serve", metavar="URL", help="be the server, on this projection")
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve)
        return
    found = measure_event_streams(asked.streams, asked.seconds)
    table = Table("what", "found", title=f"{asked.streams} event streams")
    for name, value in found.items():
        table.add_row(name, f"{value:,.1f}")
    Console().print(table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
