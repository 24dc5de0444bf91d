"""The stores as fixtures: ``store`` is an opened, empty one of each implementation in turn."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import pytest
import redis

from runner.store.connection.command import Connection
from runner.store.connection.single import connect
from runner.store.memory_store import MemoryStore
from tests.contract.samples import OWNERSHIP, SHARDS
from tests.contract.subjects import ListedRedisStore, Subject
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_server import LANES, running_redis

TIMEOUT_SECONDS: Final = 10.0
MEMORY: Final = "memory"

NewRedisStore: TypeAlias = Callable[[str], ListedRedisStore]


def memory_store() -> MemoryStore:
    """Return an empty store with the time of this machine, as the servers beside it have it."""
    return MemoryStore(lambda: time.time_ns() // 1_000_000, SHARDS)


@pytest.fixture(scope="session")
def new_redis_store() -> Iterator[NewRedisStore]:
    """Give an empty store on the server of a lane; one server a lane, a prefix of its own each time."""
    found: dict[str, tuple[Connection, list[redis.Redis]]] = {}
    with contextlib.ExitStack() as running:

        def new(lane: str) -> ListedRedisStore:
            if lane not in found:
                try:
                    server = running.enter_context(running_redis(lane))
                except LaneMissing as missing:
                    skip_or_fail(missing, REQUIRE_REDIS)
                connection = running.enter_context(contextlib.closing(connect(server.url, TIMEOUT_SECONDS)))
                found[lane] = connection, [running.enter_context(server.client())]
            return ListedRedisStore(*found[lane], uuid.uuid4().hex, SHARDS)

        yield new


@pytest.fixture(params=[MEMORY, *(pytest.param(lane, marks=pytest.mark.redis) for lane in LANES)])
def fresh(request: pytest.FixtureRequest, new_redis_store: NewRedisStore) -> Subject:
    """A store of each implementation that nobody has opened yet."""
    if request.param == MEMORY:
        return memory_store()
    return new_redis_store(request.param)


@pytest.fixture
def store(fresh: Subject) -> Subject:
    """An opened, empty store of each implementation: incarnation 1 of ``OWNERSHIP``."""
    assert fresh.open(OWNERSHIP).incarnation == 1
    return fresh
