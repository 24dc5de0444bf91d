"""Callers and limits over real HTTP: whoever sends what, the answer is clear and nobody else waits for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runner.cli.wiring.web_callers import build_authenticator
from runner.config import load
from runner.embedded.subprocesses import HOST
from runner.web.callers import Authenticator, Unauthenticated
from runner.web.limits import HEADER_BYTES, HeaderBounds, RequestBounds
from tests.servers.token_issuer import TokenIssuer, rsa_key, running_issuer, signed
from tests.waiting import WAIT_SECONDS, until

BODY_BYTES: Final = 1_048_576
LARGE_BYTES: Final = 50 * 1_048_576
PIECE: Final = b"x" * 65_536


class Hasty(HeaderBounds):
    """The same with little patience."""

    header_seconds = 0.05
    unread_bytes = 1_048_576


def app(callers: Authenticator) -> RequestBounds:
    """Return an app that says who asks, and how much it was sent."""

    async def echo(request: Request) -> Response:
        try:
            caller = await callers.of(request.headers)
        except Unauthenticated as error:
            return JSONResponse({"detail": error.detail}, error.status, error.headers)
        told = {"user": caller.user, "domains": sorted(caller.domains), "bytes": len(await request.body())}
        return JSONResponse(told)

    return RequestBounds(Starlette(routes=[Route("/", echo, methods=["GET", "POST"])]), BODY_BYTES)


@contextmanager
def serving(served: RequestBounds, protocol: type[HeaderBounds] = HeaderBounds) -> Iterator[int]:
    """Run an app for the length of a block; gives its port."""
    config = uvicorn.Config(
        served, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        until(lambda: server.started, "the server to start")
        try:
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(WAIT_SECONDS)


def callers_of(folder: Path, *issuers: TokenIssuer) -> Authenticator:
    named = {
        f"issuer-{number}": {
            "issuer": issuer.url,
            "audience": "tasks",
            "domains": ["default", f"only-{number}"],
            "userPrefix": f"{number}:",
        }
        for number, issuer in enumerate(issuers)
    }
    domains: dict[str, Any] = {"default": {}} | {f"only-{number}": {} for number in range(len(issuers))}
    file = folder / "runner.yaml"
    file.write_text(yaml.safe_dump({"domains": domains, "web": {"issuers": named}}))
    return build_authenticator(load(file, {}))


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def port(issuer: TokenIssuer, tmp_path: Path) -> Iterator[int]:
    with serving(app(callers_of(tmp_path, issuer))) as port:
        yield port


def asked(port: int, token: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    method = "POST" if more else "GET"
    return httpx.request(method, f"http://{HOST}:{port}/", headers=headers, timeout=WAIT_SECONDS, **more)


def answer_to(port: int, *pieces: bytes) -> bytes:
    """Send bytes until they are no longer taken; return all that comes back before the connection ends."""
    answer = b""
    with closing(socket.create_connection((HOST, port), WAIT_SECONDS)) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            while piece := connection.recv(65_536):
                answer += piece
        except ConnectionError:
            pass
    return answer


def test_only_what_the_issuer_has_signed_is_let_in(issuer: TokenIssuer, port: int) -> None:
    good = issuer.token()
    header, payload, signature = good.split(".")
    stranger = rsa_key(str(issuer.key.kid))
    forged = [
        signed(issuer.claims(), stranger, {"alg": "RS256", "kid": stranger.kid}),
        signed(issuer.claims(), stranger, {"alg": "RS256", "jwk": stranger.as_dict(private=False)}),
        signed(issuer.claims(), stranger, {"alg": "RS256", "jku": f"{issuer.url}/other-keys"}),
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        issuer.token(aud="others"),
        issuer.token(iss="https://login.example.com"),
        issuer.token(exp=1),
        issuer.token(nbf=9_999_999_999),
        issuer.token(sub=None),
        "x" * 20_000,
    ]
    assert asked(port, good).json() == {"user": "0:ann", "domains": ["default", "only-0"], "bytes": 0}
    for token in forged:
        answer = asked(port, token)
        assert answer.status_code == 401, answer.text
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="runner", error="invalid_token"')
        assert "Traceback" not in answer.text
    assert httpx.get(f"http://{HOST}:{port}/").headers["WWW-Authenticate"] == 'Bearer realm="runner"'
    assert "/other-keys" not in issuer.asked
    assert asked(port, good).status_code == 200


def test_a_key_may_change_and_the_issuer_may_go_away(issuer: TokenIssuer, tmp_path: Path) -> None:
    with serving(app(callers_of(tmp_path, issuer))) as port:
        before = issuer.token()
        assert asked(port, before).status_code == 200
        issuer.stop()
        assert asked(port, issuer.token(jti="new")).status_code == 200, "its keys are known"
        issuer.rotate(rsa_key("second"))
        unknown = asked(port, issuer.token())
        issuer.start()

        def taken() -> bool:
            return asked(port, issuer.token()).status_code == 200

        until(taken, "the new key to count")
        assert asked(port, before).status_code == 200
    # The first answer was so new that nobody asked again, or the issuer was asked and away.
    assert unknown.status_code in {401, 503}


def test_an_issuer_that_is_away_keeps_nobody_out_but_its_own(tmp_path: Path) -> None:
    with running_issuer() as first, running_issuer() as second:
        second.stop()
        with serving(app(callers_of(tmp_path, first, second))) as port:
            away = asked(port, second.token())
            assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
            assert str(second.port) not in away.text
            assert asked(port, first.token()).json()["domains"] == ["default", "only-0"]
            second.start()
            until(lambda: asked(port, second.token()).status_code == 200, "the issuer to be asked again")
            assert asked(port, second.token()).json()["user"] == "1:ann"


def test_an_issuer_that_does_not_answer_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    with (
        running_issuer() as slow,
        running_issuer() as quick,
        ThreadPoolExecutor(20) as pool,
        serving(app(callers_of(tmp_path, slow, quick))) as port,
    ):
        slow.open.clear()
        waiting = [pool.submit(asked, port, slow.token(jti=number)) for number in range(20)]
        until(lambda: slow.asked, "the slow issuer to be asked")
        assert asked(port, quick.token()).status_code == 200
        slow.open.set()
        assert {each.result().status_code for each in waiting} <= {200, 503}
        assert slow.asked.count("/.well-known/openid-configuration") == 1


def test_a_body_of_fifty_megabytes_is_refused_and_the_connection_goes_on(
    issuer: TokenIssuer, port: int
) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    with httpx.Client(base_url=f"http://{HOST}:{port}", headers=headers, timeout=WAIT_SECONDS) as client:
        assert client.post("/", content=b"x" * BODY_BYTES).json()["bytes"] == BODY_BYTES
        stated = client.post("/", content=b"x" * LARGE_BYTES)
        streamed = client.post("/", content=(PIECE for _ in range(LARGE_BYTES // len(PIECE))))
        for answer in (stated, streamed):
            assert answer.status_code == 413
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["detail"] == f"the body has more than {BODY_BYTES} bytes (web.bodyBytes)"
        assert client.post("/", content=b"xyz").json()["bytes"] == 3


def sent_before_the_end(port: int, begin: bytes, piece: bytes) -> int:
    """Send without end; return how many bytes were taken before the connection was ended."""
    sent = 0
    with closing(socket.create_connection((HOST, port), WAIT_SECONDS)) as connection:
        try:
            connection.sendall(begin)
            while True:
                sent += connection.send(piece)
        except ConnectionError:
            return sent


def test_a_body_without_end_is_refused_and_then_cut_off(issuer: TokenIssuer, tmp_path: Path) -> None:
    begin = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(app(callers_of(tmp_path, issuer)), Hasty) as port:
        assert sent_before_the_end(port, begin, b"10000\r\n" + PIECE + b"\r\n") > BODY_BYTES
        assert asked(port, issuer.token()).status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        b"x: " + b"y" * 1_048_576 + b"\r\n",
        b"x: y\r\n" * 40_000,
        b"x: " + b"y" * (HEADER_BYTES + 1) + b"\r\n",
    ],
    ids=["one of a megabyte", "many", "a little too much"],
)
def test_headers_that_are_too_large_are_refused(issuer: TokenIssuer, port: int, lines: bytes) -> None:
    answer = answer_to(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", lines, b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b'"status":431' in answer
    assert asked(port, issuer.token()).status_code == 200


def test_a_path_that_is_too_large_is_refused(port: int) -> None:
    answer = answer_to(
        port, b"GET /?" + b"q" * (HEADER_BYTES + 1) + b" HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
    ],
    ids=["headers", "trailers"],
)
def test_headers_and_trailers_without_end_are_cut_off(
    issuer: TokenIssuer, tmp_path: Path, begin: bytes
) -> None:
    with serving(app(callers_of(tmp_path, issuer)), Hasty) as port:
        assert sent_before_the_end(port, begin, b"x: " + PIECE + b"\r\n") < 100 * BODY_BYTES
        assert asked(port, issuer.token()).status_code == 200


def test_a_body_in_the_smallest_pieces_is_taken(issuer: TokenIssuer, port: int) -> None:
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {issuer.token()}\r\n"
    pieces = b"1\r\nx\r\n" * 200_000
    answer = answer_to(port, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), pieces, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"bytes":200000' in answer


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET / HTTP/1.1\r\nx: "])
def test_who_does_not_finish_its_headers_is_not_waited_for(
    issuer: TokenIssuer, tmp_path: Path, beginning: bytes
) -> None:
    with serving(app(callers_of(tmp_path, issuer)), Hasty) as port:
        assert answer_to(port, beginning).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert asked(port, issuer.token()).status_code == 200
