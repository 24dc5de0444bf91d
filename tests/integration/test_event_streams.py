"""Event streams over real sockets: going on, cut off, refused, ended."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.projection.sight import Sight
from runner.web.changes import Timing
from tests.integration.event_streams import DOMAIN, StreamClient, StreamServer, serving
from tests.unit.web.worlds import Replica, World
from tests.waiting import until

OPEN: Final = Sight(DOMAIN)
HIDDEN: Final = Sight(DOMAIN, roles=("boss",))
QUICK: Final = Timing(poll=0.01, message=0.01, ahead=0.1)


class Stage:
    """A world whose changes are told at once."""

    def __init__(self) -> None:
        self.world = World()
        self.replica = Replica(self.world)

    def change(self, number: int, sight: Sight | None) -> None:
        self.world.change(number, sight)
        self.replica.advance()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Closes sockets, whatever happens."""
    with ExitStack() as stack:
        yield stack


def listening(clients: ExitStack, server: StreamServer, **how: Any) -> StreamClient:
    client = StreamClient(server, **how)
    clients.callback(client.close)
    return client


def test_what_changes_is_heard_and_what_is_out_of_sight_is_gone(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica, QUICK) as server:
        client = listening(clients, server)
        status, headers = client.read_head()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert client.next().id
        stage.change(1, HIDDEN)
        stage.change(0, OPEN)
        assert client.event().data == {
            "changed": [{"domain": DOMAIN, "key": "task-0", "version": "0;0"}],
            "gone": [],
        }
        stage.change(0, HIDDEN)
        assert client.event().data == {"changed": [], "gone": [{"domain": DOMAIN, "key": "task-0"}]}


def test_a_stream_goes_on_behind_the_last_event_on_any_server(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica, QUICK) as first, serving(stage.replica, QUICK) as second:
        client = listening(clients, first).opened()
        stage.change(0, OPEN)
        last = client.event().id
        assert last is not None
        client.close()
        stage.change(0, HIDDEN)
        stage.change(1, OPEN)
        heard = [listening(clients, at, last=last.encode()).opened().event() for at in (first, second)]
        for event in heard:
            assert event.data == {
                "changed": [{"domain": DOMAIN, "key": "task-1", "version": "0;1"}],
                "gone": [{"domain": DOMAIN, "key": "task-0"}],
            }
    with serving(stage.replica, QUICK) as restarted:
        again = listening(clients, restarted, last=(heard[1].id or "").encode()).opened()
        stage.change(2, OPEN)
        assert [each["key"] for each in again.event().data["changed"]] == ["task-2"]


def test_what_is_no_longer_kept_is_read_anew(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica, QUICK) as server:
        last = listening(clients, server).opened().last
        assert last is not None
        stage.change(0, OPEN)
        stage.replica.trim()
        client = listening(clients, server, last=last.encode()).opened()
        assert (heard := client.event()).event == "reload"
        stage.change(0, HIDDEN)
        assert client.event().data["gone"]
        assert listening(clients, server, last=(heard.id or "").encode()).opened().event().event == "changes"


def test_only_asked_domains_are_heard(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica, Timing(poll=0.01, message=0.01, heartbeat=0.05)) as server:
        deaf = listening(clients, server, query="?domain=elsewhere").opened()
        client = listening(clients, server, query=f"?domain=elsewhere&domain={DOMAIN}").opened()
        before = deaf.last
        stage.change(0, OPEN)
        assert client.event().data["changed"]
        while deaf.last == before:
            assert deaf.next().event is None


def test_heartbeats_keep_the_id_new(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica, Timing(poll=0.01, heartbeat=0.02)) as server:
        client = listening(clients, server).opened()
        before = client.last
        assert client.next().text.startswith(":\n")
        stage.change(0, HIDDEN)
        while client.last == before:
            assert client.next().event is None


def test_a_stream_ends_with_its_token(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica) as server:
        server.authenticator.expires_at = 1000.3
        client = listening(clients, server).opened()
        assert [heard.text for heard in client.rest()] == [": the token has expired"]
        assert client.has_ended
        until(lambda: server.open() == 0, "the seat to be free")


def test_who_goes_leaves_nothing_behind(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica) as server:
        opened = [listening(clients, server).opened() for _ in range(20)]
        assert server.open() == 20
        assert server.tasks()
        for number, client in enumerate(opened):
            if number % 2:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            client.close()
        until(lambda: server.open() == 0 and not server.tasks(), "streams to be forgotten")
        until(lambda: server.connections() == 0, "connections to be closed")
        assert server.inside(lambda: len(server.streams.hub)) == 0


