"""The first signal asks a worker to stop, the second ends it at once, whatever the first one waits for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from runner.cli.stopping import STOPPED_LATE
from tests.waiting import WAIT_SECONDS, until

LOGS_INTO_A_FULL_PIPE = """
import os, sys, time
from pathlib import Path
from runner import log
from runner.cli.stopping import stopping_by_signal

log.configure("json", "info")
os.set_blocking(2, False)
for size in (4096, 1):
    try:
        while True:
            os.write(2, b"x" * size)
    except BlockingIOError:
        pass
os.set_blocking(2, True)
with stopping_by_signal(3600) as stopping:
    stopping.begun()
    Path(sys.argv[1]).touch()
    while not stopping.asked():
        time.sleep(0.01)
"""


def test_the_second_signal_counts_although_the_log_of_the_first_is_read_by_nobody(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    reader, writer = os.pipe()
    command = [sys.executable, "-c", LOGS_INTO_A_FULL_PIPE, str(begun)]
    child = subprocess.Popen(command, stderr=writer)
    try:
        until(begun.exists, "the worker")

        def has_ended() -> bool:
            child.send_signal(signal.SIGTERM)
            return child.poll() is not None

        until(has_ended, "the end of the worker")
        assert child.wait(WAIT_SECONDS) == STOPPED_LATE
    finally:
        child.kill()
        child.wait()
        os.close(reader)
        os.close(writer)
