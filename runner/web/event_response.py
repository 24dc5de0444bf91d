"""The response of an event stream: writes what there is to tell, as often as it may, while anybody takes it.

One response is one task of the event loop, and a second that waits for the client to go. It ends when the
client goes, its token expires or the server ends. A client that takes nothing is cut off: what it has not
heard is one entry a task meanwhile, and what the socket holds is bounded, so that waiting for it costs
little.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runner.projection.sight import Viewer
from runner.web.changes import Hub, NotReady
from runner.web.problems import Refused, unavailable
from runner.web.seats import CallerFull, NoSeat, Seats
from runner.web.stream import Stream, farewell, heartbeat, opening

ABORT: Final = "runner.abort"
"""Extension of the ASGI scope: a function that drops the connection, whatever is still to be written
(``runner/web/connection.py``)."""
MEDIA_TYPE: Final = "text/event-stream"

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""No proxy keeps a stream back."""
_RETRY_MS: Final = (1000, 5000)
"""Clients of a server that ended come back in this time, not all at once."""
_RETRY_AFTER: Final = {"Retry-After": "30"}
_ABORTED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class EventStreams:
    """What event streams of a process share."""

    hub: Hub
    seats: Seats


@dataclass(frozen=True, slots=True)
class Listener:
    """Who asks for a stream."""

    account: tuple[str, str, str]
    """Whose streams are counted together."""
    viewer: Viewer
    last: str | None
    """``Last-Event-ID``, as it came."""
    seconds: float | None
    """How long the caller's token is valid; None: for ever."""
    attended: Callable[[Callable[[str], None]], AbstractContextManager[None]] = lambda _: nullcontext()
    """Gets what ends the stream, for the time that it is open."""


class EventResponse(Response):
    """A stream for one listener."""

    media_type = MEDIA_TYPE

    def __init__(self, streams: EventStreams, listener: Listener) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._hub = streams.hub
        self._seats = streams.seats
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until somebody ends it. Raises Refused, before anything was sent, if there is no room."""
        try:
            with self._seats.taken(self._listener.account):
                await self._stream(scope, receive, send)
        except CallerFull as error:
            raise Refused(429, str(error), headers=_RETRY_AFTER) from error
        except NoSeat as error:
            raise Refused(503, str(error), headers=_RETRY_AFTER) from error

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        ends = _after(self._listener.seconds)
        try:
            stream = await self._hub.join(self._listener.viewer, self._listener.last)
        except NotReady as error:
            raise unavailable(str(error)) from error
        hearing = asyncio.create_task(_until_gone(receive), name="event stream")
        hearing.add_done_callback(lambda _: stream.news.set())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            with self._listener.attended(stream.end):
                await _Writer(self._hub, stream, send, hearing, ends).run()
        except TimeoutError:
            await _abort(scope, hearing)
        finally:
            self._hub.leave(stream)
            hearing.cancel()


class _Writer:
    """Writes one stream. Raises TimeoutError where the client takes nothing."""

    def __init__(
        self, hub: Hub, stream: Stream, send: Send, hearing: asyncio.Task[None], ends: float
    ) -> None:
        self._hub = hub
        self._stream = stream
        self._send = send
        self._hearing = hearing
        self._ends = ends
        self._now = asyncio.get_running_loop().time
        self._next_message = self._next_heartbeat = self._now()

    async def run(self) -> None:
        stream, timing = self._stream, self._hub.timing
        retry_ms = random.randint(*_RETRY_MS)  # noqa: S311 - no secret
        await self._write(opening(self._hub.where(stream), retry_ms))
        while not self._hearing.done():
            stream.news.clear()
            now = self._now()
            if stream.over is None and now >= self._ends:
                stream.end("the token has expired")
            if stream.over is not None:
                await self._write(farewell(stream.over), more=False)
                return
            if stream.has_message and now >= self._next_message:
                await self._write(stream.message(self._hub.where(stream)))
                self._next_message = self._now() + timing.message
            elif now >= self._next_heartbeat:
                await self._write(heartbeat(self._hub.where(stream)))
            await self._wait()

    async def _wait(self) -> None:
        """Wait for news, or for the next moment at which there is something to do."""
        stream = self._stream
        until = min(self._ends, self._next_heartbeat)
        if stream.has_message:
            until = min(until, self._next_message)
        try:
            async with asyncio.timeout_at(until):
                await stream.news.wait()
        except TimeoutError:
            return

    async def _write(self, text: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(self._hub.timing.stall):
            await self._send({"type": "http.response.body", "body": text, "more_body": more})
        self._next_heartbeat = self._now() + self._hub.timing.heartbeat


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _abort(scope: Scope, hearing: asyncio.Task[None]) -> None:
    """Drop the connection: closing it would wait for a client that takes nothing."""
    abort = scope.get("extensions", {}).get(ABORT)
    if abort is not None:
        abort["abort"]()
        await asyncio.wait([hearing], timeout=_ABORTED_SECONDS)


def _after(seconds: float | None) -> float:
    """Return the moment after so many seconds, by the loop's clock."""
    return float("inf") if seconds is None else asyncio.get_running_loop().time() + seconds
