#!/usr/bin/env python3
"""A real Apache Kafka on loopback without Docker: one KRaft node, run by Java from jars that Maven gets.

    python3 deploy/kafka/kafka.py start                 # newest version; Ctrl-C ends it
    python3 deploy/kafka/kafka.py start --version 3.9.2 --port 9092 --data-dir ./kafka-data
    python3 deploy/kafka/kafka.py fetch                 # only fill the cache

`start` stays in the foreground and prints one line on standard output, `host:port`, once the broker
answers a metadata request there. The order of a start is: jars, ports, properties, format, broker,
answer. It is made for trying out and for tests, not for production: everything has one replica, and
the intervals are short. Needs only the standard library, Java 17 and, for the first start, Maven.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import ctypes
import fcntl
import hashlib
import os
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn
from xml.etree import ElementTree as ET

POM: Final = Path(__file__).with_name("pom.xml")
HOST: Final = "127.0.0.1"
MINIMUM_JAVA: Final = 17
# Below the range from which systems take the ports of outgoing connections (32768 and up on Linux).
PORT_RANGE: Final = (20_000, 32_000)
FETCH_TIMEOUT_SECONDS: Final = 900
FORMAT_TIMEOUT_SECONDS: Final = 120
START_TIMEOUT_SECONDS: Final = 120
STOP_TIMEOUT_SECONDS: Final = 15
POLL_SECONDS: Final = 0.1
PR_SET_PDEATHSIG: Final = 1

PROPERTIES: Final[Mapping[str, str]] = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "controlled.shutdown.enable": "false",
    # One node: every topic of its own has one replica, and few partitions so that the first use is quick.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Groups form at once, and may notice a dead member within a second.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # The same for groups of the consumer protocol (KIP-848), whose times the broker sets.
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "2000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    # A transaction past its own timeout is aborted within a second, not ten.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # Small machines: few threads, and a cleaner that fits the small heap.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.index.size.max.bytes": "1048576",
}


class StartFailed(Exception):
    """Kafka cannot be had or did not come up; the message says what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 after an asked-for end, 1 with one line on standard error otherwise."""
    arguments = _parser().parse_args(argv)
    try:
        jars = fetch(arguments.version)
        if arguments.command == "fetch":
            print(jars)
            return 0
        return start(jars, arguments)
    except StartFailed as failure:
        print(f"kafka.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def fetch(version: str) -> Path:
    """Return a folder with every jar of that Kafka version, whole, getting it with Maven if need be.

    The folder appears under its name only after the last jar: an interrupted download is never taken
    for whole. Of two processes at once, one downloads and the other waits for it.
    """
    jars = cache_folder() / f"kafka-{version}-{_pom_digest()}"
    if jars.is_dir():
        return jars
    jars.parent.mkdir(parents=True, exist_ok=True)
    with (jars.parent / f"{jars.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.is_dir():
            _download(version, jars)
    return jars


def start(jars: Path, arguments: argparse.Namespace) -> int:
    """Run one broker until a signal, its own end, or (if asked for) the end of standard input."""
    stop = _StopFlag()
    with _data_folder(arguments.data_dir) as data:
        port = arguments.port or free_port()
        settings = _settings(data, port, dict(arguments.set))
        properties = _write_properties(data, settings)
        if not (Path(settings["log.dirs"]) / "meta.properties").exists():
            _format_storage(jars, properties)
        with _broker(jars, properties, data / "kafka.log", arguments.heap) as broker:
            if not _wait_until_answering(broker, port, stop, data / "kafka.log"):
                return 0
            print(f"{HOST}:{port}", flush=True)
            return _stay(broker, stop, while_stdin_open=arguments.while_stdin_open)


def cache_folder() -> Path:
    """Return where downloads are kept, outside any checkout: the XDG cache folder of the user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "saga-task-runner"


def default_version() -> str:
    """Return the Kafka version that pom.xml names."""
    found = ET.parse(POM).getroot().findtext(".//{*}kafka.version")  # noqa: S314 - a file of this checkout
    if not found:
        raise StartFailed(f"{POM} names no kafka.version")
    return found


def free_port() -> int:
    """Return a loopback port that was free just now and that no outgoing connection will be given."""
    candidates = random.SystemRandom()
    for _ in range(100):
        port = candidates.randint(*PORT_RANGE)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise StartFailed(f"no free port on {HOST} between {PORT_RANGE[0]} and {PORT_RANGE[1]}")


