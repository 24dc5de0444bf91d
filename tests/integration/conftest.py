"""Redis stores on real servers, closed when the test is over; and places where people sign in."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import pytest
import redis

from runner.errors import StoreUnavailable
from runner.store.connection.single import connect
from tests.contract.samples import OWNERSHIP, SHARDS
from tests.contract.subjects import ListedRedisStore
from tests.integration.sign_in_place import SignInPlace, sign_in_place
from tests.servers.login_issuer import LoginIssuer, running_login_issuer
from tests.servers.redis_server import LANES, RedisServer
from tests.servers.token_issuer import rsa_key

ANSWER_SECONDS: Final = 10.0


class StoreAt(Protocol):
    """Gives a store on the server at a URL, under a prefix that no other has."""

    def __call__(self, url: str, seconds: float = ANSWER_SECONDS, **options: Any) -> ListedRedisStore:
        """``seconds`` is how long an answer may take; ``options`` are those of the client."""
        ...


@pytest.fixture
def store_at() -> Iterator[StoreAt]:
    """Give stores, ``store_at(url)``, not opened yet."""
    with contextlib.ExitStack() as running:

        def new(url: str, seconds: float = ANSWER_SECONDS, **options: Any) -> ListedRedisStore:
            connection = running.enter_context(contextlib.closing(connect(url, seconds, **options)))
            looking = running.enter_context(redis.Redis.from_url(url))
            return ListedRedisStore(connection, [looking], uuid.uuid4().hex, SHARDS)

        yield new


@pytest.fixture
def store(redis_server: RedisServer, redis_client: redis.Redis, store_at: StoreAt) -> ListedRedisStore:
    """An opened store on a server of each lane that holds nothing else."""
    assert redis_client.dbsize() == 0
    found = store_at(redis_server.url)
    found.open(OWNERSHIP)
    return found


@pytest.fixture(params=LANES)
def own_redis(request: pytest.FixtureRequest, start_redis: Callable[..., RedisServer]) -> RedisServer:
    """A server of each lane that the test may stop and set as it likes; it keeps its data."""
    return start_redis(request.param, appendonly=True)


@pytest.fixture(scope="module")
def login_issuer() -> Iterator[LoginIssuer]:
    with running_login_issuer(rsa_key("first")) as running:
        yield running


@pytest.fixture
def issuer(login_issuer: LoginIssuer) -> Iterator[LoginIssuer]:
    """An issuer that is as it was at first when the test is over."""
    yield login_issuer
    login_issuer.answers.clear()
    login_issuer.document.clear()
    login_issuer.forms.clear()
    if login_issuer.is_stopped:
        login_issuer.start()


@pytest.fixture
def place(valkey: RedisServer, issuer: LoginIssuer) -> Iterator[SignInPlace]:
    with sign_in_place(valkey.url, {"staff": issuer}) as found:
        yield found


def takes_writes(store: ListedRedisStore) -> bool:
    """Whether every shard of a store takes writes just now."""
    with contextlib.suppress(StoreUnavailable):
        store.ping()
        return True
    return False
