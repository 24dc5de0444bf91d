"""A private PostgreSQL on loopback, in one lane: ``postgresql``, as Debian has it.

It refuses to run as root, so root runs it as the user ``postgres`` (or ``nobody``).
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from runner.embedded.subprocesses import HOST, free_port, start_tethered, stop
from tests.servers.lanes import LaneMissing
from tests.waiting import WAIT_SECONDS, until

LANE: Final = "postgresql"
USER: Final = "runner"
OLDEST_MAJOR: Final = 13
_REMEDY: Final = "on Debian and Ubuntu: apt-get install postgresql"
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    # What is measured on a cluster that a person made has these as well (docs/lists.md).
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
}


class PostgresServer:
    """A server of its own; it may be killed and started again on the same port and data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._binaries = _binaries()
        self._prefix = _prefix(folder)
        init = [*self._prefix, str(self._binaries / "initdb"), "-D", str(self._data), "-U", USER]
        subprocess.run([*init, "-E", "UTF8", "--no-locale", "-A", "trust"], check=True, capture_output=True)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}"

    def new_database(self) -> str:
        """Make a database that nobody else has; return its URL."""
        name = f"lists_{uuid.uuid4().hex[:10]}"
        self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        """Start the server and wait until it answers; nothing if it runs."""
        if self._child is not None:
            return
        settings = {**_SETTINGS, "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._child = start_tethered(
                [*self._prefix, str(self._binaries / "postgres"), "-D", str(self._data), *options],
                stdout=log,
                stderr=log,
            )
        until(self._answers, lambda: f"PostgreSQL:\n{self._log.read_text(errors='replace')}")

    def stop(self) -> None:
        """End the server in good order and wait for it; nothing if it does not run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a loss of power does and wait for it; it does not come back by itself."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        if self._child is not None:
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, number)
            self._child.wait(WAIT_SECONDS)
            stop(self._child)
            self._child = None

    def _answers(self) -> bool:
        with contextlib.suppress(OperationalError):
            self._execute("SELECT 1")
            return True
        return False

    def _execute(self, statement: str) -> None:
        engine = create_engine(
            self.url().replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server with an empty folder; LaneMissing where there is none."""
    _binaries()
    with tempfile.TemporaryDirectory(prefix=f"{LANE}-", ignore_cleanup_errors=True) as name:
        server = PostgresServer(Path(name))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _binaries() -> Path:
    """Return the folder of the newest version that is installed."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    found += [Path(on_path).parent] if on_path else []
    newest = max(found, key=_major, default=None)
    if newest is None:
        raise LaneMissing(LANE, "there is no initdb", _REMEDY)
    if _major(newest) < OLDEST_MAJOR:
        raise LaneMissing(LANE, f"{newest} is older than {OLDEST_MAJOR}", "install a newer one")
    return newest


def _major(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\) (\d+)", said.stdout)
    return int(found[1]) if found else 0


def _prefix(folder: Path) -> list[str]:
    """Return what a command line begins with so that the server is not run by root, and owns its folder."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known.get("nobody")
    program = shutil.which("setpriv")
    if user is None or program is None:
        raise LaneMissing(LANE, "root may not run it, and there is no other user or no setpriv", _REMEDY)
    shutil.chown(folder, user.pw_uid, user.pw_gid)
    return [program, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=QUIT"]
