"""The server: where it listens, that answers are not held back, and how it ends."""

import asyncio
import gc
import socket
import threading

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from runner.config import ConfigError
from runner.web.limits import HeaderBounds
from runner.web.server import WebServer


async def small(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in two pieces, as most answers are."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def test_it_answers_until_it_is_stopped() -> None:
    server = WebServer(small, ("127.0.0.1", 0), 5, no_streams)
    try:
        assert httpx.get(f"http://127.0.0.1:{server.port}/").text == "ok"
        assert not server.has_ended
    finally:
        server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/")


def test_answers_are_not_held_back_until_the_client_acknowledges_their_beginning() -> None:
    """Of the connections that it accepts TCP_NODELAY is set: without, a small answer took 40 ms more."""
    seen: list[int] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        connections = [each for each in gc.get_objects() if isinstance(each, HeaderBounds)]
        for each in connections:
            raw = each.transport.get_extra_info("socket")
            if raw is not None and not each.transport.is_closing():
                seen.append(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await small(scope, receive, send)

    server = WebServer(look, ("127.0.0.1", 0), 5, no_streams)
    try:
        httpx.get(f"http://127.0.0.1:{server.port}/")
    finally:
        server.stop()
    assert seen
    assert all(seen)


def no_streams() -> None:
    """There are none to end."""


def test_what_is_being_answered_is_finished() -> None:
    begun, may_end = threading.Event(), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.to_thread(may_end.wait)
        await small(scope, receive, send)

    server = WebServer(slow, ("127.0.0.1", 0), 60, no_streams)
    answers: list[str] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{server.port}/", timeout=60).text)
    )
    asking.start()
    begun.wait()
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    may_end.set()
    stopping.join()
    asking.join()

    assert answers == ["ok"]


def test_what_goes_on_behind_an_answer_is_finished() -> None:
    """Renewing a session goes on when its browser is gone: a refresh token may be good for one use alone."""
    ended = threading.Event()
    left_behind: set[asyncio.Task[None]] = set()

    async def renew() -> None:
        # Longer than connections take to be closed.
        await asyncio.sleep(1)
        ended.set()

    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        left_behind.add(asyncio.create_task(renew()))
        await small(scope, receive, send)

    server = WebServer(leave, ("127.0.0.1", 0), 60, no_streams)
    try:
        assert httpx.get(f"http://127.0.0.1:{server.port}/").text == "ok"
    finally:
        server.stop()

    assert ended.is_set()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            WebServer(small, ("127.0.0.1", port), 5, no_streams)
