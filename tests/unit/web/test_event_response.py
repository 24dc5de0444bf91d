"""A stream says what it must when it must: measured by a clock that moves by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, TypeVar

import pytest
from anyio import CapacityLimiter
from starlette.types import Message

from runner.projection.sight import Sight, Viewer
from runner.web.changes import Hub, Timing
from runner.web.event_response import ABORT, EventResponse, EventStreams, Listener
from runner.web.problems import Refused
from runner.web.seats import Seats
from tests.unit.web.virtual_time import VirtualTimeLoop
from tests.unit.web.worlds import DOMAIN, Replica, World

_Found = TypeVar("_Found")
ANNA: Final = Viewer("anna", frozenset({"clerk"}), frozenset({DOMAIN}))
_ROUNDED: Final = 1e-6
ACCOUNT: Final = ("", "", "anna")


class DirectHub(Hub):
    """A hub without threads."""

    async def _ask(self, call: Callable[[], _Found], limiter: CapacityLimiter) -> _Found:
        del limiter
        return call()


@dataclass
class Client:
    """A client of one stream, on the side of the server."""

    written: list[tuple[float, bytes]] = field(default_factory=list)
    status: int | None = None
    headers: dict[bytes, bytes] = field(default_factory=dict)
    is_complete: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: int = 0

    def __post_init__(self) -> None:
        self.takes.set()

    @property
    def scope(self) -> dict[str, Any]:
        return {"type": "http", "extensions": {ABORT: {"abort": self.abort}}}

    def abort(self) -> None:
        self.aborted += 1
        self.gone.set()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.is_complete = not message["more_body"]
        self.written.append((asyncio.get_running_loop().time(), message["body"]))

    def times(self, start: bytes) -> list[float]:
        return [at for at, text in self.written if text.startswith(start)]


class Stage:
    """A world, its replica, and the streams of one process."""

    def __init__(self, most: int = 10, per_caller: int = 10) -> None:
        self.world = World()
        self.replica = Replica(self.world)
        self.streams = EventStreams(DirectHub(self.replica), Seats(most, per_caller))

    def change(self, number: int, sight: Sight | None) -> None:
        self.world.change(number, sight)
        self.replica.advance()

    async def listen(self, client: Client, seconds: float | None = None, last: str | None = None) -> None:
        listener = Listener(ACCOUNT, ANNA, last, seconds)
        await EventResponse(self.streams, listener)(client.scope, client.receive, client.send)


def drive(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Let a story happen in virtual time; nothing but the hub's reader may be left."""

    async def told() -> None:
        await story()
        await asyncio.sleep(0)  # what was cancelled ends
        left = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
        assert left <= {"changes"}

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(told())


def test_at_most_four_messages_a_second_and_the_first_at_once() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        listening = asyncio.create_task(stage.listen(client))
        await asyncio.sleep(1.05)
        for number in range(500):
            stage.change(number % 7, Sight(DOMAIN, owner=str(number)))
            await asyncio.sleep(0.02)
        client.gone.set()
        await listening
        times = client.times(b"event: changes")
        assert times[0] <= 1.05 + 2 * Timing().poll
        assert min(later - earlier for earlier, later in pairwise(times)) >= 0.25 - _ROUNDED
        assert 35 <= len(times) <= 41

    drive(story)


def test_a_change_after_a_pause_is_told_with_the_next_look() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        listening = asyncio.create_task(stage.listen(client))
        for number in range(5):
            await asyncio.sleep(10)
            stage.change(number, Sight(DOMAIN))
        await asyncio.sleep(1)
        client.gone.set()
        await listening
        for number, at in enumerate(client.times(b"event: changes"), start=1):
            assert -_ROUNDED <= at - 10 * number <= 2 * Timing().poll

    drive(story)


def test_a_silent_stream_has_a_heartbeat_with_its_place() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        listening = asyncio.create_task(stage.listen(client))
        await asyncio.sleep(20)
        stage.change(0, Sight(DOMAIN, roles=("boss",)))
        await asyncio.sleep(41)
        client.gone.set()
        await listening
        assert client.times(b":\n") == pytest.approx([15, 30, 45, 60])
        ids = [text.split(b"id: ")[1] for _, text in client.written]
        assert ids[0] == ids[1] != ids[2] == ids[3]
        assert all(b"data" not in text for _, text in client.written)

    drive(story)


def test_a_stream_ends_with_its_token() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        await stage.listen(client, seconds=47)
        at, farewell = client.written[-1]
        assert at == pytest.approx(47)
        assert farewell == b": the token has expired\n\n"
        assert client.is_complete

    drive(story)


