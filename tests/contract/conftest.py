"""The stores as fixtures: ``store`` is an opened, empty one of each implementation in turn."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import pytest
import redis

from runner.embedded.subprocesses import HOST
from runner.store.connection.cluster import connect_cluster
from runner.store.connection.command import Connection
from runner.store.connection.single import connect, connect_sentinel
from runner.store.connection.slots import Address
from runner.testing.memory_store import MemoryStore
from tests.contract.samples import OWNERSHIP, SHARDS
from tests.contract.subjects import ListedRedisStore, RestorableSubject, Subject
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_cluster import RedisCluster, running_cluster
from tests.servers.redis_sentinel import MASTER, running_sentinel
from tests.servers.redis_server import LANES, RedisServer, running_redis

TIMEOUT_SECONDS: Final = 10.0
MEMORY: Final = "memory"

CLUSTER: Final = "cluster"
SENTINEL: Final = "sentinel"

NewRedisStore: TypeAlias = Callable[[str], ListedRedisStore]
Reached: TypeAlias = tuple[Connection, list[redis.Redis]]
"""The way to Redis, and a client of every master."""


def memory_store() -> MemoryStore:
    """Return an empty store with the time of this machine, as the servers beside it have it."""
    return MemoryStore(lambda: time.time_ns() // 1_000_000, SHARDS)


@pytest.fixture(scope="session")
def new_redis_store() -> Iterator[NewRedisStore]:
    """Give an empty store in a lane or topology; one set of servers each, a prefix of its own each time."""
    found: dict[str, Reached] = {}
    with contextlib.ExitStack() as running:

        def new(place: str) -> ListedRedisStore:
            if place not in found:
                try:
                    found[place] = _reach(place, running)
                except LaneMissing as missing:
                    skip_or_fail(missing, REQUIRE_REDIS)
            return ListedRedisStore(*found[place], uuid.uuid4().hex, SHARDS)

        yield new


@pytest.fixture(
    params=[MEMORY, *(pytest.param(place, marks=pytest.mark.redis) for place in (*LANES, CLUSTER, SENTINEL))]
)
def fresh(request: pytest.FixtureRequest, new_redis_store: NewRedisStore) -> Subject:
    """A store of each implementation, and in each topology, that nobody has opened yet."""
    if request.param == MEMORY:
        return memory_store()
    return new_redis_store(request.param)


@pytest.fixture
def store(fresh: Subject) -> Subject:
    """An opened, empty store of each implementation: incarnation 1 of ``OWNERSHIP``."""
    assert fresh.open(OWNERSHIP).incarnation == 1
    return fresh


@pytest.fixture
def restorable(store: Subject) -> RestorableSubject:
    """The same as a store that can be filled again: each of them is one."""
    assert isinstance(store, MemoryStore | ListedRedisStore)
    return store


def _reach(place: str, running: contextlib.ExitStack) -> Reached:
    """Start the servers of a lane or topology, and connect to them."""
    masters: list[RedisServer]
    connection: Connection
    match place:
        case "cluster":
            cluster = running.enter_context(running_cluster())
            connection, masters = connect_cluster(nodes_of(cluster)[:1], TIMEOUT_SECONDS), cluster.masters
        case "sentinel":
            pair = running.enter_context(running_sentinel())
            sentinels = [Address(HOST, pair.port)]
            connection = connect_sentinel(sentinels, MASTER, TIMEOUT_SECONDS, {})
            masters = pair.servers[:1]
        case _:
            masters = [running.enter_context(running_redis(place))]
            connection = connect(masters[0].url, TIMEOUT_SECONDS)
    running.enter_context(contextlib.closing(connection))
    return connection, [running.enter_context(master.client()) for master in masters]


def nodes_of(cluster: RedisCluster) -> list[Address]:
    """Return where the nodes of a cluster are."""
    return [Address(HOST, node.port) for node in cluster.nodes]
