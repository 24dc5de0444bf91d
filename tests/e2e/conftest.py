"""Sites and fleets for the end-to-end tests; every one of them is marked ``e2e``."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import Site, session_ms
from tests.e2e.workers import Fleet
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
def fleets() -> Iterator[Callable[..., Fleet]]:
    """Make fleets that end with the test: ``fleets(site)``."""
    with ExitStack() as running:
        yield lambda site, forgiven=frozenset(): running.enter_context(Fleet(site, forgiven))
