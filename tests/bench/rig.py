"""The rig of every measurement: real servers, fresh topics, and one worker process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, Final
from urllib.request import urlopen

from confluent_kafka import ConsumerGroupState, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from prometheus_client.parser import text_string_to_metric_families

from runner.embedded.subprocesses import HOST, free_port
from runner.envelope import avro_schema
from runner.envelope.avro import AvroCodec
from runner.envelope.codec import JsonCodec
from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import RedisServer
from tests.servers.schema_registry import SchemaRegistryServer

HOMES: Final = 12
SHARDS: Final = 16
"""As many as ``redis.shards`` is by default."""
WAIT_SECONDS: Final = 120.0
_LOOP_SECONDS: Final = "runner_loop_seconds_total"
_number = count(1)


@dataclass(frozen=True, slots=True)
class Rig:
    """Topics of their own on shared servers; ``name`` makes them unique."""

    kafka: KafkaServer
    redis: RedisServer
    name: str
    encoding: str = "json"
    """How requests and responses are written."""
    registry: SchemaRegistryServer | None = None
    """Where the schemas of confluent-avro are."""
    has_changelog: bool = False
    """Whether every change is told to a changelog."""
    port: int = 0
    """Where its one worker shows its metrics; 0: nowhere."""

    @property
    def requests(self) -> str:
        """The topic the worker reads."""
        return f"{self.name}-requests"

    @property
    def responses(self) -> str:
        """The topic the worker answers on."""
        return f"{self.name}-responses"

    @property
    def dead_letters(self) -> str:
        """Where what cannot be handled goes; must stay empty."""
        return f"{self.name}-dead"

    @property
    def tasks(self) -> str:
        """The changelog, if there is one."""
        return f"{self.name}-tasks"

    def environment(self) -> dict[str, str]:
        """Return the environment of a worker on this rig."""
        registry = {} if self.registry is None else {"RUNNER_SCHEMAREGISTRY__URL": self.registry.url}
        changelog = {"RUNNER_TOPICS__TASKS": self.tasks if self.has_changelog else ""}
        return (
            os.environ
            | registry
            | changelog
            | {
                "RUNNER_ENCODING__DEFAULT": self.encoding,
                "RUNNER_KAFKA__BROKERS": self.kafka.bootstrap,
                "RUNNER_KAFKA__GROUP": self.name,
                "RUNNER_TOPICS__REQUESTS": self.requests,
                "RUNNER_TOPICS__RESPONSES": self.responses,
                "RUNNER_TOPICS__DEADLETTERS": self.dead_letters,
                "RUNNER_REDIS__URL": self.redis.url,
                "RUNNER_REDIS__PREFIX": self.name,
                "RUNNER_HTTP__PORT": str(self.port),
            }
        )

    def loop_seconds(self) -> dict[str, float]:
        """Return how long the worker has spent in each part of its loop."""
        with urlopen(f"http://{HOST}:{self.port}/metrics", timeout=WAIT_SECONDS) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = (sample for family in families for sample in family.samples)
        return {each.labels["part"]: each.value for each in samples if each.name == _LOOP_SECONDS}

    def writer(self) -> Callable[[bytes], bytes]:
        """Return what turns the JSON of an event into a value of requests."""
        if self.encoding == "json":
            return lambda event: event
        avro, json = AvroCodec(), JsonCodec()
        if self.registry is None:
            return lambda event: avro.encode(json.decode(event))
        number = self.registry.register(f"{self.requests}-value", avro_schema.SCHEMA)
        prefix = b"\x00" + number.to_bytes(4, "big")
        return lambda event: prefix + avro.encode(json.decode(event))[10:]

    def count(self, topic: str) -> int:
        """Return how many offsets a topic has up to its last stable one, markers included."""
        places = {TopicPartition(topic, p): _latest() for p in range(HOMES)}
        answers = _admin(self.kafka).list_offsets(places, isolation_level=IsolationLevel.READ_COMMITTED)
        return sum(future.result().offset for future in answers.values())


@cache
def _admin(kafka: KafkaServer) -> AdminClient:
    return kafka.admin()


def _latest() -> OffsetSpec:
    return OffsetSpec.latest()  # type: ignore[no-untyped-call,no-any-return]


def new_rig(
    kafka: KafkaServer,
    redis: RedisServer,
    what: str,
    encoding: str = "json",
    registry: SchemaRegistryServer | None = None,
) -> Rig:
    """Return a rig with fresh topics and an empty Redis."""
    redis.client().flushall()
    name = f"bench-{what}-{os.getpid()}-{next(_number)}"
    rig = Rig(kafka, redis, name, encoding, registry, port=free_port())
    kafka.create_topics({rig.requests: HOMES, rig.responses: HOMES, rig.dead_letters: 1})
    return rig


def with_changelog(rig: Rig) -> Rig:
    """Return the same rig, where every change is told to a changelog."""
    told = replace(rig, has_changelog=True)
    told.kafka.create_topics({told.tasks: SHARDS}, {"cleanup.policy": "compact"})
    return told


@contextmanager
def running_worker(rig: Rig) -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker process for the length of a block; fails if it ended by itself."""
    runner = Path(sys.executable).with_name("runner")
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen([runner, "worker"], env=rig.environment(), stderr=log, stdout=log)
        try:
            _wait_until_open(worker, log)
            yield worker
        except RuntimeError as error:
            state = "runs" if worker.poll() is None else f"ended with {worker.returncode}"
            raise RuntimeError(f"{error}; the worker {state}: {_read(log)[-2000:]}") from error
        finally:
            worker.terminate()
            worker.wait(30)


