"""The servers of a soak: a Kafka and a Redis of its own, which it may end and start again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.site import Site, session_ms
from tests.servers.own_kafka import OwnBroker
from tests.servers.redis_server import VALKEY, RedisServer

HOMES: Final = 12
MORE_HOMES: Final = 24
SESSION_MS: Final = 3_000
RETENTION_SECONDS: Final = 600
EVERY_WRITE_KEPT: Final = ("--appendfsync", "always")


@dataclass(frozen=True, slots=True)
class SoakRig:
    """What the workers of a soak stand on."""

    broker: OwnBroker
    redis: RedisServer
    site: Site


@contextmanager
def soak_rig(folder: Path, kafka_version: str | None) -> Iterator[SoakRig]:
    """Run both servers for the length of a block; the topics are made, the changelog among them."""
    broker = OwnBroker(folder / "kafka", kafka_version)
    redis = RedisServer(VALKEY, folder / "redis", appendonly=True, options=EVERY_WRITE_KEPT)
    broker.start()
    try:
        redis.start()
        yield SoakRig(broker, redis, _site(broker, redis, folder))
    finally:
        redis.stop()
        broker.stop()


def _site(broker: OwnBroker, redis: RedisServer, folder: Path) -> Site:
    session = max(SESSION_MS, session_ms(broker.server))
    settings = {
        "RUNNER_TOPICS__TASKS": "tasks-soak",
        "RUNNER_TASK__RETENTIONSECONDS": str(RETENTION_SECONDS),
    }
    site = Site(broker.server, redis.url, folder, session, HOMES, settings=settings)
    site.create_topics()
    return site