def broker_answers(port: int) -> bool:
    """Say whether a broker on that loopback port answers a metadata request and names itself alive."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            return _brokers_alive(connection) > 0
    except (OSError, struct.error):
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kafka.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{start,fetch}")
    run = commands.add_parser("start", help="run a broker in the foreground; prints its host:port")
    only_fetch = commands.add_parser("fetch", help="only get the jars; prints their folder")
    for command in (run, only_fetch):
        command.add_argument("--version", default=default_version(), help="Kafka version (%(default)s)")
    run.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    run.add_argument("--data-dir", type=Path, help="keep the data here (default: thrown away at the end)")
    run.add_argument("--heap", default="512m", help="largest Java heap (%(default)s)")
    run.add_argument(
        "--set", action="append", type=_key_value, default=[], metavar="KEY=VALUE", help="broker property"
    )
    run.add_argument(
        "--while-stdin-open", action="store_true", help="end when standard input ends (for tests)"
    )
    return parser


def _key_value(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (separator and key.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key.strip(), value.strip()


def _pom_digest() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()[:8]


def _download(version: str, jars: Path) -> None:
    if shutil.which("mvn") is None:
        raise StartFailed("mvn (Maven) is not on PATH; on Debian and Ubuntu: apt-get install maven")
    print(f"kafka.py: getting Kafka {version} into {jars}", file=sys.stderr)
    for interrupted in jars.parent.glob(f".{jars.name}.*"):
        shutil.rmtree(interrupted, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{jars.name}.", dir=jars.parent) as partial:
        _run_maven(version, Path(partial) / "jars")
        (Path(partial) / "jars").rename(jars)


def _run_maven(version: str, target: Path) -> None:
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(POM), f"-Dkafka.version={version}"]
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(
            [*command, *goal],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StartFailed(f"Maven did not finish within {FETCH_TIMEOUT_SECONDS} s; try again") from None
    if done.returncode != 0 or not target.is_dir():
        said = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr)
        raise StartFailed(f"Maven could not get Kafka {version}; is that a released version?\n{said}")


@contextlib.contextmanager
def _data_folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="kafka-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _settings(data: Path, port: int, chosen: Mapping[str, str]) -> dict[str, str]:
    controller = free_port()
    placed = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": str(data / "log"),
    }
    return {**PROPERTIES, **placed, **chosen}


def _write_properties(data: Path, settings: Mapping[str, str]) -> Path:
    path = data / "server.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


def _format_storage(jars: Path, properties: Path) -> None:
    """Give the data folder a cluster id and the features of this Kafka version."""
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    command = _java(jars, "256m", "kafka.tools.StorageTool")
    arguments = ["format", f"--cluster-id={cluster_id}", f"--config={properties}"]
    done = subprocess.run(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=FORMAT_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise StartFailed(
            f"the storage in {properties.parent} was not formatted:\n{done.stdout}{done.stderr}"
        )


def _java(jars: Path, heap: str, main_class: str) -> list[str]:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    java = java or shutil.which("java")
    if java is None:
        raise StartFailed("java is not on PATH; on Debian and Ubuntu: apt-get install default-jre-headless")
    _check_java(java)
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [java, f"-Xmx{heap}", "-XX:+UseSerialGC", quiet, "-cp", f"{jars}/*", main_class]


def _check_java(java: str) -> None:
    said = subprocess.run(
        [java, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    ).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found.group(1)) < MINIMUM_JAVA:
        raise StartFailed(f"{java} is not Java {MINIMUM_JAVA} or newer; set JAVA_HOME to one that is")


@contextlib.contextmanager
def _broker(jars: Path, properties: Path, log: Path, heap: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the broker's JVM for the length of the block; it never outlives this process on Linux."""
    command = [*_java(jars, heap, "kafka.Kafka"), str(properties)]
    with log.open("wb") as output:
        broker = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
    try:
        yield broker
    finally:
        broker.terminate()
        try:
            broker.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            broker.kill()
            broker.wait()


def _die_with_parent() -> None:
    # A terminal's Ctrl-C goes to the whole process group; the launcher alone is to end the broker.
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class _StopFlag:
    """Becomes true at the first signal that asks for an end."""

    def __init__(self) -> None:
        self._set = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup and `&` ignore some on purpose
                signal.signal(number, self._handle)

    def __bool__(self) -> bool:
        return self._set

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._set = True


def _wait_until_answering(broker: subprocess.Popen[bytes], port: int, stop: _StopFlag, log: Path) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if stop:
            return False
        if broker.poll() is not None:
            _give_up(f"Kafka ended with code {broker.returncode} while starting", log)
        if broker_answers(port):
            return True
        time.sleep(POLL_SECONDS)
    return _give_up(f"Kafka did not answer on port {port} within {START_TIMEOUT_SECONDS} s", log)


def _stay(broker: subprocess.Popen[bytes], stop: _StopFlag, *, while_stdin_open: bool) -> int:
    watched = [sys.stdin] if while_stdin_open else []
    while not stop:
        if broker.poll() is not None:
            raise StartFailed(f"Kafka ended by itself with code {broker.returncode}")
        ready, _, _ = select.select(watched, [], [], POLL_SECONDS)
        if ready and not os.read(sys.stdin.fileno(), 4096):
            break
    return 0


def _give_up(reason: str, log: Path) -> NoReturn:
    last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise StartFailed(f"{reason}; the end of its log:\n{last_lines}")


def _brokers_alive(connection: socket.socket) -> int:
    """Ask for the metadata of no topic and return the number of brokers in the answer.

    Version 4 of the request is known to brokers from 0.11 to the 4.x line (KIP-896).
    """
    api_key, version, correlation_id, client_id = 3, 4, 1, b"kafka.py"
    header = struct.pack(">hhih", api_key, version, correlation_id, len(client_id)) + client_id
    no_topics, no_creation = struct.pack(">i", 0), b"\x00"
    request = header + no_topics + no_creation
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    answer = _receive(connection, size)
    _correlation_id, _throttle_ms, brokers = struct.unpack_from(">iii", answer)
    return int(brokers)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise ConnectionError("closed before the whole answer came")
        received += chunk
    return received


if __name__ == "__main__":
    sys.exit(main())
