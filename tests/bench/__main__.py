"""``make bench``: every figure of docs/performance.md, measured in one run on real servers.

Prints a table, and the same as JSON on the last line. Figures are medians of several rounds; on a
shared machine compare ratios of one run, never absolute figures of two.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.ceilings import CEILING_OF_THE_SAME, CEILING_WITH_CHANGELOG, CEILINGS, measure_ceiling
from tests.bench.codecs import CODECS, measure_codec
from tests.bench.events import EVENT_BYTES
from tests.bench.latency import (
    Spread,
    measure_ceiling_latency,
    measure_forwarded_latency,
    measure_latency,
    measure_lateness,
)
from tests.bench.memory import measure_bytes_per_task
from tests.bench.rig import new_rig, with_changelog
from tests.bench.throughput import measure_forwarded, measure_throughput
from tests.bench.verbs import measure_histories, measure_lived_bytes, measure_verbs
from tests.servers.kafka_server import KafkaServer, running_kafka
from tests.servers.redis_server import RedisServer, running_redis
from tests.servers.schema_registry import SchemaRegistryServer, running_registry

WARM_UP_TIMES: Final = 3
WARM_UP_SMALL: Final = 10
"""Rounds of small batches. A broker that was just started takes four times as much time for a message as
one that runs for long, and its compiler takes half a core for the first minute and a half of them."""


class Bench:
    """Runs the measurements and keeps every figure by its name."""

    def __init__(self, kafka: KafkaServer, redis: RedisServer, console: Console) -> None:
        self._kafka = kafka
        self._redis = redis
        self._console = console
        self.figures: dict[str, list[float]] = defaultdict(list)

    def warm_up(self, tasks: int, per_second: int, seconds: float) -> None:
        """Let the broker compile what it will run, large batches and small ones: nothing of this is kept."""
        self._console.print("warming up")
        rig = with_changelog(new_rig(self._kafka, self._redis, "warm"))
        measure_throughput(rig, WARM_UP_TIMES * tasks)
        for _ in range(WARM_UP_SMALL):
            told = with_changelog(new_rig(self._kafka, self._redis, "warm"))
            measure_latency(told, per_second // 2, seconds)
        measure_ceiling(rig, 2 * tasks, CEILING_WITH_CHANGELOG)

    def throughput(self, tasks: int) -> None:
        """One round of the worker and of every ceiling, over the same events."""
        rig = new_rig(self._kafka, self._redis, "home")
        self._note("worker events/s", measure_throughput(rig, tasks).events_per_second)
        for ceiling in CEILINGS:
            self._note(f"ceiling {ceiling.name} events/s", measure_ceiling(rig, 2 * tasks, ceiling))
        told = with_changelog(new_rig(self._kafka, self._redis, "feed"))
        measured = measure_throughput(told, tasks)
        self._note("worker events/s, changelog", measured.events_per_second)
        for part, spent_us in measured.split_us.items():
            self._note(f"{part} µs/event, changelog", spent_us)
        for ceiling in (CEILING_WITH_CHANGELOG, CEILING_OF_THE_SAME):
            self._note(f"ceiling {ceiling.name} events/s", measure_ceiling(told, 2 * tasks, ceiling))
        rig = new_rig(self._kafka, self._redis, "forwarded")
        self._note("worker forwarded ProceedTasks/s", measure_forwarded(rig, tasks))

    def encodings(self, tasks: int, registry: SchemaRegistryServer) -> None:
        """One round of the worker over the same events in Avro, without a registry and with one."""
        for encoding, codec in CODECS.items():
            self._note(f"codec {encoding} µs/event", measure_codec(codec))
        for encoding, asked in (("avro", None), ("confluent-avro", registry)):
            rig = new_rig(self._kafka, self._redis, encoding, encoding, asked)
            self._note(f"worker events/s, {encoding}", measure_throughput(rig, tasks).events_per_second)

    def latency(self, per_second: int, seconds: float) -> None:
        """One round at a steady rate, of events sent to the home and of events that are forwarded."""
        self._note("latency load events/s", per_second)
        for changelog, prepared in (("", lambda rig: rig), (", changelog", with_changelog)):
            for what, measure in (("answer", measure_latency), ("forwarded", measure_forwarded_latency)):
                rig = prepared(new_rig(self._kafka, self._redis, "latency"))
                measured = measure(rig, per_second, seconds)
                self._note_spread(f"{what}{changelog}", measured)
        rig = with_changelog(new_rig(self._kafka, self._redis, "latency"))
        self._note_spread("answer of ceiling e", measure_ceiling_latency(rig, per_second, seconds))

    def lateness(self, what: str, tasks: int, over_seconds: float) -> None:
        """One round of deadlines, told to a changelog as well."""
        rig = with_changelog(new_rig(self._kafka, self._redis, "timers"))
        measured = measure_lateness(rig, tasks, over_seconds)
        self._note(f"timer {what}, p50 ms late", measured.p50_ms)
        self._note(f"timer {what}, p99 ms late", measured.p99_ms)

    def memory(self, tasks: int) -> None:
        """One round of open tasks."""
        rig = new_rig(self._kafka, self._redis, "memory")
        self._note("Redis bytes per open task", measure_bytes_per_task(rig, tasks))

    def verbs(self, tasks: int) -> None:
        """One round of what people do: each verb, at several lengths of the history, and its memory."""
        for measure, number in (
            (measure_verbs, tasks),
            (measure_histories, tasks // 15),
            (measure_lived_bytes, tasks // 3),
        ):
            rig = with_changelog(new_rig(self._kafka, self._redis, "verbs"))
            for name, value in measure(rig, number).items():
                self._note(name, value)

    def medians(self) -> dict[str, float]:
        """Return the median of every figure, and the ratio to the highest ceiling that has a store."""
        found = {name: median(values) for name, values in self.figures.items()}
        if "ceiling c store events/s" in found:
            found["worker / ceiling c"] = found["worker events/s"] / found["ceiling c store events/s"]
            with_changelog_on = found["worker events/s, changelog"]
            found["worker with changelog / ceiling d"] = (
                with_changelog_on / found["ceiling d changelog events/s"]
            )
            found["worker with changelog / ceiling e"] = with_changelog_on / found["ceiling e whole events/s"]
        for other in ("avro", "confluent-avro", "changelog"):
            if f"worker events/s, {other}" in found:
                found[f"{other} / without"] = found[f"worker events/s, {other}"] / found["worker events/s"]
        return found

    def _note_spread(self, name: str, measured: Spread) -> None:
        self._note(f"{name} p50 ms", measured.p50_ms)
        self._note(f"{name} p99 ms", measured.p99_ms)

    def _note(self, name: str, value: float) -> None:
        self.figures[name].append(value)
        self._console.print(f"  {name}: {value:,.1f}")


def main() -> None:
    """Measure, and print what was found."""
    asked = _arguments()
    console = Console(stderr=True)
    with (
        running_kafka() as kafka,
        running_redis() as redis,
        tempfile.TemporaryDirectory() as folder,
        running_registry(Path(folder)) as registry,
    ):
        bench = Bench(kafka, redis, console)
        bench.warm_up(asked.tasks, asked.rate, asked.seconds)
        for number in range(asked.rounds):
            console.print(f"round {number + 1} of {asked.rounds}")
            _round(bench, asked, registry)
        _print(bench, asked, kafka.lane)


def _round(bench: Bench, asked: argparse.Namespace, registry: SchemaRegistryServer) -> None:
    if asked.only_verbs:
        bench.verbs(asked.tasks)
        return
    bench.throughput(asked.tasks)
    bench.encodings(asked.tasks, registry)
    if asked.only_throughput:
        return
    bench.latency(asked.rate, asked.seconds)
    bench.lateness("idle", 50, 10.0)
    bench.lateness("5,000 in 1 s", 5_000, 1.0)
    bench.lateness("20,000 in 1 s", 20_000, 1.0)
    bench.memory(asked.tasks)
    bench.verbs(asked.tasks)


def _print(bench: Bench, asked: argparse.Namespace, lane: str) -> None:
    table = Table(title=f"medians of {asked.rounds} rounds, {EVENT_BYTES}-byte events, exactly once, {lane}")
    table.add_column("what")
    table.add_column("median", justify="right")
    table.add_column("all rounds", justify="right")
    medians = bench.medians()
    for name, value in medians.items():
        rounds = ", ".join(f"{each:,.1f}" for each in bench.figures.get(name, []))
        table.add_row(name, f"{value:,.2f}", rounds)
    Console().print(table)
    about: dict[str, Any] = {"cores": os.cpu_count(), "python": platform.python_version(), "kafka": lane}
    print(json.dumps({"about": about, "medians": medians, "rounds": bench.figures}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every measurement (default 3)")
    parser.add_argument("--tasks", type=int, default=30_000, help="tasks of a throughput round")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a latency round")
    parser.add_argument("--rate", type=int, default=2000, help="events/s of a latency round (default 2000)")
    parser.add_argument("--only-throughput", action="store_true", help="events a second, and nothing else")
    parser.add_argument("--only-verbs", action="store_true", help="what people do, and nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    main()
