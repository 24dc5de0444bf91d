"""A broker of a test's own, which may be stopped, killed and started again on the same port and data."""

import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from runner.embedded.subprocesses import HOST, free_port
from tests.servers.kafka_server import LAUNCH_SECONDS, LAUNCHER, KafkaServer
from tests.servers.lanes import LaneMissing
from tests.waiting import WAIT_SECONDS

LANE: Final = "deploy/kafka"
OLDEST: Final = "3.9.2"
"""The oldest Kafka that the runner is made for; .ci/run gets it, too."""


class OwnBroker:
    """A Kafka from deploy/kafka; LaneMissing where Java or Maven are not there."""

    def __init__(
        self,
        folder: Path,
        version: str | None = None,
        settings: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        """``settings``: properties of the broker, over those of deploy/kafka."""
        missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
        if missing:
            raise LaneMissing(
                LANE, f"{' and '.join(missing)} not on PATH", "install Java 17 and Maven to restart a broker"
            )
        self._folder = folder
        self._version = ["--version", version] if version else []
        self._settings = [f"--set={name}={value}" for name, value in (settings or {}).items()]
        self._port = port or free_port()
        self._launcher: subprocess.Popen[bytes] | None = None
        self.server = KafkaServer(f"{HOST}:{self._port}", LANE)

    def start(self) -> None:
        """Start it and wait until it answers."""
        place = ["--port", str(self._port), "--data-dir", str(self._folder / "data")]
        command = [
            sys.executable,
            str(LAUNCHER),
            "start",
            "--while-stdin-open",
            *place,
            *self._version,
            *self._settings,
        ]
        with (self._folder / "launcher.log").open("ab") as log:
            launcher = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, process_group=0
            )
        self._launcher = launcher
        address = launcher.stdout
        if (
            address is None
            or not any(select.select([address], [], [], LAUNCH_SECONDS))
            or not address.readline()
        ):
            raise RuntimeError((self._folder / "launcher.log").read_text())

    def stop(self) -> None:
        """End it in good order and wait for that; nothing if it does not run."""
        if self._launcher is not None:
            self._launcher.communicate(timeout=WAIT_SECONDS)
            self._launcher = None

    def kill(self) -> None:
        """End it as ``kill -9`` does: the broker dies with its launcher."""
        if self._launcher is not None:
            self._launcher.kill()
            self.stop()
