"""A real Keycloak on loopback for the length of a block, without Docker and with nothing kept.

It has its database in memory, and a folder of its own with links to the programs of the distribution. Its log
stays in that folder.
"""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx

from runner.embedded.subprocesses import HOST, free_port, start_tethered, stop
from tests.servers.keycloak import admin, distribution
from tests.servers.keycloak.admin import Admin
from tests.servers.keycloak.realm import Realm

START_SECONDS: Final = 180
PAUSE_SECONDS: Final = 0.25
LINKED: Final = ("lib", "conf", "providers", "themes")


class KeycloakServer:
    """A Keycloak at ``url`` that has the given realms from its start."""

    def __init__(self, folder: Path, realms: Sequence[Realm] = (Realm(),)) -> None:
        """Prepare it in an empty folder; LaneMissing where it cannot be had."""
        self._home = folder
        self.log = folder / "keycloak.log"
        self.version = distribution.wanted_version()
        port, self._management_port = free_port(), free_port()
        self.url = f"http://{HOST}:{port}"
        self.admin = Admin(self.url)
        self._child: subprocess.Popen[bytes] | None = None
        self._command = distribution.command(folder, self._arguments(port))
        built = distribution.fetch()
        for name in LINKED:
            (folder / name).symlink_to(built / name)
        imported = folder / "data" / "import"
        imported.mkdir(parents=True)
        for realm in realms:
            (imported / f"{realm.name}-realm.json").write_text(json.dumps(realm.representation()))

    def start(self) -> None:
        """Start it and wait until it is ready and has its realms."""
        with self.log.open("ab") as log:
            self._child = start_tethered(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            ended = self._child.poll()
            if ended is not None or time.monotonic() > deadline:
                self.stop()
                reason = "is not ready in time" if ended is None else f"ended with code {ended}"
                raise RuntimeError(f"Keycloak {self.version} {reason}:\n{self._end_of_log()}")
            time.sleep(PAUSE_SECONDS)

    def stop(self) -> None:
        """End it and wait for that; nothing if it does not run."""
        if self._child is not None:
            stop(self._child)
            self._child = None

    def _arguments(self, port: int) -> list[str]:
        return [
            "start",
            "--optimized",
            "--import-realm",
            "--cache=local",
            "--http-enabled=true",
            f"--http-host={HOST}",
            f"--http-port={port}",
            f"--http-management-host={HOST}",
            f"--http-management-port={self._management_port}",
            f"--hostname={self.url}",
            f"--bootstrap-admin-username={admin.USER}",
            f"--bootstrap-admin-password={admin.PASSWORD}",
            # It would write a line whenever it is asked whether it is ready.
            "--log-level=info,io.smallrye.health:warn",
        ]

    def _ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            url = f"http://{HOST}:{self._management_port}/health/ready"
            return httpx.get(url, timeout=START_SECONDS).status_code == httpx.codes.OK
        return False

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


@contextlib.contextmanager
def running_keycloak(folder: Path, realms: Sequence[Realm] = (Realm(),)) -> Iterator[KeycloakServer]:
    """Run a Keycloak for the length of a block; LaneMissing where it cannot be had."""
    server = KeycloakServer(folder, realms)
    try:
        server.start()
        yield server
    finally:
        server.stop()
