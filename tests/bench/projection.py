"""``python -m tests.bench.projection``: how fast lists are filled, and how far they lag behind the changelog.

Tasks are as HTTP lists have them: two of 200 roles each, 2,000 users, a name of four words. What is measured
is a projector in a process of its own, on SQLite and on PostgreSQL, with the changelog on a real Kafka.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import uuid4
from zlib import crc32

import msgspec
from confluent_kafka import Message, Producer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, inspect, select

from runner.changelog.codec import (
    changelog_key,
    encode_entry,
    encode_part_entry,
    entry_headers,
    part_headers,
)
from runner.projection.builds import Build, list_builds
from runner.projection.database import connect
from runner.projection.tables import LIVE
from runner.tasks.keys import TaskKey
from runner.tasks.parts import LIFE, Life, Status, TaskOwnership, TaskStart, TaskState, encode_part
from runner.tasks.record import Record
from tests.bench.process import cpu_seconds, resident_mb
from tests.bench.rig import SHARDS, wait_for
from tests.servers.kafka_server import KafkaServer, running_kafka
from tests.servers.lanes import LaneMissing
from tests.servers.postgres_server import running_postgres

ROLES: Final = 200
USERS: Final = 2000
BEGUN_MS: Final = 1_795_000_000_000
PROJECTING: Final = Path(__file__).parents[1] / "e2e" / "projecting.py"
LONGEST_SECONDS: Final = 900.0
WARM_UP_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 0.01
_EXTRA: Final = "x" * 300


class Changelog:
    """A topic of its own, to which records are written as a worker writes them."""

    def __init__(self, kafka: KafkaServer) -> None:
        self.topic = f"bench-tasks-{uuid4().hex[:8]}"
        self._kafka = kafka
        kafka.create_topics({self.topic: SHARDS}, {"cleanup.policy": "compact"})
        self._producer = Producer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "linger.ms": 2,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self.written: dict[tuple[int, int], float] = {}
        """When a message was handed to the client, by partition and offset; only those that are timed."""

    def start(self, tasks: int) -> None:
        """Write so many open tasks."""
        random = Random(tasks)
        for number in range(tasks):
            record = _record(number, random)
            self._send(record.key, "", encode_entry(record), entry_headers(record))
            if number % 10_000 == 0:
                self._producer.poll(0)
        self._producer.flush()

    def claim(self, number: int, revision: int) -> None:
        """Write that somebody has claimed a task, and note when."""
        record = _record(number, Random(number))
        source = f"1/0@{10_000_000 + revision}"
        ownership = TaskOwnership(None, record.state.roles, f"user-{revision % USERS}", is_firm=True)
        life = encode_part(Life(revision, 1, source, ownership=ownership))
        headers = part_headers(record, life, source)
        self._send(record.key, LIFE, encode_part_entry(record, LIFE, life), headers, is_timed=True)
        self._producer.poll(0)

    def serve(self) -> None:
        """Hear of what was written."""
        self._producer.poll(0)

    def _send(self, key: TaskKey, part: str, value: bytes, headers: Any, *, is_timed: bool = False) -> None:
        sent = time.monotonic()

        def delivered(_error: object, message: Message) -> None:
            self.written[int(message.partition() or 0), int(message.offset() or 0)] = sent

        extra: dict[str, Any] = {"on_delivery": delivered} if is_timed else {}
        shard = crc32(key.id.encode()) % SHARDS
        self._producer.produce(
            self.topic, value, changelog_key(key, part), shard, headers=list(headers), **extra
        )


def _record(number: int, random: Random) -> Record:
    key = TaskKey("orders", f"req-{number}:step-{number % 7}")
    event = {
        "requestMeta": {"id": f"r-{number}", "claims": {"sub": f"user-{number % USERS}", "roles": ["a"]}},
        "sagaMeta": [{"sagaId": f"s-{number}", "stepId": "approve"}],
        "eventMeta": {"action": "StartTask", "domain": "orders", "parameters": {}},
        "payload": {"taskId": key.id, "amount": number % 977, "customer": {"city": "Köln"}, "text": _EXTRA},
    }
    roles = tuple(f"role-{each}" for each in random.sample(range(ROLES), 2))
    state = TaskState(Status.OPEN, number % 12, f"1/{number % 12}@{number}", BEGUN_MS + number, roles=roles)
    name = f"Approve purchase {number % 50} again"
    return Record(
        key,
        1,
        state,
        TaskStart(msgspec.Raw(json.dumps(event).encode()), name=name, spec=f"spec-{number % 10}"),
    )


def measure_projection(kafka: KafkaServer, tasks: int, per_second: int, seconds: float) -> dict[str, float]:
    """Fill lists of each kind of database, then follow changes at a steady rate."""
    changelog = Changelog(kafka)
    changelog.start(tasks)
    lag: dict[str, float] = {}
    figures: dict[str, float] = {"projection: open tasks": tasks, "projection: changes/s": per_second}
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory())
        urls = {"SQLite": f"sqlite:///{folder}/lists.db"}
        try:
            urls["PostgreSQL"] = running.enter_context(running_postgres()).new_database()
        except LaneMissing as missing:
            Console(stderr=True).print(str(missing))
        revision = 2
        for name, url in urls.items():
            with _projecting(kafka, changelog.topic, url) as process, _connected(url) as engine:
                found = _filled(engine, process, tasks)
                for length in (WARM_UP_SECONDS, seconds):
                    lag = _lag(engine, changelog, process, (tasks, revision, per_second, length))
                    revision += int(per_second * length)
                found |= lag
            figures |= {f"projection, {name}: {what}": figure for what, figure in found.items()}
    return figures


def _filled(engine: Engine, process: subprocess.Popen[bytes], tasks: int) -> dict[str, float]:
    begun = time.monotonic()
    wait_for(lambda: _live(engine) is not None, "lists that are filled", 0.02, LONGEST_SECONDS)
    took = time.monotonic() - begun
    return {
        "rows/s filled": tasks / took,
        "processor µs a row filled": 1e6 * cpu_seconds(process.pid) / tasks,
        "MB of the projector after filling": resident_mb(process.pid),
    }


def _lag(
    engine: Engine,
    changelog: Changelog,
    process: subprocess.Popen[bytes],
    load: tuple[int, int, int, float],
) -> dict[str, float]:
    """Claim tasks at a steady rate, and look all the time how far the lists are."""
    tasks, revision, per_second, seconds = load
    build = _live(engine)
    assert build is not None
    changelog.written.clear()
    begun, spent, sent, lags = time.monotonic(), cpu_seconds(process.pid), 0, list[float]()
    total = int(per_second * seconds)
    while len(lags) < total:
        now = time.monotonic()
        while sent < min(total, (now - begun) * per_second):
            changelog.claim((sent * 7919) % tasks, revision + sent)
            sent += 1
        lags += _seen(engine, build, changelog)
        if now - begun > LONGEST_SECONDS:
            raise RuntimeError(f"{total - len(lags)} changes were never seen")
        time.sleep(_PAUSE_SECONDS)
    took = time.monotonic() - begun
    lags.sort()
    return {
        "lag p50 ms": 1000 * lags[total // 2],
        "lag p99 ms": 1000 * lags[total * 99 // 100],
        "processor of the projector, % of a core": 100 * (cpu_seconds(process.pid) - spent) / took,
    }


def _seen(engine: Engine, build: Build, changelog: Changelog) -> list[float]:
    """Return how long ago the changes were sent that can be seen since the last look."""
    changelog.serve()
    with engine.connect() as connection:
        table = build.tables.positions
        rows = connection.execute(select(table.c.shard, table.c.next_offset)).all()
        known = {row.shard: row.next_offset for row in rows}
    now = time.monotonic()
    seen = [place for place in changelog.written if place[1] < known[place[0]]]
    return [now - changelog.written.pop(place) for place in seen]


def _live(engine: Engine) -> Build | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("builds"):
            return None
    return next((build for build in list_builds(engine) if build.state == LIVE), None)


@contextmanager
def _connected(url: str) -> Iterator[Engine]:
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _projecting(kafka: KafkaServer, topic: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a projector for the length of the block; fails if it ended by itself."""
    environment = os.environ | {
        "RUNNER_KAFKA__BROKERS": kafka.bootstrap,
        "RUNNER_KAFKA__GROUP": topic,
        "RUNNER_TOPICS__TASKS": topic,
        "RUNNER_PROJECTION": json.dumps({"url": url, "attributes": {"amount": "amount"}}),
        "RUNNER_DOMAINS": json.dumps({"orders": {}}),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, str(PROJECTING)], env=environment, stderr=log, stdout=log)
        try:
            yield process
        finally:
            code = process.poll()
            process.terminate()
            process.wait(60)
            if code is not None:
                log.seek(0)
                raise RuntimeError(f"the projector ended with {code}: {log.read()[-2000:].decode()}")


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.projection", description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000, help="open tasks (default 100,000)")
    parser.add_argument("--rate", type=int, default=1000, help="changes a second (default 1,000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long changes are made (default 20)")
    asked = parser.parse_args()
    with running_kafka() as kafka:
        figures = measure_projection(kafka, asked.tasks, asked.rate, asked.seconds)
    table = Table(title=f"lists, {kafka.lane}, {os.cpu_count()} cores")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for what, figure in figures.items():
        table.add_row(what, f"{figure:,.2f}")
    Console(stderr=True).print(table)
    print(json.dumps({"about": {"cores": os.cpu_count(), "kafka": kafka.lane}, "figures": figures}))


if __name__ == "__main__":
    main()