@pytest.mark.parametrize(("most", "per_caller", "status"), [(2, 100, 503), (100, 2, 429)])
def test_one_more_than_there_is_room_for_is_told_so(
    stage: Stage, clients: ExitStack, most: int, per_caller: int, status: int
) -> None:
    with serving(stage.replica, QUICK, most, per_caller) as server:
        opened = [listening(clients, server).opened() for _ in range(2)]
        late = listening(clients, server)
        found, headers = late.read_head()
        assert (found, headers["content-type"]) == (status, "application/problem+json")
        assert int(headers["retry-after"]) > 0
        problem = json.loads(late._file.read(int(headers["content-length"])))
        assert problem["status"] == status
        assert "2 event streams" in problem["detail"]
        if status == 429:
            listening(clients, server, user="bert").opened()
        opened[0].close()
        until(lambda: server.open() < 2 + (status == 429), "a seat to be free")
        listening(clients, server).opened()
        stage.change(0, OPEN)
        assert opened[1].event().data["changed"]


def test_a_stalled_reader_is_cut_off_and_nobody_else_waits(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica, Timing(poll=0.01, message=0.001, stall=0.5)) as server:
        stalled = listening(clients, server, receive_bytes=2048).opened()
        awake = listening(clients, server, user="bert").opened()
        heard = 0
        while server.open() > 1:
            for number in range(300):
                stage.change(number, OPEN)
            heard += len(awake.event().data["changed"])
            stage.world.forget_old()
        assert heard > 300
        until(lambda: server.connections() == 1, "the connection of the stalled reader to be gone")
        stalled.close()
        stage.change(0, HIDDEN)
        while not awake.event().data["gone"]:
            pass


def test_a_server_that_ends_ends_its_streams(stage: Stage, clients: ExitStack) -> None:
    with serving(stage.replica) as server:
        opened = [listening(clients, server).opened() for _ in range(30)]
        server.server.stop()
        for client in opened:
            assert client.rest()[-1].text.startswith(": the server ends")
            assert client.has_ended


HEADER_VALUES: Final = st.one_of(
    st.binary(max_size=200),
    st.from_regex(rb"[0-9a-f]{12}-[0-9]{1,30}-[0-9a-f]{12}-[0-9a-f.]{0,200}", fullmatch=True),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
).map(lambda value: value.translate(None, b"\r\n\0"))


@pytest.fixture(scope="module")
def shared() -> Iterator[StreamServer]:
    stage = Stage()
    stage.change(0, OPEN)
    with serving(stage.replica, QUICK) as server:
        yield server


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=HEADER_VALUES)
@example(b"9" * 5000)
@example(b"." * 40_000)
@example(b"0" * 12 + b"-1-" + b"0" * 12 + b"-" + b"f." * 10_000)
@example(b"0" * 12 + b"-1-" + b"0" * 12 + b"-ffffffffffffffffff")
def test_any_last_event_id_is_answered(shared: StreamServer, value: bytes) -> None:
    client = StreamClient(shared, last=value)
    try:
        status, _ = client.read_head()
        assert status in {200, 400}
        if status == 200 and value.strip():
            assert client.next().id
            assert client.event().event == "reload"
    finally:
        client.close()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edited_id_is_answered(shared: StreamServer, data: st.DataObject) -> None:
    """An id whose signs were changed: its stream reloads, or goes on from where that is."""
    client = StreamClient(shared).opened()
    client.close()
    assert client.last is not None
    signs = list(client.last)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(signs) - 1))
        signs[place] = data.draw(st.sampled_from("0123456789abcdef.-"))
    edited = StreamClient(shared, last="".join(signs).encode())
    try:
        edited.opened()
    finally:
        edited.close()


def test_many_come_and_go_at_once(stage: Stage, clients: ExitStack) -> None:
    """Ten times as many as there is room for: each is answered, and those who hear go on hearing."""
    with serving(stage.replica, QUICK, most=20) as server:
        steady = listening(clients, server, user="bert").opened()
        found: list[int] = []

        def crowd(number: int) -> None:
            for _ in range(20):
                client = StreamClient(server, user=f"user-{number}")
                found.append(client.read_head()[0])
                if number % 2:
                    client.close()
                else:
                    clients.callback(client.close)

        threads = [threading.Thread(target=crowd, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for number in range(20):
            stage.change(number, OPEN)
            assert steady.event().data["changed"]
        for thread in threads:
            thread.join()
        assert set(found) == {200, 503}
        assert len(found) == 200
        assert server.open() <= 20
