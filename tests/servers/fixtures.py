"""The servers as pytest fixtures; loaded as a plugin by tests/conftest.py.

Kafka is one for the whole run, also where several processes share the tests (``pytest -n 4``), and is
started before the first test, so that no test's time limit pays for the jars. Redis servers are started by
the process that first asks for them, for itself. A test that asks for a server whose lane is missing is
skipped with the lane's name; RUNNER_REQUIRE_KAFKA=1 and RUNNER_REQUIRE_REDIS=1 turn that into a failure.
"""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import redis

from tests.servers.kafka_server import EXISTING, KafkaServer, require_assignment, running_kafka
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_server import LANES, VALKEY, RedisServer, running_redis

REQUIRE_KAFKA: Final = "RUNNER_REQUIRE_KAFKA"
REQUIRE_REDIS: Final = "RUNNER_REQUIRE_REDIS"
# The fixtures by which a test says what it needs, and the marker it gets for that.
NEEDS: Final = {"kafka": "kafka", "redis_server": "redis", "valkey": "redis", "start_redis": "redis"}
# Where no test asks for a server, from the root of the repository.
UNSERVED: Final = ("tests/unit", "tests/simulation")

_KAFKA = pytest.StashKey[KafkaServer | LaneMissing]()
_RUNNING = pytest.StashKey[contextlib.ExitStack]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test with the servers it needs: ``-m "not kafka"`` leaves out what asks for one."""
    for fixture in set(getattr(item, "fixturenames", ())) & NEEDS.keys():
        item.add_marker(NEEDS[fixture])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Start the Kafka that the processes of this run share, and name it to them as an existing one.

    This process collects no tests, so it goes by their folders: those of UNSERVED need none.
    """
    folders = {config.rootpath / folder for folder in UNSERVED}
    paths = [Path(config.invocation_params.dir, argument.partition("::")[0]) for argument in config.args]
    if all(folders & {path, *path.parents} for path in paths):
        return
    kafka = _start_kafka(config)
    if isinstance(kafka, KafkaServer):
        os.environ[EXISTING] = kafka.bootstrap


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start Kafka if a collected test needs it."""
    wanted = any("kafka" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.getoption("collectonly"):
        _start_kafka(session.config)


def _start_kafka(config: pytest.Config) -> KafkaServer | LaneMissing:
    """Start Kafka, or find why there is none, and keep it until the run ends."""
    running = config.stash.setdefault(_RUNNING, contextlib.ExitStack())
    try:
        config.stash[_KAFKA] = running.enter_context(running_kafka())
    except LaneMissing as missing:
        config.stash[_KAFKA] = missing
    except TimeoutError as silent:  # it was asked for by name: nothing to fall back to
        raise pytest.UsageError(str(silent)) from None
    return config.stash[_KAFKA]


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    """Say in which lane the tests have their Kafka."""
    match config.stash.get(_KAFKA, None):
        case KafkaServer(bootstrap=bootstrap, lane=lane):
            return f"kafka: {lane} at {bootstrap}"
        case LaneMissing() as missing:
            return str(missing)
        case None:
            return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what was started."""
    if running := session.config.stash.get(_RUNNING, None):
        running.close()


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> KafkaServer:
    """The session's real Kafka, shared: use names from ``topic_names``."""
    server = pytestconfig.stash[_KAFKA]
    if isinstance(server, LaneMissing):
        skip_or_fail(server, REQUIRE_KAFKA)
    return server


def skip_unless_shared_by(kafka: KafkaServer, assignment: str) -> None:
    """Skip the test, or fail it where Kafka is required, if this broker's groups cannot share so."""
    try:
        require_assignment(kafka, assignment)
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_KAFKA)


@pytest.fixture
def topic_names() -> Callable[[str], str]:
    """Give names that no other test has: ``topic_names("requests")``; the same for the same word."""
    suffix = uuid.uuid4().hex[:10]
    return lambda word: f"{word}-{suffix}"


@pytest.fixture(scope="session", params=LANES)
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server in each lane in turn, shared by the session; ``redis_client`` is empty for every test."""
    with _redis_or_skip(request.param, appendonly=False) as server:
        yield server


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of ``redis_server``, whose data it has just removed."""
    with redis_server.client() as client:
        # At once: a server may give the memory back later, and a test would measure that.
        client.execute_command("FLUSHALL", "SYNC")
        yield client


@pytest.fixture(scope="session")
def valkey() -> Iterator[RedisServer]:
    """One server with appendonly, shared by the session: use a key prefix of your own."""
    with _redis_or_skip(VALKEY, appendonly=True) as server:
        yield server


@pytest.fixture
def start_redis() -> Iterator[Callable[..., RedisServer]]:
    """Start servers of the test's own: ``start_redis("valkey-9", appendonly=True)``; they end with it."""
    with contextlib.ExitStack() as running:

        def start(lane: str = VALKEY, *, appendonly: bool = False) -> RedisServer:
            return running.enter_context(_redis_or_skip(lane, appendonly=appendonly))

        yield start


@contextlib.contextmanager
def _redis_or_skip(lane: str, *, appendonly: bool) -> Iterator[RedisServer]:
    with contextlib.ExitStack() as running:
        try:
            server = running.enter_context(running_redis(lane, appendonly=appendonly))
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_REDIS)
        yield server
