"""A real Apache Kafka for the length of a block, from the first lane that has one.

The lanes, in order: an existing broker (RUNNER_TEST_KAFKA=host:port), a container where Docker answers,
and deploy/kafka with Java and Maven. The last two take their version from RUNNER_TEST_KAFKA_VERSION and
have the same broker settings.
"""

import contextlib
import importlib.util
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from runner.embedded.subprocesses import free_port
from tests.servers.lanes import LaneMissing
from tests.waiting import WAIT_SECONDS

EXISTING: Final = "RUNNER_TEST_KAFKA"
VERSION: Final = "RUNNER_TEST_KAFKA_VERSION"
LAUNCHER: Final = Path(__file__).parents[2] / "deploy" / "kafka" / "kafka.py"
SESSION: Final = "group.consumer.session.timeout.ms"
LONGEST_SESSION_MS: Final = 5000
ASK_DOCKER: Final = "import docker; docker.from_env(timeout=5).ping()"
ASK_DOCKER_SECONDS: Final = 20
# The first start gets the jars.
LAUNCH_SECONDS: Final = 1_200


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """A broker that answers at ``bootstrap`` (host:port), and the name of the lane it came from."""

    bootstrap: str
    lane: str

    def admin(self) -> AdminClient:
        """Return a new admin client of this broker. Its calls say what fails; by itself it writes nothing."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})

    def setting(self, name: str) -> str | None:
        """Return a setting of the broker; None where it knows none of that name."""
        admin = self.admin()
        broker = str(next(iter(admin.list_topics(timeout=WAIT_SECONDS).brokers)))
        resource = ConfigResource(ResourceType.BROKER, broker)
        asked = admin.describe_configs([resource], request_timeout=WAIT_SECONDS)
        found = asked[resource].result(WAIT_SECONDS).get(name)
        return None if found is None else found.value

    def create_topics(self, partitions: Mapping[str, int], config: Mapping[str, str] | None = None) -> None:
        """Make the topics, all with the same config, and wait until every partition has a leader."""
        admin = self.admin()
        topics = [
            NewTopic(name, num_partitions=count, replication_factor=1, config=dict(config or {}))
            for name, count in partitions.items()
        ]
        for made in admin.create_topics(topics, operation_timeout=WAIT_SECONDS).values():
            made.result(WAIT_SECONDS)
        _wait_for(lambda: _have_leaders(admin, partitions), WAIT_SECONDS, f"leaders of {list(partitions)}")


def require_assignment(kafka: KafkaServer, assignment: str) -> None:
    """LaneMissing where the broker lacks the protocol, or takes longer than a test for a dead member."""
    if assignment != "consumer":
        return
    if "consumer" not in (kafka.setting("group.coordinator.rebalance.protocols") or ""):
        raise LaneMissing("consumer protocol", f"{kafka.lane} lacks it", "take Kafka 4.0 or later")
    session_ms = int(kafka.setting(SESSION) or 0)
    if session_ms > LONGEST_SESSION_MS:
        raise LaneMissing(
            "consumer protocol", f"{SESSION} is {session_ms}", f"set it to {LONGEST_SESSION_MS}"
        )


@contextlib.contextmanager
def running_kafka() -> Iterator[KafkaServer]:
    """Run, or find, a broker; LaneMissing with every lane's reason where there is none."""
    reasons: list[str] = []
    with contextlib.ExitStack() as running:
        for lane in (_existing, _in_container, _from_launcher):
            try:
                server = running.enter_context(lane())
            except LaneMissing as missing:
                reasons.append(f"{missing.lane}: {missing.reason}")
            else:
                yield server
                return
    remedy = f"set {EXISTING}=host:port, start Docker, or install Java 17 and Maven"
    raise LaneMissing("kafka", ", ".join(reasons), remedy)


@contextlib.contextmanager
def _existing() -> Iterator[KafkaServer]:
    bootstrap = os.environ.get(EXISTING)
    if not bootstrap:
        raise LaneMissing(EXISTING, "not set", "set it to host:port")
    # Not a missing lane: somebody asked for this broker.
    _wait_until_answering(bootstrap, WAIT_SECONDS)
    yield KafkaServer(bootstrap, f"{EXISTING}={bootstrap}")


