"""An nginx of Debian's in front of something, with a server block of the test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runner.embedded.subprocesses import HOST, start_tethered, stop
from tests.servers.lanes import LaneMissing
from tests.waiting import until

LANE: Final = "nginx"
REQUIRE_NGINX: Final = "RUNNER_REQUIRE_NGINX"
# One process, as whoever runs it: what it keeps for a while may lie in a folder of theirs.
_AROUND: Final = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{server}}}
"""


@contextlib.contextmanager
def running_nginx(folder: Path, server: str, port: int) -> Iterator[None]:
    """Run it with a server block that listens on ``port``; LaneMissing where there is none."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise LaneMissing(LANE, "there is none", "install it (Debian: apt-get install nginx)")
    file, log = folder / "nginx.conf", folder / "nginx.log"
    file.write_text(_AROUND.format(folder=folder, server=server))
    with log.open("wb") as written:
        line = [program, "-p", str(folder), "-e", str(log), "-c", str(file)]
        child = start_tethered(line, stdout=written, stderr=subprocess.STDOUT)
    try:
        until(
            lambda: child.poll() is not None or _is_listening(port),
            lambda: f"nginx at {port}: {log.read_text()}",
        )
        assert child.poll() is None, log.read_text()
        yield
    finally:
        stop(child)


def _is_listening(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex((HOST, port)) == 0
