"""An issuer of tokens on loopback: discovery, keys that rotate, tokens of every kind; it can go down.

A thread of the test's own process, so that a test says what happens when. Keys are made here.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry

from runner.embedded.subprocesses import HOST, free_port

DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS: Final = "/keys"
AUDIENCE: Final = "tasks"
LIFE_SECONDS: Final = 600

Answer = Callable[[], tuple[int, bytes]]


def rsa_key(key_id: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": key_id, "use": "sig", "alg": "RS256"})


def ec_key(key_id: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": key_id, "use": "sig"})


def signed(claims: Mapping[str, Any], key: Key, header: Mapping[str, Any], *, typ: str | None = "JWT") -> str:
    """Return a token; the header may say anything that the library lets it say."""
    names = list(JWSRegistry.algorithms)
    registry = JWSRegistry(algorithms=names, strict_check_header=False)
    return jwt.encode(dict(header), dict(claims), key, registry=registry, default_type=typ)


class TokenIssuer:
    """An issuer at ``url`` with one key at first."""

    def __init__(self, key: Key | None = None) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.keys: list[Key] = [key or rsa_key("first")]
        self.asked: list[str] = []
        """Paths that were asked for."""
        self.answers: dict[str, Answer] = {}
        """What is answered instead, by path."""
        self.open = threading.Event()
        """While it is not set, answers wait."""
        self.open.set()
        self._server: ThreadingHTTPServer | None = None

    @property
    def key(self) -> Key:
        """The key that signs."""
        return self.keys[-1]

    def start(self) -> None:
        """Listen from now on; returns when it does."""
        handler = type("Handler", (_Handler,), {"issuer": self})
        self._server = ThreadingHTTPServer((HOST, self.port), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def is_stopped(self) -> bool:
        return self._server is None

    def stop(self) -> None:
        """Refuse connections from now on; nothing if it does so already."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def rotate(self, key: Key, *, keep: bool = True) -> None:
        """Sign with another key; those before stay published, unless told otherwise."""
        self.keys = [*(self.keys if keep else []), key]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return the claims of an ordinary token, some of them changed; None: left out."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "roles": ["clerk"],
            "iat": now,
            "exp": now + LIFE_SECONDS,
        }
        return {name: value for name, value in {**usual, **changed}.items() if value is not None}

    def token(self, **changed: Any) -> str:
        """Return an ordinary token, signed with the present key, with some claims changed."""
        algorithm = "ES256" if isinstance(self.key, ECKey) else "RS256"
        return signed(self.claims(**changed), self.key, {"alg": algorithm, "kid": self.key.kid})

    def receive(self, path: str, form: Mapping[str, str], authorization: str) -> tuple[int, bytes]:
        """Return status and body of what is sent."""
        del form, authorization
        return self.answers[path]() if path in self.answers else (404, b"{}")

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body of what is asked for."""
        if path in self.answers:
            return self.answers[path]()
        if path == DISCOVERY:
            return 200, json.dumps({"issuer": self.url, "jwks_uri": self.url + KEYS}).encode()
        if path == KEYS:
            return 200, json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()
        return 404, b"{}"


@contextmanager
def running_issuer(key: Key | None = None) -> Iterator[TokenIssuer]:
    """Run an issuer for the length of a block."""
    issuer = TokenIssuer(key)
    issuer.start()
    try:
        yield issuer
    finally:
        issuer.open.set()
        issuer.stop()


class _Handler(BaseHTTPRequestHandler):
    issuer: TokenIssuer

    def do_GET(self) -> None:
        self._answer(self.issuer.answer)

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        proof = self.headers.get("Authorization", "")
        self._answer(lambda path: self.issuer.receive(path, form, proof))

    def _answer(self, ask: Callable[[str], tuple[int, bytes]]) -> None:
        path = self.path.partition("?")[0]
        self.issuer.asked.append(path)
        self.issuer.open.wait()
        status, body = ask(path)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the class has it
        """Write nothing."""
