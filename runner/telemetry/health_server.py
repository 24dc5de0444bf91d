"""Health over HTTP: /metrics, /health/live and /health/ready.

The server reads a ``HealthState`` from separate threads and never uses the loop, Kafka or Redis: a probe
cannot slow the worker down, and a stuck worker still answers it.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import threading
from collections.abc import Iterable
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from runner import log
from runner.clock import Ticker, monotonic_seconds
from runner.config import ConfigError, Problem
from runner.worker.health import LIVE_WITHIN_SECONDS, HealthState

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_JSON: Final = "application/json; charset=utf-8"
_PATHS: Final = ("/metrics", "/health/live", "/health/ready")
_SHUTDOWN_POLL_SECONDS: Final = 0.1
_REQUEST_SECONDS: Final = 10.0

_log: Final = log.get("health")


class HealthServer:
    """Serves health and metrics from its creation until ``close``, in daemon threads.

    Port 0 takes any free one; ``self.port`` is the port that is listened on. Raises ConfigError if the
    address cannot be listened on.
    """

    def __init__(
        self,
        state: HealthState,
        registry: CollectorRegistry,
        address: tuple[str, int],
        now: Ticker = monotonic_seconds,
        live_within_seconds: float = LIVE_WITHIN_SECONDS,
    ) -> None:
        self._state = state
        self._now = now
        self._live_within_seconds = live_within_seconds
        self._metrics_page = make_wsgi_app(registry)
        self._server = _listen(*address)
        self._server.set_app(self._respond)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), name="health", daemon=True
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

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._page(environ, start_response)
        except Exception as error:  # noqa: BLE001 - a page that fails is logged, and the next one is served
            _log_failure(environ["REMOTE_ADDR"], error)
            return _json(start_response, HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "see the log"})

    def _page(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/metrics":
                body: Iterable[bytes] = self._metrics_page(environ, start_response)
                return body
            case "GET", "/health/live":
                return _json(start_response, *self._live())
            case "GET", "/health/ready":
                return _json(start_response, *self._ready())
            case "GET", _:
                answer = {"error": "no such page", "pages": _PATHS}
                return _json(start_response, HTTPStatus.NOT_FOUND, answer)
        return _json(start_response, HTTPStatus.NOT_IMPLEMENTED, {"error": "only GET is served"})

    def _live(self) -> tuple[HTTPStatus, dict[str, Any]]:
        age = self._state.seconds_since_tick(self._now())
        is_live = age <= self._live_within_seconds
        return _ok_if(is_live), {"live": is_live, "secondsSinceTick": round(age, 3)}

    def _ready(self) -> tuple[HTTPStatus, dict[str, Any]]:
        readiness = self._state.readiness(self._now(), self._live_within_seconds)
        return _ok_if(readiness.ready), {
            "ready": readiness.ready,
            "reasons": readiness.reasons,
            "assignedPartitions": readiness.assigned_partitions,
            "storeUp": readiness.store_up,
            "pausedPartitions": readiness.paused_partitions,
            "secondsSinceTick": round(readiness.seconds_since_tick, 3),
        }


class _RequestHandler(WSGIRequestHandler):
    timeout = _REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Log nothing: probes come every few seconds."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _RequestHandler)

    def server_bind(self) -> None:
        """Bind without asking DNS for the host's own name, which may take seconds and is not used."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log the error of one request; a probe that hangs up early is none."""
        del request
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            _log_failure(str(client_address), error)


def _listen(host: str, port: int) -> _Server:
    try:
        return _Server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what, remedy = "is in use by another process", "choose another http.port, or 0 for no HTTP server"
        else:
            what, remedy = f"cannot be listened on: {error.strerror}", "correct http.host and http.port"
        raise ConfigError([Problem(f"{host}:{port}", "", what, remedy)]) from error


def _json(start_response: StartResponse, status: HTTPStatus, body: dict[str, Any]) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", _JSON)])
    return [json.dumps(body).encode() + b"\n"]


def _log_failure(client: str, error: BaseException | None) -> None:
    _log.error("request_failed", client=client, exc_info=error)


def _ok_if(good: bool) -> HTTPStatus:  # noqa: FBT001 - private, its name says the meaning
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
