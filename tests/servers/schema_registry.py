"""A small schema registry on loopback: a process that speaks the part of the HTTP API that clients use.

It keeps what was registered in a file, as a real one keeps it in a topic: it may be killed and started again.
``python -m tests.servers.schema_registry PORT FILE`` runs it.
"""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, Final, cast

from runner.embedded.subprocesses import HOST, free_port, start_tethered, stop
from tests.waiting import WAIT_SECONDS, until

KIND: Final = "application/vnd.schemaregistry.v1+json"


class SchemaRegistryServer:
    """A registry of its own at ``url``."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._file = folder / "schemas.json"
        self._child: Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "tests.servers.schema_registry", str(self.port), str(self._file)]
        self._child = start_tethered(command, stdout=DEVNULL, stderr=DEVNULL)
        until(self._answers, "the schema registry to answer")

    def stop(self) -> None:
        """End it and wait for that; nothing if it does not run."""
        if self._child is not None:
            stop(self._child)
            self._child = None

    def register(self, subject: str, schema: Any) -> int:
        """Register a schema, as any client does, and return its id."""
        body = json.dumps({"schema": json.dumps(schema)}).encode()
        request = urllib.request.Request(  # noqa: S310 - on loopback
            f"{self.url}/subjects/{subject}/versions", body, {"Content-Type": KIND}
        )
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:  # noqa: S310 - on loopback
            return int(json.load(answer)["id"])

    def registered(self) -> list[dict[str, Any]]:
        """Return what was registered: subject and schema, in the order of their ids from 1."""
        return _read(self._file)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/subjects", timeout=1):  # noqa: S310 - on loopback
            return True
        return False


@contextlib.contextmanager
def running_registry(folder: Path) -> Iterator[SchemaRegistryServer]:
    """Run a registry for the length of a block."""
    server = SchemaRegistryServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _read(file: Path) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], json.loads(file.read_text())) if file.exists() else []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        kept = _read(self.file)
        if path == "/subjects":
            self._answer(200, sorted({each["subject"] for each in kept}))
            return
        number = path.removeprefix("/schemas/ids/")
        if number.isdecimal() and 0 < int(number) <= len(kept):
            self._answer(200, {"schema": json.dumps(kept[int(number) - 1]["schema"])})
        else:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, _, subject, *versions = self.path.partition("?")[0].split("/")
        entry = {"subject": subject, "schema": json.loads(body["schema"])}
        kept = _read(self.file)
        if entry not in kept and not versions:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})
            return
        if entry not in kept:
            kept.append(entry)
            self.file.write_text(json.dumps(kept))
        number = kept.index(entry) + 1
        self._answer(200, {"id": number, "subject": subject, "version": 1, "schema": body["schema"]})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the class has it
        """Write nothing."""

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", KIND)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _serve(port: int, file: Path) -> None:
    handler = type("Handler", (_Handler,), {"file": file})
    ThreadingHTTPServer((HOST, port), handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
