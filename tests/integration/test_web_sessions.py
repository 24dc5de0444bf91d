"""Sessions on every topology of Redis; the smallest rights that they need."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from runner.embedded.subprocesses import HOST
from runner.errors import StoreRefused
from runner.store.connection.cluster import connect_cluster
from runner.store.connection.command import Connection
from runner.store.connection.single import connect, connect_sentinel
from runner.store.connection.slots import Address
from runner.web.sign_in.sessions import Session, Sessions, Ticket, login_of
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_cluster import running_cluster
from tests.servers.redis_sentinel import MASTER, running_sentinel
from tests.servers.redis_server import VALKEY, RedisServer

NOW: Final = 1_800_000_000.0
IDLE: Final = 600
SECONDS: Final = 3.0
DOCS: Final = Path(__file__).parents[2] / "docs" / "sign-in.md"


@pytest.fixture(scope="module", params=["standalone", "sentinel", "cluster"])
def connecting(request: pytest.FixtureRequest, valkey: RedisServer) -> Iterator[Callable[[], Connection]]:
    with contextlib.ExitStack() as running:
        try:
            match request.param:
                case "cluster":
                    cluster = running.enter_context(running_cluster(VALKEY, masters=3, replicas=0))
                    seeds = [Address(HOST, node.port) for node in cluster.nodes]
                    yield lambda: connect_cluster(seeds, SECONDS)
                case "sentinel":
                    pair = running.enter_context(running_sentinel(VALKEY))
                    nodes = [Address(HOST, pair.port)]
                    yield lambda: connect_sentinel(nodes, MASTER, SECONDS, {})
                case _:
                    yield lambda: connect(valkey.url, SECONDS)
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_REDIS)


@pytest.fixture
def sessions(connecting: Callable[[], Connection]) -> Iterator[Sessions]:
    found = Sessions(connecting, uuid.uuid4().hex, IDLE)
    yield found
    found.close()


def session(*logins: str, csrf: str = "csrf") -> Session:
    return Session("staff", {"sub": "ann"}, csrf, NOW + 3600, NOW, logins)


def kept(sessions: Sessions, *logins: str) -> Ticket:
    ticket = sessions.create(session(*logins), NOW)
    assert ticket is not None
    return ticket


def there(sessions: Sessions, ticket: Ticket) -> bool:
    return sessions.read(ticket, NOW, used=True) is not None


def test_sessions_are_kept_changed_and_ended(sessions: Sessions) -> None:
    tickets = [kept(sessions) for _ in range(20)]
    assert sessions.read(tickets[0], NOW, used=True) == session()
    assert sessions.write(tickets[0], session(csrf="other"))
    assert sessions.read(tickets[0], NOW, used=False) == session(csrf="other")
    sessions.end(tickets[1], None)
    assert not sessions.write(tickets[1], session())
    assert sessions.there_are(each.digest for each in tickets) == {
        each.digest for each in tickets if each is not tickets[1]
    }
    assert sessions.there_are([]) == set()
    assert sessions.read(tickets[2], NOW + 3600, used=True) is None
    assert not there(sessions, tickets[2])


def test_an_id_without_its_key_and_a_key_without_its_id_are_nothing(sessions: Sessions) -> None:
    one, other = kept(sessions), kept(sessions)
    assert not there(sessions, Ticket(one.id, other.key))
    assert not there(sessions, Ticket(other.id, one.key))
    assert there(sessions, one)


def test_a_login_ends_with_all_its_sessions(sessions: Sessions) -> None:
    ann, bob = login_of("staff", "sub", "ann"), login_of("staff", "sub", "bob")
    first, second = login_of("staff", "sid", "1"), login_of("staff", "sid", "2")
    tickets = [kept(sessions, ann, first), kept(sessions, ann, first), kept(sessions, ann, second)]
    other = kept(sessions, bob)
    assert sessions.end_login(first) == 2
    assert [there(sessions, each) for each in tickets] == [False, False, True]
    assert sessions.end_login(ann) == 1
    assert sessions.end_login(ann) == 0
    assert not any(there(sessions, each) for each in tickets)
    assert there(sessions, other)


class EndsMeanwhile:
    """A connection by which a login ends before the session is written that has just been listed."""

    def __init__(self, connection: Connection, end: Callable[[], object]) -> None:
        self._connection = connection
        self._end = end
        self.run_on_masters, self.close = connection.run_on_masters, connection.close

    def run(self, commands: object, on_wait: object = None) -> list[object]:
        del on_wait
        asked = list(commands)  # type: ignore[call-overload]
        if asked[0].arguments[0] == "SET":
            self._end()
        answers: list[object] = self._connection.run(asked)
        return answers


def test_a_logout_in_the_middle_of_a_sign_in_ends_it(connecting: Callable[[], Connection]) -> None:
    prefix, login = uuid.uuid4().hex, login_of("staff", "sid", "1")
    plain = Sessions(connecting, prefix, IDLE)
    torn = Sessions(lambda: EndsMeanwhile(connecting(), lambda: plain.end_login(login)), prefix, IDLE)
    with contextlib.closing(plain), contextlib.closing(torn):
        assert torn.create(session(login), NOW) is None
        assert plain.create(session(login), NOW) is not None


def test_one_renews_and_the_others_see_how_it_goes(sessions: Sessions) -> None:
    ticket = kept(sessions)
    assert [sessions.begin_renewal(ticket) for _ in range(2)] == [(session(), "mine"), (session(), "busy")]
    assert sessions.renewal(ticket) == (session(), "busy")
    sessions.fail_renewal(ticket)
    assert (sessions.begin_renewal(ticket)[1], sessions.renewal(ticket)[1]) == ("away", "away")
    sessions.write(ticket, session(csrf="new"))
    assert sessions.renewal(ticket) == (session(csrf="new"), None)
    assert sessions.begin_renewal(ticket) == (session(csrf="new"), "mine")
    sessions.leave_renewal(ticket)
    assert sessions.renewal(ticket)[1] is None


def test_a_logout_token_is_used_once(sessions: Sessions) -> None:
    assert not sessions.is_used("a")
    sessions.use("a")
    assert (sessions.is_used("a"), sessions.is_used("b")) == (True, False)


def test_the_rights_in_the_docs_are_enough(valkey: RedisServer) -> None:
    named = re.search(r"A user of Redis with few rights needs,(.*?)\n\n", DOCS.read_text("utf-8"), re.DOTALL)
    assert named is not None
    rights = [f"+{each}" for each in [*re.findall(r"`([a-z]+)`", named[1]), "del", "exists"]]
    name, prefix = f"web-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    with valkey.client() as client:
        user = ("ACL", "SETUSER", name, "on", ">secret", "resetkeys", f"~{prefix}:*", "-@all", *rights)
        client.execute_command(*user)
        url = valkey.url.replace("redis://", f"redis://{name}:secret@")
        found, other = (Sessions(lambda: connect(url, SECONDS), each, IDLE) for each in (prefix, "other"))
        with contextlib.closing(found), contextlib.closing(other):
            one_of_each(found)
            with pytest.raises(StoreRefused):
                other.create(session(), NOW)
        client.execute_command("ACL", "DELUSER", name)


def one_of_each(sessions: Sessions) -> None:
    """Have every command sent that sessions take."""
    login = login_of("staff", "sid", "1")
    ticket = kept(sessions, login)
    assert sessions.read(ticket, NOW + 3590, used=True) is not None
    sessions.begin_renewal(ticket)
    sessions.fail_renewal(ticket)
    sessions.renewal(ticket)
    sessions.write(ticket, session(login))
    sessions.there_are([ticket.digest])
    sessions.use("a")
    sessions.is_used("a")
    sessions.end(ticket, session(login))
    kept(sessions, login)
    assert sessions.end_login(login) == 1
