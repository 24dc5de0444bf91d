"""A Kafka broker for trying things out: librdkafka's own mock, in a child process.

In a process of its own, because killed and restarted workers must find it again. It keeps about 5 MiB a
partition, knows no transactions and no ``read_committed``, and answers few admin requests; clients want
``fetch.wait.max.ms`` low, since it never wakes a waiting fetch.
"""

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Final

from runner.embedded.subprocesses import EmbeddedUnavailable, start_tethered, stop

START_TIMEOUT_SECONDS: Final = 20.0
REMEDY: Final = "use a real Kafka (kafka.brokers), or the confluent-kafka of this package's lock file"


@contextmanager
def embedded_broker(topics: Mapping[str, int]) -> Iterator[str]:
    """Run a broker with exactly these topics (name to partitions) for the block; give its host:port.

    Blocks until the broker answers, at most 20 s; EmbeddedUnavailable if it does not.
    """
    arguments = [f"{name}={partitions}" for name, partitions in topics.items()]
    command = [sys.executable, "-P", "-m", "runner.embedded.mock_cluster", *arguments]
    with tempfile.TemporaryFile() as log:
        child = start_tethered(command, stdout=subprocess.PIPE, stderr=log)
        try:
            yield _first_line(child, log)
        finally:
            stop(child)


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
            text = log.read().decode(errors="replace").strip() or "it said nothing"
            raise EmbeddedUnavailable(f"the embedded broker did not start ({text})", REMEDY)
        received += chunk
    return received.decode().strip()
