"""The store on a master that a Sentinel names: who is asked, who is refused, and who comes next."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import redis

from runner.embedded.subprocesses import HOST, free_port
from runner.errors import StoreRefused, StoreUnavailable
from runner.store.connection.single import connect_sentinel
from runner.store.connection.slots import Address
from tests.contract.samples import OWNERSHIP, SHARDS, one_call_of_each_kind
from tests.contract.subjects import ListedRedisStore
from tests.integration.conftest import takes_writes
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_cluster import ask, kill_caught_up, wait_for
from tests.servers.redis_sentinel import MASTER, SentinelPair, running_sentinel
from tests.servers.redis_server import LANES

SECONDS: Final = 3.0
PASSWORD: Final = "of-the-sentinel"

StoreAt = Callable[..., ListedRedisStore]


@pytest.fixture(params=LANES)
def pair(request: pytest.FixtureRequest) -> Iterator[SentinelPair]:
    with contextlib.ExitStack() as running:
        try:
            found = running.enter_context(running_sentinel(request.param))
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_REDIS)
        yield found


@pytest.fixture
def store_at() -> Iterator[StoreAt]:
    """Give stores by the Sentinels' ports and the master's name, not opened."""
    with contextlib.ExitStack() as running:

        def new(ports: list[int], master: str = MASTER, **sentinel: Any) -> ListedRedisStore:
            nodes = [Address(HOST, port) for port in ports]
            connection = connect_sentinel(nodes, master, SECONDS, sentinel)
            running.enter_context(contextlib.closing(connection))
            return ListedRedisStore(connection, list[redis.Redis](), uuid.uuid4().hex, SHARDS)

        yield new


def test_a_new_master_is_found_whichever_sentinel_answers(pair: SentinelPair, store_at: StoreAt) -> None:
    store = store_at([free_port(), pair.port])
    first = one_call_of_each_kind(store)
    old, new = pair.servers
    kill_caught_up(old, new)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.record(first.key)
    wait_for(lambda: pair.master() is new, "the Sentinel to name the other")
    wait_for(lambda: takes_writes(store), "the store to find it")
    assert store.record(first.key) == first
    one_call_of_each_kind(store, 1)
    assert ask(new, "EXISTS", store._keys.owner) == 1


def test_what_the_sentinels_cannot_say_is_said(pair: SentinelPair, store_at: StoreAt) -> None:
    with pytest.raises(StoreUnavailable, match=r"No master found for 'unknown'"):
        store_at([pair.port], "unknown").open(OWNERSHIP)
    nobody = free_port()
    with pytest.raises(StoreUnavailable, match=rf"No master found for 'tasks' : {HOST}:{nobody} \S*Error$"):
        store_at([nobody]).open(OWNERSHIP)


def test_a_sentinel_that_wants_a_password_gets_its_own(pair: SentinelPair, store_at: StoreAt) -> None:
    with pair.sentinel() as client:
        client.execute_command("ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}")
        one_call_of_each_kind(store_at([pair.port], password=PASSWORD))
        for given in ({}, {"password": "a guess"}):
            with pytest.raises(StoreRefused, match=r"Sentinel refuses.*redis\.sentinel\.password") as refused:
                store_at([pair.port], **given).open(OWNERSHIP)
            assert "a guess" not in str(refused.value)
