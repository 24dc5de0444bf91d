"""Event streams on a real server, and a client that reads them from its socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, Self

from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers

from runner.clock import monotonic_seconds
from runner.projection.sight import Viewer
from runner.web.callers import Caller
from runner.web.changes import ChangesSource, Hub, Timing
from runner.web.event_response import EventStreams
from runner.web.limits import Pace
from runner.web.parts import Readiness
from runner.web.problems import Refused
from runner.web.routes.events import router
from runner.web.seats import Seats
from runner.web.server import WebServer
from tests.waiting import WAIT_SECONDS

DOMAIN: Final = "orders"
_SHUTDOWN_SECONDS: Final = 300
"""Longer than a test may take: streams must not be waited for."""


class ByName:
    """Whoever gives a name is a clerk of that name."""

    expires_at: float | None = None
    loop: asyncio.AbstractEventLoop | None = None
    """That of the server, once somebody has asked."""

    async def of(self, headers: Headers, method: str = "POST") -> Caller:  # noqa: ARG002 - as the Protocol has it
        self.loop = asyncio.get_running_loop()
        user = headers["authorization"].removeprefix("Bearer ")
        roles, domains = frozenset({"clerk"}), frozenset({DOMAIN})
        viewer = Viewer(user, roles, domains)
        return Caller(user, user, roles, domains, "", "", viewer, self.expires_at)


@dataclass
class StreamServer:
    """A running server."""

    server: WebServer
    streams: EventStreams
    authenticator: ByName

    @property
    def port(self) -> int:
        return self.server.port

    def inside(self, ask: Callable[[], Any]) -> Any:
        """Return what a call gives in the server's event loop, once somebody has listened."""
        loop = self.authenticator.loop
        assert loop is not None

        async def asked() -> Any:
            return ask()

        return asyncio.run_coroutine_threadsafe(asked(), loop).result(WAIT_SECONDS)

    def open(self) -> int:
        return int(self.inside(lambda: self.streams.seats.open))

    def tasks(self) -> list[str]:
        """Return the tasks that wait for clients of streams to go."""
        names: list[str] = self.inside(lambda: [task.get_name() for task in asyncio.all_tasks()])
        return [name for name in names if name == "event stream"]

    def connections(self) -> int:
        return int(self.inside(lambda: len(self.server._server.server_state.connections)))


@contextmanager
def serving(
    reader: ChangesSource, timing: Timing | None = None, most: int = 100, per_caller: int = 100
) -> Iterator[StreamServer]:
    """Serve event streams, and nothing else, on a free port of loopback."""
    streams = EventStreams(Hub(reader, timing), Seats(most, per_caller))
    authenticator = ByName()
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    app.state.parts = SimpleNamespace(
        authenticator=authenticator,
        pace=Pace(100_000, monotonic_seconds),
        streams=streams,
        readiness=Readiness(),
        now_ms=lambda: 1_000_000,
        sign_in=None,
    )

    @app.exception_handler(Refused)
    async def refuse(_: Request, refused: Refused) -> Response:
        return refused.response()

    server = WebServer(app, ("127.0.0.1", 0), _SHUTDOWN_SECONDS, streams.hub.close)
    try:
        yield StreamServer(server, streams, authenticator)
    finally:
        server.stop()


@dataclass(frozen=True)
class Heard:
    """One block of an event stream."""

    event: str | None
    id: str | None
    data: Any
    text: str


class StreamClient:
    """Reads an event stream from its socket, as it comes."""

    def __init__(
        self,
        server: StreamServer,
        user: str = "anna",
        last: bytes | None = None,
        query: str = "",
        receive_bytes: int | None = None,
    ) -> None:
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(("127.0.0.1", server.port))
        resumed = b"" if last is None else b"Last-Event-ID: " + last + b"\r\n"
        start = f"GET /api/v1/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user}\r\n"
        self.socket.sendall(start.encode() + resumed + b"\r\n")
        self._file = self.socket.makefile("rb")
        self._text = b""
        self.last: str | None = None
        self.has_ended = False

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Return status and headers."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers

    def opened(self) -> Self:
        """Read all that comes before the first event."""
        status, _ = self.read_head()
        assert status == 200
        self.next()
        return self

    def next(self) -> Heard:
        """Return the next block; EOFError where the stream ends first."""
        while b"\n\n" not in self._text:
            chunk = self._chunk()
            if not chunk:
                raise EOFError(self._text)
            self._text += chunk
        block, _, self._text = self._text.partition(b"\n\n")
        lines = [line.partition(": ") for line in block.decode().split("\n")]
        fields = {name: value for name, _, value in lines if name}
        self.last = fields.get("id", self.last)
        data = json.loads(fields["data"]) if "data" in fields else None
        return Heard(fields.get("event"), fields.get("id"), data, block.decode())

    def event(self) -> Heard:
        """Return the next event; heartbeats are passed over."""
        while (heard := self.next()).event is None:
            pass
        return heard

    def rest(self) -> list[Heard]:
        """Return all that comes until the stream ends."""
        found = []
        while not self.has_ended:
            try:
                found.append(self.next())
            except EOFError:
                break
        return found

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def _chunk(self) -> bytes:
        line = self._file.readline()
        size = int(line, 16) if line else 0
        if not size:
            self.has_ended = bool(line)
            return b""
        chunk = self._file.read(size)
        self._file.readline()
        return chunk
