"""Server: the app over HTTP, in a thread of its own, from its creation until it is told to stop.

The main thread stays free for signals and for the start of the process: health is answered meanwhile.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from runner.config import ConfigError, Problem
from runner.web.connection import Connection

BACKLOG: Final = 2048
_LOOK_SECONDS: Final = 0.1


class WebServer:
    """Answers requests until ``stop``. ConfigError if the address cannot be listened on.

    Port 0 takes any free one; ``port`` is the one that is listened on. ``end_streams`` is called in the event
    loop when it is told to stop: a stream has no end of its own that could be waited for.
    """

    def __init__(
        self,
        app: ASGIApp,
        address: tuple[str, int],
        shutdown_seconds: int,
        end_streams: Callable[[], None],
    ) -> None:
        _allow_many_sockets()
        self._socket = _listening(*address)
        self.port: int = self._socket.getsockname()[1]
        settings = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=shutdown_seconds,
        )
        self._server = _Server(settings, end_streams)
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself, which it must not."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Take no more requests, finish those in hand, and wait for that, so many seconds at most."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def wait(self, seconds: float = _LOOK_SECONDS) -> None:
        """Wait for a moment, or until the server has ended."""
        self._thread.join(seconds)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """Ends streams before it waits for connections, and waits for what requests have left behind as well."""

    def __init__(self, settings: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(settings)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        seconds = self.config.timeout_graceful_shutdown or 0
        deadline = loop.time() + seconds
        self._end_streams()
        await super().shutdown(sockets)
        await finish_background(deadline - loop.time())


async def finish_background(seconds: float) -> None:
    """Wait, so many seconds at most, for tasks that go on when their request has been answered.

    Such are the renewal of a session, whose refresh token may be good for one use alone, and questions for an
    issuer's keys.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others and seconds > 0:
        await asyncio.wait(others, timeout=seconds)


def _allow_many_sockets() -> None:
    """Let this process have all the sockets that it may: every stream is one, and often 1024 are set."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: for no other socket does asyncio turn Nagle's algorithm off, by which an answer
    # of two pieces waits 40 ms for the client to acknowledge the first.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        what: Any = f"cannot be listened on: {error.strerror}"
        remedy = "correct web.host and web.port, or stop who has the port; 0 takes any free one"
        raise ConfigError([Problem(f"{host}:{port}", "", what, remedy)]) from error
    return listening
