"""Child processes that end when this one does, however it ends; the parent's half of parent_watch.py.

Used by the embedded broker and store. A child is started through ``runner.embedded.parent_watch``: on Linux
it gets the parent-death signal and then becomes the command itself (so ``pid`` is the command's), elsewhere
a supervisor runs the command until the pipe from this process closes.
"""

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Final

HOST: Final = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections (32768 and up on Linux).
PORT_RANGE: Final = (20_000, 32_000)
PORT_TRIES: Final = 100
STOP_TIMEOUT_SECONDS: Final = 10
BY_SIGNAL: Final = "signal"
BY_PIPE: Final = "pipe"


class EmbeddedUnavailable(Exception):
    """An embedded server cannot run here; ``remedy`` says what would help, and so does the text."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


def start_tethered(
    command: Sequence[str], *, stdout: int | IO[bytes], stderr: int | IO[bytes], tie: str | None = None
) -> subprocess.Popen[bytes]:
    """Start ``command`` so that it never outlives this process, not even after ``kill -9``.

    ``tie`` is BY_SIGNAL or BY_PIPE; by default what the system offers. By signal the child also ends with
    the *thread* that starts it, so start it from one that lasts. The child leaves the process group:
    a terminal's Ctrl-C reaches the parent alone, which then ends its children in its own order.
    """
    tie = tie or (BY_SIGNAL if sys.platform == "linux" else BY_PIPE)
    watched = [sys.executable, "-P", "-m", "runner.embedded.parent_watch", tie, str(os.getpid())]
    return subprocess.Popen(
        [*watched, *command], stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, process_group=0
    )


def stop(child: subprocess.Popen[bytes]) -> None:
    """Make sure that the child has ended: asked first, killed after ten seconds. Blocks until then."""
    child.terminate()
    try:
        child.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def free_port() -> int:
    """Return a loopback port that was free just now and that no outgoing connection will be given."""
    candidates = random.SystemRandom()
    for _ in range(PORT_TRIES):
        port = candidates.randint(*PORT_RANGE)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise EmbeddedUnavailable(
        f"no free port on {HOST} between {PORT_RANGE[0]} and {PORT_RANGE[1]}", "end what listens there"
    )