def test_a_stream_ends_when_whoever_attends_to_it_says_so() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        ending: list[Callable[[str], None]] = []

        @contextmanager
        def attended(end: Callable[[str], None]) -> Iterator[None]:
            ending.append(end)
            yield
            ending.clear()

        listener = Listener(ACCOUNT, ANNA, None, None, attended)
        response = EventResponse(stage.streams, listener)
        listening = asyncio.create_task(response(client.scope, client.receive, client.send))
        await asyncio.sleep(7)
        ending[0]("the session has ended")
        await listening
        at, farewell = client.written[-1]
        assert at == pytest.approx(7)
        assert farewell == b": the session has ended\n\n"
        assert ending == []

    drive(story)


def test_a_token_that_has_expired_meanwhile_ends_its_stream_at_once() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        await stage.listen(client, seconds=-1)
        assert client.is_complete
        assert client.written[-1][0] == 0

    drive(story)


def test_a_stream_ends_with_the_server() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        listening = asyncio.create_task(stage.listen(client))
        await asyncio.sleep(1)
        stage.streams.hub.close()
        await listening
        assert client.is_complete
        with pytest.raises(Refused) as refused:
            await stage.listen(Client())
        assert refused.value.status == 503

    drive(story)


def test_who_takes_nothing_is_cut_off_and_others_hear_on() -> None:
    async def story() -> None:
        stage, stalled, awake = Stage(), Client(), Client()
        listening = [asyncio.create_task(stage.listen(client)) for client in (stalled, awake)]
        await asyncio.sleep(1)
        stalled.takes.clear()
        stage.change(0, Sight(DOMAIN))
        await asyncio.sleep(0.2)
        assert awake.times(b"event: changes")
        await asyncio.sleep(Timing().stall)
        assert listening[0].done()
        assert stalled.aborted == 1
        assert stage.streams.seats.open == len(stage.streams.hub) == 1
        awake.gone.set()
        await asyncio.gather(*listening)

    drive(story)


def test_a_slow_reader_hears_the_newest_state_of_each_task_once() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        listening = asyncio.create_task(stage.listen(client))
        await asyncio.sleep(1)
        stage.change(9, Sight(DOMAIN))
        await asyncio.sleep(0.15)
        client.takes.clear()
        for number in range(100):
            stage.change(number % 2, Sight(DOMAIN, owner=str(number)))
            await asyncio.sleep(0.1)
        client.takes.set()
        await asyncio.sleep(1)
        client.gone.set()
        await listening
        newest = client.written[-1][1]
        assert newest.count(b"version") == 2
        assert b'"version":"49;0"' in newest
        assert b'"version":"50;1"' in newest
        assert len(client.times(b"event: changes")) <= 4

    drive(story)


def test_who_goes_leaves_nothing_behind() -> None:
    async def story() -> None:
        stage = Stage()
        clients = [Client() for _ in range(5)]
        listening = [asyncio.create_task(stage.listen(client)) for client in clients]
        await asyncio.sleep(1)
        assert stage.streams.seats.open == len(stage.streams.hub) == 5
        for client in clients:
            client.gone.set()
        await asyncio.gather(*listening)
        assert asyncio.get_running_loop().time() == pytest.approx(1), "nobody waited for a heartbeat"
        assert stage.streams.seats.open == len(stage.streams.hub) == 0
        assert not any(client.is_complete for client in clients)

    drive(story)


def test_a_cancelled_stream_leaves_nothing_behind() -> None:
    async def story() -> None:
        stage = Stage()
        listening = asyncio.create_task(stage.listen(Client()))
        await asyncio.sleep(1)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await asyncio.sleep(0)
        assert stage.streams.seats.open == len(stage.streams.hub) == 0

    drive(story)


@pytest.mark.parametrize(("most", "per_caller", "status"), [(2, 10, 503), (10, 2, 429), (0, 10, 503)])
def test_who_finds_no_seat_is_told_so_before_anything_is_sent(
    most: int, per_caller: int, status: int
) -> None:
    async def story() -> None:
        stage = Stage(most, per_caller)
        clients = [Client() for _ in range(min(most, per_caller))]
        listening = [asyncio.create_task(stage.listen(client)) for client in clients]
        await asyncio.sleep(1)
        late = Client()
        with pytest.raises(Refused) as refused:
            await stage.listen(late)
        assert refused.value.status == status
        assert refused.value.headers["Retry-After"]
        assert late.status is None
        for client in clients:
            client.gone.set()
        await asyncio.gather(*listening)

    drive(story)


def test_what_proxies_and_browsers_must_know_stands_in_the_headers() -> None:
    async def story() -> None:
        stage, client = Stage(), Client()
        await stage.listen(client, seconds=0)
        assert client.status == 200
        assert client.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert client.headers[b"cache-control"] == b"no-store"
        assert client.headers[b"x-accel-buffering"] == b"no"
        assert b"content-length" not in client.headers
        opening = client.written[0][1].decode().split("\n")
        assert 1000 <= int(opening[0].removeprefix("retry: ")) <= 5000
        assert opening[1].startswith("id: ")

    drive(story)
