"""Limits of the HTTP API: what one request may be, and how many one caller may send.

    connection ─▶ HeaderBounds ─▶ RequestBounds ─▶ routes ─▶ Pace (once it is known who asks)

Each holds a bounded amount of memory, whoever sends what.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runner.clock import Ticker
from runner.web.callers import Caller

HEADER_BYTES: Final = 65_536
"""Bytes of method, path, query and headers of a request; a token has 16,384 at most."""
HEADER_SECONDS: Final = 20.0
"""How long a connection may take to send them."""
BODY_SECONDS: Final = 60.0
"""How long the body of a request may take to arrive."""
UNREAD_BYTES: Final = 67_108_864
"""How much that was refused is thrown away before its connection is ended."""
LINGER_SECONDS: Final = 5.0
"""How long a connection whose headers were refused stays, so that the answer is not lost."""
MOST_CALLERS: Final = 10_000
"""Callers of which is known how fast they ask."""
BURST_SECONDS: Final = 2
"""For how long a caller who was quiet may ask at once."""
# A body in chunks of one byte has six bytes a byte.
_FRAMING: Final = 8


class TooMany(Exception):
    """A caller asks too fast; ``seconds``: when one more request is answered again, for Retry-After."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"more requests than one caller may send; ask again in {seconds} s")
        self.seconds = seconds


@dataclass(slots=True)
class _Allowance:
    """How many requests a caller may still send at once, as of a moment."""

    left: float
    at: float


class Pace:
    """Bounds the requests of each caller: on average so many a second, and a few seconds' worth at once."""

    def __init__(self, requests_per_second: int, ticker: Ticker, most_callers: int = MOST_CALLERS) -> None:
        """``most_callers``: those remembered; who was quiet for longest is forgotten, and begins anew."""
        self._rate = requests_per_second
        self._most = requests_per_second * BURST_SECONDS
        self._ticker = ticker
        self._most_callers = most_callers
        self._allowances: OrderedDict[tuple[str, str, str], _Allowance] = OrderedDict()

    def take(self, caller: Caller) -> None:
        """Count one request; TooMany where it is one too many, and then it does not count."""
        now, who = self._ticker(), (caller.tenant, caller.issuer, caller.user)
        allowance = self._allowances.setdefault(who, _Allowance(self._most, now))
        self._allowances.move_to_end(who)
        if len(self._allowances) > self._most_callers:
            self._allowances.popitem(last=False)
        allowance.left = min(self._most, allowance.left + (now - allowance.at) * self._rate)
        allowance.at = now
        if allowance.left < 1:
            raise TooMany(ceil((1 - allowance.left) / self._rate))
        allowance.left -= 1


class RequestBounds:
    """ASGI middleware that answers 431, 413 and 408, so that routes get whole bodies of a bounded size.

    A body is read before the route is asked: who sends a larger one is told so at once where they say its
    length, else as soon as it is too long. The rest of it is thrown away unread.
    """

    def __init__(self, app: ASGIApp, body_bytes: int, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what is none."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _header_bytes(scope) > HEADER_BYTES:
            await _refuse(send, 431, f"path and headers have more than {HEADER_BYTES} bytes")
        elif not _has_body(headers):
            await self._app(scope, receive, send)
        elif _stated_length(headers) > self._body_bytes:
            await self._too_large(send)
        else:
            await self._with_body(scope, receive, send)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await _read(receive, self._body_bytes)
        except TimeoutError:
            detail = f"the body did not arrive within {self._body_seconds:.0f} s"
            await _refuse(send, 408, detail, (b"connection", b"close"))
            return
        if body is None:
            return
        if len(body) > self._body_bytes:
            await self._too_large(send)
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _too_large(self, send: Send) -> None:
        await _refuse(send, 413, f"the body has more than {self._body_bytes} bytes (web.bodyBytes)")


def _header_bytes(scope: Scope) -> int:
    sent = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return sent + sum(len(name) + len(value) for name, value in scope["headers"])


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _stated_length(headers: Headers) -> int:
    stated = headers.get("content-length", "")
    # The server has refused any other; without one it is counted.
    return int(stated) if stated.isdecimal() and len(stated) < 20 else 0


async def _read(receive: Receive, most_bytes: int) -> bytes | None:
    """Return the body, or its beginning where that is too much already; None where the sender has gone."""
    body = bytearray()
    while len(body) <= most_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body once, and then what comes after it: that the sender has gone."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _refuse(send: Send, status: int, detail: str, *more: tuple[bytes, bytes]) -> None:
    body = _problem(status, detail)
    length = (b"content-length", str(len(body)).encode())
    headers = [(b"content-type", b"application/problem+json"), length, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _problem(status: int, detail: str) -> bytes:
    return msgspec.json.encode(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    )


class HeaderBounds(HttpToolsProtocol):
    """uvicorn's protocol, which ends a connection that sends headers without end, or too slowly.

    uvicorn collects headers, trailers and the frames of chunks whatever their size; the middleware sees them
    when they are complete.
    """

    header_seconds = HEADER_SECONDS
    unread_bytes = UNREAD_BYTES

    _spent = 0
    """Bytes of the headers that are coming, or since they came: body and frames."""
    _body = 0
    _has_ended = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patient_enough()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._spent = self._body = 0
        self._be_patient()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._patient_enough()
        # From here on the middleware sees the headers; what counts is how the body comes.
        self._spent = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)
        if self._body > self.unread_bytes and self.cycle.response_complete:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        self._spent += len(data)
        if self._has_ended:
            if self._spent > self.unread_bytes:
                self.transport.close()
            return
        super().data_received(data)
        if self._spent - self._body > HEADER_BYTES + _FRAMING * self._body:
            self._end(431, f"path, headers and frames have more than {HEADER_BYTES} bytes")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request at all."""
        self._end(400, f"this is no request of HTTP/1.1: {msg}")

    def _be_patient(self) -> None:
        self._patient_enough()
        self._patience = self.loop.call_later(self.header_seconds, self._too_slow)

    def _patient_enough(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        self._end(408, f"the headers did not arrive within {self.header_seconds:.0f} s")

    def _end(self, status: int, detail: str) -> None:
        """Answer and end the connection, but not at once: who still sends would lose the answer."""
        if self.transport.is_closing() or self._has_ended:
            return
        self._has_ended = True
        self._patient_enough()
        is_answering = self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]
        if is_answering or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write(_whole_answer(status, detail))
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _whole_answer(status: int, detail: str) -> bytes:
    body = _problem(status, detail)
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/problem+json\r\n"
    return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
