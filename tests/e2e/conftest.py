"""Sites and fleets for the end-to-end tests; every one of them is marked ``e2e``."""

import json
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.inbox import Enters, entrance, inbox
from tests.e2e.site import RANGE, Site, session_ms
from tests.e2e.terminal import Terminal
from tests.e2e.web import Office, Web
from tests.e2e.workers import Fleet
from tests.servers.fixtures import skip_unless_shared_by
from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import RedisServer

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("e2e")


@pytest.fixture
def make_site(kafka: KafkaServer, valkey: RedisServer, tmp_path: Path) -> Callable[..., Site]:
    """Make sites: ``make_site(partitions=2, settings={...})``; their topics are still to be made."""

    def make(**fields: Any) -> Site:
        skip_unless_shared_by(kafka, fields.get("assignment", RANGE))
        given = {"redis_url": valkey.url, "session_ms": session_ms(kafka), "folder": tmp_path, **fields}
        return Site(kafka, **given)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site with its topics."""
    made = make_site()
    made.create_topics()
    return made


@pytest.fixture
def told_site(make_site: Callable[..., Site]) -> Callable[..., Site]:
    """Make sites of 6 partitions with a changelog, and their topics."""

    def make(settings: Mapping[str, str] | None = None, **more: Any) -> Site:
        changelog = {"RUNNER_TOPICS__TASKS": f"tasks-{uuid.uuid4().hex[:10]}"}
        made = make_site(**{"partitions": 6, **more}, settings={**changelog, **(settings or {})})
        made.create_topics()
        return made

    return make


@pytest.fixture(scope="session")
def terminal_and_site(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Terminal, Site]]:
    """A terminal at a site with a worker that runs all the time; use task ids of your own."""
    settings = {
        "RUNNER_DOMAINS": json.dumps(
            {"default": {"adminRole": "admin"}, "orders": {}, "quiet": {}, "listed": {}}
        ),
        "RUNNER_WORKER__POLLMS": "10",
        "RUNNER_LIMITS__POISONINAROW": "0",
    }
    folder = tmp_path_factory.mktemp("desk")
    site = Site(kafka, valkey.url, folder, session_ms(kafka), settings=settings)
    site.create_topics()
    terminal = Terminal(folder, site.environment())
    with terminal.start("worker") as worker:
        worker.wait_for('"open": [0, 1, 2, 3]')
        yield terminal, site
        assert worker.signalled(signal.SIGTERM).code == 0


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C reaches commands, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def fleets() -> Iterator[Callable[..., Fleet]]:
    """Make fleets that end with the test: ``fleets(site)``."""
    with ExitStack() as running:
        yield lambda site, forgiven=frozenset(): running.enter_context(Fleet(site, forgiven))


@pytest.fixture(scope="module")
def desk(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """A worker and a process of the inbox, for all tests here: each uses tasks of its own."""
    with inbox(kafka, valkey.url, tmp_path_factory.mktemp("inbox")) as opened:
        yield opened


@pytest.fixture
def web(desk: Office) -> Web:
    return desk.webs[0]


@pytest.fixture
def enter(browser: Browser, web: Web) -> Iterator[Enters]:
    """Let people in: ``enter("carla")``."""
    with entrance(browser, web) as enters:
        yield enters