@contextlib.contextmanager
def _in_container() -> Iterator[KafkaServer]:
    _ask_docker()
    image = f"apache/kafka:{_version()}"
    with warnings.catch_warnings(), contextlib.ExitStack() as running:
        warnings.simplefilter("ignore")  # what the container's client warns of is not ours to mend
        try:
            bootstrap = running.enter_context(_container(image))
        except Exception as failure:
            raise LaneMissing(
                "testcontainers", f"{image} did not start ({failure})", "see Docker"
            ) from failure
        _wait_until_answering(bootstrap, WAIT_SECONDS)
        yield KafkaServer(bootstrap, f"testcontainers {image}")


@contextlib.contextmanager
def _from_launcher() -> Iterator[KafkaServer]:
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if absent:
        raise LaneMissing("deploy/kafka", f"{' and '.join(absent)} not on PATH", "install Java 17 and Maven")
    command = [sys.executable, str(LAUNCHER), "start", "--while-stdin-open", "--version", _version()]
    with tempfile.TemporaryFile() as errors:
        launcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, process_group=0
        )
        try:
            bootstrap = _first_line(launcher, errors)
            yield KafkaServer(bootstrap, f"deploy/kafka {_version()}")
        finally:
            _end(launcher)


def _version() -> str:
    return os.environ.get(VERSION) or str(_launcher_module().default_version())


def _launcher_module() -> ModuleType:
    """Load deploy/kafka/kafka.py, a script outside any package, for its version and its settings."""
    spec = importlib.util.spec_from_file_location("deploy_kafka", LAUNCHER)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{LAUNCHER} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _ask_docker() -> None:
    """Raise LaneMissing unless a Docker daemon answers; asked in a process, for a client can hang."""
    try:
        subprocess.run(
            [sys.executable, "-c", ASK_DOCKER], capture_output=True, timeout=ASK_DOCKER_SECONDS, check=True
        )
    except subprocess.SubprocessError:
        raise LaneMissing("testcontainers", "Docker does not answer", "start Docker") from None


@contextlib.contextmanager
def _container(image: str) -> Iterator[str]:
    """Run the image with the settings of deploy/kafka, and give its address as seen from here."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where Docker is
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415 - only where Docker is

    bootstrap = f"{DockerClient().host()}:{free_port()}"
    placed = {
        "listeners": "PLAINTEXT://:9092,BROKER://:19092,CONTROLLER://:9093",
        # The broker also talks to itself (transaction markers), and there the outer address leads nowhere.
        "advertised.listeners": f"PLAINTEXT://{bootstrap},BROKER://localhost:19092",
        "inter.broker.listener.name": "BROKER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container = DockerContainer(image).with_bind_ports(9092, int(bootstrap.rpartition(":")[2]))
    for key, value in {**_launcher_module().PROPERTIES, **placed}.items():
        container.with_env(f"KAFKA_{key.replace('.', '_').upper()}", value)
    with container:
        yield bootstrap


def _first_line(launcher: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    """Return the address that the launcher prints; LaneMissing with what it said otherwise."""
    if launcher.stdout is None:
        raise RuntimeError("the launcher was started without a pipe")
    ready, _, _ = select.select([launcher.stdout], [], [], LAUNCH_SECONDS)
    line = launcher.stdout.readline().decode().strip() if ready else ""
    if not line:
        errors.seek(0)
        raise LaneMissing(
            "deploy/kafka", errors.read().decode(errors="replace").strip(), f"try {LAUNCHER.name}"
        )
    return line


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """End the launcher and its broker by closing its standard input."""
    try:
        launcher.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.communicate()


def _wait_until_answering(bootstrap: str, seconds: float) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    _wait_for(lambda: _answers(admin), seconds, f"Kafka at {bootstrap}")


def _wait_for(fact: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not there after {seconds} s")


def _answers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def _have_leaders(admin: AdminClient, partitions: Mapping[str, int]) -> bool:
    known = admin.list_topics(timeout=5).topics
    return all(
        name in known
        and len(known[name].partitions) == count
        and all(partition.leader >= 0 for partition in known[name].partitions.values())
        for name, count in partitions.items()
    )
