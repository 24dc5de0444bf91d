"""The servers as pytest fixtures; loaded as a plugin by tests/conftest.py.

Kafka is one for the whole run, also where several processes share the tests (``pytest -n 4``), and is
started before the first test, so that no test's time limit pays for the jars. Redis servers are started by
the process that first asks for them, for itself. Keycloak is one for the whole run, too: one process runs
all the tests that need it, and starts it before the first of them. A test that asks for a server whose lane
is missing is skipped with the lane's name; RUNNER_REQUIRE_KAFKA=1, RUNNER_REQUIRE_REDIS=1,
RUNNER_REQUIRE_POSTGRES=1, RUNNER_REQUIRE_KEYCLOAK=1 and RUNNER_REQUIRE_BROWSER=1 turn that into a failure.
"""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from playwright.sync_api import Browser

from tests.servers.browser import running_browser
from tests.servers.kafka_server import EXISTING, KafkaServer, require_assignment, running_kafka
from tests.servers.keycloak.admin import LiveRealm
from tests.servers.keycloak.realm import Realm
from tests.servers.keycloak_server import KeycloakServer, running_keycloak
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.postgres_server import PostgresServer, running_postgres
from tests.servers.redis_server import LANES, VALKEY, RedisServer, running_redis

REQUIRE_KAFKA: Final = "RUNNER_REQUIRE_KAFKA"
REQUIRE_REDIS: Final = "RUNNER_REQUIRE_REDIS"
REQUIRE_POSTGRES: Final = "RUNNER_REQUIRE_POSTGRES"
REQUIRE_KEYCLOAK: Final = "RUNNER_REQUIRE_KEYCLOAK"
REQUIRE_BROWSER: Final = "RUNNER_REQUIRE_BROWSER"
# The fixtures by which a test says what it needs, and the marker it gets for that.
NEEDS: Final = {
    "kafka": "kafka",
    "redis_server": "redis",
    "valkey": "redis",
    "start_redis": "redis",
    "postgres": "postgres",
    "keycloak": "keycloak",
    "browser": "browser",
}
# Where no test asks for a server, from the root of the repository.
UNSERVED: Final = ("tests/unit", "tests/simulation")

_KAFKA = pytest.StashKey[KafkaServer | LaneMissing]()
_RUNNING = pytest.StashKey[contextlib.ExitStack]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test with the servers it needs: ``-m "not kafka"`` leaves out what asks for one."""
    for fixture in set(getattr(item, "fixturenames", ())) & NEEDS.keys():
        item.add_marker(NEEDS[fixture])
    if "keycloak" in getattr(item, "fixturenames", ()):
        if item.get_closest_marker("thorough") is None:
            raise pytest.UsageError(
                f"{item.nodeid}: what needs Keycloak is marked thorough, it starts slowly"
            )
        if item.get_closest_marker("xdist_group") is not None:
            raise pytest.UsageError(f"{item.nodeid}: what needs Keycloak has no xdist_group of its own")
        item.add_marker(pytest.mark.xdist_group("keycloak"))


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this process, shared by the session: use a ``new_database`` of your own."""
    with contextlib.ExitStack() as running:
        try:
            server = running.enter_context(running_postgres())
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_POSTGRES)
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of a module.

    No longer: its driver keeps an event loop in this thread, beside which no other test could have its own.
    """
    with contextlib.ExitStack() as running:
        try:
            started = running.enter_context(running_browser())
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_BROWSER)
        yield started


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeycloakServer]:
    """The run's Keycloak. Its realm ``saga`` is for all: what changes a realm takes one of ``make_realm``."""
    with contextlib.ExitStack() as running:
        try:
            server = running.enter_context(running_keycloak(tmp_path_factory.mktemp("keycloak")))
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_KEYCLOAK)
        yield server


@pytest.fixture
def make_realm(keycloak: KeycloakServer) -> Callable[..., LiveRealm]:
    """Make realms of the test's own: ``make_realm(token_seconds=5)``; they end with the server."""

    def make(**fields: Any) -> LiveRealm:
        return keycloak.admin.add_realm(Realm(name=f"realm-{uuid.uuid4().hex[:10]}", **fields))

    return make


@contextlib.contextmanager
def _redis_or_skip(lane: str, *, appendonly: bool) -> Iterator[RedisServer]:
    with contextlib.ExitStack() as running:
        try:
            server = running.enter_context(running_redis(lane, appendonly=appendonly))
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_REDIS)
        yield server