@contextmanager
def running_workers(rig: Rig, number: int) -> Iterator[None]:
    """Run so many workers for the length of a block, which share the homes evenly before it begins."""
    share, rest = divmod(HOMES, number)
    if rest:
        raise ValueError(f"{number} workers cannot share {HOMES} homes evenly")
    with ExitStack() as running:
        for _ in range(number):
            running.enter_context(_worker(rig))
        _wait_until_shared(rig, [share] * number)
        yield


@contextmanager
def _worker(rig: Rig) -> Iterator[None]:
    runner = Path(sys.executable).with_name("runner")
    quiet = subprocess.DEVNULL
    environment = replace(rig, port=0).environment()  # there are others beside it
    worker = subprocess.Popen([runner, "worker"], env=environment, stderr=quiet, stdout=quiet)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(30)


def _wait_until_shared(rig: Rig, shares: list[int]) -> None:
    def is_shared() -> bool:
        asked = _admin(rig.kafka).describe_consumer_groups([rig.name], request_timeout=10)
        group = asked[rig.name].result()
        members = [len(member.assignment.topic_partitions) for member in group.members]
        return bool(group.state == ConsumerGroupState.STABLE) and members == shares

    wait_for(is_shared, "the workers to share the homes", 0.25)


def wait_for(
    fact: Callable[[], bool], what: str, every_seconds: float = 0.05, longest_seconds: float = WAIT_SECONDS
) -> None:
    """Return once a fact holds; RuntimeError if it takes longer."""
    end = time.monotonic() + longest_seconds
    while not fact():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {longest_seconds:.0f} s in vain for {what}")
        time.sleep(every_seconds)


def _wait_until_open(worker: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    def is_open() -> bool:
        if worker.poll() is not None:
            raise RuntimeError(f"the worker ended at once: {_read(log)[-2000:]}")
        return f'"open": {list(range(HOMES))}' in _read(log)

    wait_for(is_open, "the worker to open its homes")


def _read(log: IO[bytes]) -> str:
    # A reader of its own: the worker writes at the end of the same file.
    return Path(f"/proc/self/fd/{log.fileno()}").read_text(errors="replace")
