"""``runner task list`` where a projection is configured, with a real worker and database."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.site import Site, session_ms
from tests.e2e.terminal import Terminal
from tests.e2e.typed import failed, lines, start
from tests.e2e.web import create_topics, web_settings
from tests.servers.kafka_server import KafkaServer
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer

TASKS = 7


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> str:
    """The URL of an empty database."""
    return f"sqlite:///{tmp_path / 'lists.db'}" if request.param == "sqlite" else postgres.new_database()


@pytest.fixture
def terminal(kafka: KafkaServer, valkey: RedisServer, tmp_path: Path, database: str) -> Iterator[Terminal]:
    """Where commands are typed, at a site with a worker and some tasks."""
    settings = web_settings(
        RUNNER_DOMAINS='{"default": {}}',
        RUNNER_PROJECTION__URL=database,
        RUNNER_PROJECTION__ATTRIBUTES='{"amount": "amount"}',
    )
    site = Site(kafka, valkey.url, tmp_path, session_ms(kafka), settings=settings)
    create_topics(site)
    found = Terminal(tmp_path, site.environment())
    with found.start("worker") as worker:
        worker.wait_for('"open": [0, 1, 2, 3]')
        events = lines(*(start(f"t-{n}", taskName=f"Order {n}", taskRoles=f"r{n % 2}") for n in range(TASKS)))
        assert found.run("send", "--wait", "-", stdin=events).code == 0
        yield found
        assert worker.signalled(signal.SIGTERM).code == 0


def test_a_list_can_be_asked_for_more_where_there_is_a_projection(terminal: Terminal) -> None:
    failed(terminal.run("task", "list"), 1, "nothing was filled yet")
    assert terminal.run("projection", "rebuild").code == 0

    def listed(*options: str) -> list[str]:
        done = terminal.run("task", "list", "--json", *options)
        assert done.code == 0, done
        return [json.loads(line)["id"] for line in done.out.splitlines()]

    assert sorted(listed("--role", "r1", "--order", "created")) == ["t-1", "t-3", "t-5"]
    assert listed("--text", "ord 5") == ["t-5"]
    assert len(listed("--attribute", "amount=12", "--status", "unassigned")) == TASKS
    assert listed("--owner", "nobody") == listed("--spec", "x") == listed("--status", "proceeded") == []
    page = terminal.run("task", "list", "--limit", "2")
    cursor = page.err.split()[-1]
    assert len(listed("--after", cursor)) == TASKS - 2
    failed(terminal.run("task", "list", "--after", "x"), 2, "no cursor that an earlier page gave")
    failed(terminal.run("task", "list", "--order", "size"), 2, "no list is ordered by 'size'")
    failed(terminal.run("task", "list", "--attribute", "amount"), 2, "is not NAME=VALUE")
    failed(terminal.run("task", "list", "--attribute", "colour=red"), 2, "colour")


def test_without_a_projection_only_redis_is_asked(terminal: Terminal) -> None:
    environment = {"RUNNER_PROJECTION__URL": ""}
    refused = terminal.run("task", "list", "--role", "r1", **environment)
    failed(refused, 1, "need the lists of runner web", "projection.url")
    assert terminal.run("task", "list", "--json", **environment).out.count("\n") == TASKS
