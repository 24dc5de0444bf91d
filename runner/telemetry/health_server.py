"""Health over HTTP: /metrics, /health/live and /health/ready.

The server reads a ``HealthState`` from separate threads and never uses the loop, Kafka or Redis: a probe
cannot slow the worker down, and a stuck worker still answers it.
"""

from __future__ import annotations

import errno
import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from runner import log
from runner.clock import Ticker, monotonic_seconds
from runner.config import ConfigError, Problem
from runner.worker.health import LIVE_WITHIN_SECONDS, HealthState

_JSON: Final = "application/json; charset=utf-8"
_PATHS: Final = ("/metrics", "/health/live", "/health/ready")
_SHUTDOWN_POLL_SECONDS: Final = 0.1
_REQUEST_SECONDS: Final = 10.0

_log: Final = log.get("health")


class HealthServer:
    """Serves health and metrics from its creation until ``close``, in daemon threads.

    Port 0 takes any free one; ``self.port`` is the port that is listened on. Raises ConfigError if the
    address cannot be listened on. ``exposition`` returns the text of /metrics.
    """

    def __init__(
        self,
        state: HealthState,
        exposition: Callable[[], bytes],
        address: tuple[str, int],
        now: Ticker = monotonic_seconds,
        live_within_seconds: float = LIVE_WITHIN_SECONDS,
    ) -> None:
        pages = _Pages(state, exposition, now, live_within_seconds)
        self._server = _listen(pages, *address)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_SHUTDOWN_POLL_SECONDS,),
            name="health",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for the listening thread; a second call does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Page:
    status: HTTPStatus
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Pages:
    """The page of each path, without HTTP."""

    state: HealthState
    exposition: Callable[[], bytes]
    now: Ticker
    live_within_seconds: float

    def get(self, path: str) -> _Page:
        match path.partition("?")[0]:
            case "/metrics":
                return _Page(HTTPStatus.OK, CONTENT_TYPE_LATEST, self.exposition())
            case "/health/live":
                return self._live()
            case "/health/ready":
                return self._ready()
            case _:
                return _json(HTTPStatus.NOT_FOUND, {"error": "no such page", "pages": _PATHS})

    def _live(self) -> _Page:
        age = self.state.seconds_since_tick(self.now())
        live = age <= self.live_within_seconds
        return _json(_ok_if(live), {"live": live, "secondsSinceTick": round(age, 3)})

    def _ready(self) -> _Page:
        readiness = self.state.readiness(self.now(), self.live_within_seconds)
        body = {
            "ready": readiness.ready,
            "reasons": readiness.reasons,
            "assignedPartitions": readiness.assigned_partitions,
            "storeUp": readiness.store_up,
            "pausedPartitions": readiness.paused_partitions,
            "secondsSinceTick": round(readiness.seconds_since_tick, 3),
        }
        return _json(_ok_if(readiness.ready), body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], pages: _Pages) -> None:
        self.pages = pages
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking DNS for the host's own name, which may take seconds and is not used."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log the error of one request; a probe that hangs up early is none."""
        del request
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            _log.error("request_failed", client=str(client_address), exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Log nothing: probes come every few seconds."""


def _listen(pages: _Pages, host: str, port: int) -> _Server:
    try:
        return _Server((host, port), pages)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what, remedy = "is in use by another process", "choose another http.port, or 0 for no HTTP server"
        else:
            what, remedy = f"cannot be listened on: {error.strerror}", "correct http.host and http.port"
        raise ConfigError([Problem(f"{host}:{port}", "", what, remedy)]) from error


def _ok_if(good: bool) -> HTTPStatus:  # noqa: FBT001 - private, its name says the meaning
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE


def _json(status: HTTPStatus, body: dict[str, Any]) -> _Page:
    return _Page(status, _JSON, json.dumps(body).encode() + b"\n")
