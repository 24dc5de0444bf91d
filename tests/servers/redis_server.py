"""A private Redis-compatible server on loopback, in one of two lanes: ``valkey-9`` and ``redis-7.0``.

``valkey-9`` is the server of the package's own extra, so it is there wherever the tests are. ``redis-7.0``
is the oldest version the scripts are written for: a ``redis-server`` on PATH, as Debian has it.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import redis

from runner.embedded import EmbeddedUnavailable
from runner.embedded.redis import server_arguments, server_binary, wait_until_answering
from runner.embedded.subprocesses import HOST, free_port, start_tethered, stop
from tests.servers.lanes import LaneMissing
from tests.waiting import WAIT_SECONDS

VALKEY: Final = "valkey-9"
REDIS: Final = "redis-7.0"
LANES: Final = (VALKEY, REDIS)
OLDEST_MAJOR: Final = 7


class RedisServer:
    """A server of its own at ``url``; it may be killed and started again on the same port and data.

    ``options`` are given to the server besides those that every one of them gets.
    """

    def __init__(self, lane: str, folder: Path, *, appendonly: bool, options: Sequence[str] = ()) -> None:
        self.lane = lane
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"
        settings = server_arguments(self.port, folder, keep=appendonly)
        self._command = [redis_binary(lane), *settings, *options]
        self._log = folder / "server.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def running(self) -> bool:
        """Whether it was started and not ended since."""
        return self._child is not None

    def client(self) -> redis.Redis:
        """Return a new client; the caller closes it."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start the server and wait until it answers; nothing if it runs."""
        if self._child is not None:
            return
        with self._log.open("ab") as log:
            child = start_tethered(self._command, stdout=log, stderr=log)
        if not wait_until_answering(child, self.port, WAIT_SECONDS):
            stop(child)
            raise RuntimeError(f"{self.lane} did not start:\n{self._log.read_text(errors='replace')}")
        self._child = child
        with self.client() as client:
            self._pid = int(client.info("server")["process_id"])

    def stop(self) -> None:
        """End the server in good order and wait for it; nothing if it does not run."""
        if self._child is not None:
            stop(self._child)
            self._child = None

    def kill(self) -> None:
        """End the server as ``kill -9`` does and wait for it; it does not come back by itself."""
        if self._child is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._child.wait(WAIT_SECONDS)
            self.stop()

    def restart(self) -> None:
        """End the server if it runs, and start it again; with appendonly it has its data again."""
        self.stop()
        self.start()


@contextlib.contextmanager
def running_redis(lane: str = VALKEY, *, appendonly: bool = False) -> Iterator[RedisServer]:
    """Run a server of that lane with an empty folder; LaneMissing where the lane has none."""
    with server_folder(lane) as folder, started(RedisServer(lane, folder, appendonly=appendonly)) as server:
        yield server


@contextlib.contextmanager
def server_folder(lane: str) -> Iterator[Path]:
    """Give an empty folder for the length of the block."""
    with tempfile.TemporaryDirectory(prefix=f"{lane}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def started(server: RedisServer) -> Iterator[RedisServer]:
    """Run a server for the length of the block."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def redis_binary(lane: str) -> str:
    if lane == VALKEY:
        try:
            return server_binary()
        except EmbeddedUnavailable as failure:
            raise LaneMissing(VALKEY, failure.reason, failure.remedy) from None
    found = shutil.which("redis-server")
    if found is None:
        raise LaneMissing(
            REDIS, "redis-server is not on PATH", "on Debian and Ubuntu: apt-get install redis-server"
        )
    if _major(found) < OLDEST_MAJOR:
        raise LaneMissing(REDIS, f"{found} is older than {OLDEST_MAJOR}.0", "install a newer one")
    return found


def _major(binary: str) -> int:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)", said)
    return int(found.group(1)) if found else 0
