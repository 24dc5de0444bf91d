"""A Kafka broker for trying things out: librdkafka's own mock, in a child process.

In a process of its own, because killed and restarted workers must find it again. It keeps about 5 MiB a
partition, knows no transactions and no ``read_committed``, and answers few admin requests; clients want
``fetch.wait.max.ms`` low, since it never wakes a waiting fetch.
"""

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Final, Self

from runner.embedded.subprocesses import start_tethered, stop
from runner.embedded.unavailable import EmbeddedUnavailable

START_TIMEOUT_SECONDS: Final = 20.0
REMEDY: Final = "use a real Kafka (kafka.brokers), or the confluent-kafka of this package's lock file"


class EmbeddedBroker:
    """A running broker with exactly the given topics, for the length of a ``with`` block.

    ``topics`` maps names to partition counts. Entering blocks until the broker answers, at most 20 s, and
    raises EmbeddedUnavailable if it does not. ``bootstrap`` (host:port) is valid inside the block.
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        self._topics = dict(topics)
        self._running = contextlib.ExitStack()
        self._bootstrap: str | None = None

    def __enter__(self) -> Self:
        arguments = [f"{name}={partitions}" for name, partitions in self._topics.items()]
        command = [sys.executable, "-P", "-m", "runner.embedded.mock_cluster", *arguments]
        with contextlib.ExitStack() as starting:
            log = starting.enter_context(tempfile.TemporaryFile())
            child = start_tethered(command, stdout=subprocess.PIPE, stderr=log)
            starting.callback(stop, child)
            self._bootstrap = _first_line(child, log)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bootstrap = None
        self._running.close()

    @property
    def bootstrap(self) -> str:
        """The broker's address, host:port."""
        if self._bootstrap is None:
            raise RuntimeError("the embedded broker has an address only inside its with block")
        return self._bootstrap


def _first_line(child: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Return the first line the child prints; EmbeddedUnavailable with its last words otherwise."""
    assert child.stdout is not None  # noqa: S101 - asked for by the caller above
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    received = b""
    while not received.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(child.stdout.fileno(), 4096) if ready else b""
        if not chunk:
            log.seek(0)
            said = log.read().decode(errors="replace").strip() or "it said nothing"
            raise EmbeddedUnavailable(f"the embedded broker did not start ({said})", REMEDY)
        received += chunk
    return received.decode().strip()
