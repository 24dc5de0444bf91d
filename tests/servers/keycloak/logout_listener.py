"""A place where Keycloak sends logout tokens to: a small HTTP server on loopback, in a thread."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

from runner.embedded.subprocesses import HOST
from tests.waiting import until

PATH: Final = "/back-channel-logout"


class LogoutListener:
    """It keeps every logout token that is posted to ``url``."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}{PATH}"
        self.tokens: list[str] = []

    def first_token(self) -> str:
        """Wait for a logout token and return the first that came."""
        return until(lambda: self.tokens[:1], f"a logout token at {self.url}")[0]


@contextlib.contextmanager
def running_listener() -> Iterator[LogoutListener]:
    """Listen for the length of a block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            known = self.path == PATH
            if known:
                listener.tokens.extend(parse_qs(body).get("logout_token", ()))
            self.send_response(200 if known else 404)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the class has it
            """Write nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    listener = LogoutListener(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
