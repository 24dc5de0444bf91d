"""Redis behind TLS, and a user with no more rights than docs/operations.md lists: whole processes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.requester import proceed_event, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.terminal import Terminal
from tests.e2e.typed import failed
from tests.e2e.workers import Fleet
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_rights import PASSWORD, USER, allow
from tests.servers.redis_server import RedisServer, started
from tests.servers.redis_tls import TlsServer, made_certificates

WORK: Final = "RUNNER_REDIS__"


ONE_MORE: Final = pytest.mark.thorough("one more of what may be wrong")


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[TlsServer]:
    """A server with TLS; ``certificates`` lies beside its data."""
    folder = tmp_path / "redis"
    folder.mkdir()
    try:
        server = TlsServer(folder, made_certificates(folder))
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_REDIS)
    with started(server.plain):
        yield server


@pytest.fixture
def secure_site(make_site: Callable[..., Site], secure: TlsServer, tmp_path: Path) -> Site:
    """A site whose Redis is that one, and its user allowed what the page lists."""
    settings = {
        f"{WORK}TLS__CAFILE": str(tmp_path / "redis" / "ca.pem"),
        f"{WORK}USERNAME": USER,
        f"{WORK}PASSWORD": PASSWORD,
    }
    site: Site = make_site(redis_url=secure.url, settings=settings)
    site.create_topics()
    allow(secure.plain, site.prefix)
    return site


def test_workers_and_commands_do_all_they_do_with_the_documented_rights(
    secure_site: Site, secure: TlsServer, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(secure_site)
    worker = fleet.start()
    terminal = Terminal(secure_site.folder, secure_site.environment())
    with requester_at(secure_site) as requester:
        requester.put(start_event("due", {"taskId": "due"}, timeout="200"))
        requester.put(start_event("one", {"taskId": "one"}, timeout="600000"))
        assert requester.resume_of("due").status == "TIMEOUT"
        assert requester.reply_to("one").status == "ACK"
        assert "UNASSIGNED" in terminal.run("task", "show", "one").out
        assert "one" in terminal.run("task", "list").out
        _lose_a_right(secure.plain)
        requester.put(proceed_event("two", "one"))
        worker.wait_for("batch_abandoned", code="STORE_REFUSED")
        with secure.plain.client() as client:
            client.execute_command("ACL", "SETUSER", USER, "+evalsha")
        assert requester.reply_to("two").status == "SUCCESS"
        assert requester.resume_of("one").status == "PROCEEDED"
    [said] = [event["reason"] for event in worker.events("batch_abandoned")]
    assert "evalsha" in said
    assert "docs/operations.md" in said
    assert PASSWORD not in worker.log
    assert fleet.stop() == [0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"PASSWORD": "a guess"}, ("refuses the user or the password", "redis.password")),
        pytest.param(
            {"USERNAME": "nobody"}, ("refuses the user or the password", "redis.username"), marks=ONE_MORE
        ),
        pytest.param(
            {"TLS__CAFILE": "other-ca.pem"},
            ("TLS with Redis fails", "certificate", "redis.tls"),
            marks=ONE_MORE,
        ),
        pytest.param(
            {"TLS__CAFILE": "nowhere.pem"},
            ("redis.tls.caFile", "nowhere.pem", "No such file"),
            marks=ONE_MORE,
        ),
        ({"PREFIX": "another"}, ("denies a command", "docs/operations.md")),
    ],
    ids=[
        "a wrong password",
        "a wrong user",
        "another authority",
        "no such file",
        "keys that are not allowed",
    ],
)
def test_what_redis_refuses_ends_worker_and_command_with_the_way_out(
    secure_site: Site, tmp_path: Path, wrong: dict[str, str], words: tuple[str, ...]
) -> None:
    given = {
        f"{WORK}{name}": str(tmp_path / "redis" / value) if value.endswith(".pem") else value
        for name, value in wrong.items()
    }
    terminal = Terminal(secure_site.folder, secure_site.environment())
    code = 3 if "nowhere.pem" in wrong.values() else 1
    failed(terminal.run("worker", **given), code, *words)
    failed(terminal.run("task", "show", "one", **given), code, *words)


def _lose_a_right(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", USER, "-evalsha")
