"""What one request may be, and how many one caller may send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from runner.clock import ManualTicker
from runner.web.callers import Caller
from runner.web.limits import BURST_SECONDS, HEADER_BYTES, Pace, RequestBounds, TooMany
from tests.unit.web.tokens import RULES

RATE: Final = 10
MOST: Final = RATE * BURST_SECONDS
LIMIT: Final = 100


def caller(user: str, tenant: str = "", issuer: str = "") -> Caller:
    viewer = RULES.viewer(user, frozenset(), {"orders"})
    return Caller(user, user, frozenset(), viewer.domains, tenant, issuer, viewer)


def taken(pace: Pace, who: Caller, times: int) -> int:
    """Return how many of so many requests are let through."""
    through = 0
    for _ in range(times):
        try:
            pace.take(who)
        except TooMany:
            continue
        through += 1
    return through


def test_a_caller_may_ask_so_often_on_average_and_more_after_a_pause() -> None:
    ticker = ManualTicker()
    pace = Pace(RATE, ticker)
    assert taken(pace, caller("ann"), 100) == MOST
    ticker.advance(0.5)
    assert taken(pace, caller("ann"), 100) == RATE // 2
    ticker.advance(1000)
    assert taken(pace, caller("ann"), 100) == MOST


def test_callers_do_not_use_up_what_others_have() -> None:
    pace = Pace(RATE, ManualTicker())
    assert taken(pace, caller("ann"), 100) == MOST
    for other in (caller("bob"), caller("ann", tenant="acme"), caller("ann", issuer="staff")):
        assert taken(pace, other, 100) == MOST


def test_who_asks_too_fast_is_told_when_to_ask_again() -> None:
    ticker = ManualTicker()
    pace = Pace(1, ticker)
    taken(pace, caller("ann"), 100)
    ticker.advance(0.25)
    with pytest.raises(TooMany) as refused:
        pace.take(caller("ann"))
    assert refused.value.seconds == 1
    ticker.advance(refused.value.seconds)
    pace.take(caller("ann"))


def test_what_is_refused_does_not_count() -> None:
    ticker = ManualTicker()
    pace = Pace(RATE, ticker)
    taken(pace, caller("ann"), 10_000)
    ticker.advance(1)
    assert taken(pace, caller("ann"), 10_000) == RATE


def test_a_bounded_number_of_callers_is_remembered() -> None:
    pace = Pace(RATE, ManualTicker(), most_callers=3)
    for number in range(1000):
        pace.take(caller(f"user-{number}"))
    assert len(pace._allowances) == 3
    assert taken(pace, caller("user-999"), 100) == MOST - 1


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 50)), max_size=30))
def test_no_pattern_of_asking_gets_more_than_the_average(steps: list[tuple[float, int]]) -> None:
    ticker = ManualTicker()
    pace = Pace(RATE, ticker)
    through = 0
    for seconds, times in steps:
        ticker.advance(seconds)
        through += taken(pace, caller("ann"), times)
    assert through <= MOST + RATE * ticker() + 1e-6


class Route:
    """What is behind the bounds: notes what it gets and answers 200."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.after: list[str] = []

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.after.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def exchanged(
    route: Route,
    pieces: Iterable[bytes] = (),
    headers: Iterable[tuple[bytes, bytes]] = (),
    query: bytes = b"",
    *,
    never_ends: bool = False,
    hangs_up: bool = False,
) -> tuple[int | None, dict[str, Any], dict[bytes, bytes]]:
    """Send a request; return status, problem and headers of the answer."""
    sent: list[Message] = []
    waiting = [*pieces]

    async def receive() -> Message:
        if waiting:
            piece = waiting.pop(0)
            return {
                "type": "http.request",
                "body": piece,
                "more_body": bool(waiting) or never_ends or hangs_up,
            }
        if never_ends:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "raw_path": b"/", "query_string": query, "headers": [*headers]}
    bounds = RequestBounds(route, LIMIT, body_seconds=0.01 if never_ends else 60)
    asyncio.run(bounds(scope, receive, send))
    if not sent:
        return None, {}, {}
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body) if body else {}, dict(sent[0]["headers"])


CHUNKED: Final = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize("pieces", [[b"x" * LIMIT], [b"x" * 50, b"x" * 50], [b"x"] * LIMIT, [b""]])
def test_a_body_that_is_small_enough_is_passed_on_whole(pieces: list[bytes]) -> None:
    route = Route()
    length = sum(map(len, pieces))
    for headers in ([CHUNKED], [(b"content-length", str(length).encode())]):
        assert exchanged(route, pieces, headers)[0] == 200
    assert set(route.bodies) == {b"x" * length}
    assert set(route.after) == {"http.disconnect"}


@pytest.mark.parametrize(
    ("pieces", "headers"),
    [
        ([b"x" * (LIMIT + 1)], [CHUNKED]),
        ([b"x" * 60, b"x" * 60], [CHUNKED]),
        ([b"x" * (LIMIT + 1)], [(b"content-length", b"101")]),
        ([], [(b"content-length", b"52428800")]),
    ],
)
def test_a_larger_one_is_refused_and_never_passed_on(
    pieces: list[bytes], headers: list[tuple[bytes, bytes]]
) -> None:
    route = Route()
    status, problem, answer = exchanged(route, pieces, headers)
    assert (status, problem["status"], problem["title"]) == (413, 413, "Request Entity Too Large")
    assert "100 bytes (web.bodyBytes)" in problem["detail"]
    assert answer[b"content-type"] == b"application/problem+json"
    assert not route.bodies


def test_a_body_that_does_not_arrive_is_waited_for_only_so_long() -> None:
    route = Route()
    status, problem, answer = exchanged(route, [b"x"], [CHUNKED], never_ends=True)
    assert (status, problem["status"], answer[b"connection"]) == (408, 408, b"close")
    assert not route.bodies


def test_nothing_is_answered_to_who_has_gone() -> None:
    route = Route()
    assert exchanged(route, [b"x"], [CHUNKED], hangs_up=True)[0] is None
    assert not route.bodies


@pytest.mark.parametrize(
    ("headers", "query"),
    [([(b"x", b"y" * HEADER_BYTES)], b""), ([(b"x", b"y")] * HEADER_BYTES, b""), ([], b"q" * HEADER_BYTES)],
    ids=["long", "many", "query"],
)
def test_headers_and_path_are_bounded_together(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    status, problem, _ = exchanged(Route(), headers=headers, query=query)
    assert (status, problem["status"]) == (431, 431)


def test_what_is_no_request_is_passed_on() -> None:
    seen = []

    async def app(scope: Scope, *_: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise NotImplementedError

    asyncio.run(RequestBounds(app, LIMIT)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
