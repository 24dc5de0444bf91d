"""A worker that starts before its servers do: it waits for them, says so once, and goes on by itself."""

import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from runner.config.sections.redis import DEFAULT_REDIS_URL
from runner.embedded.subprocesses import HOST, free_port
from tests.e2e.health import Health, health_settings
from tests.e2e.requester import requester_at, start_event
from tests.e2e.site import Site, session_ms
from tests.e2e.values import ENVELOPE, registered
from tests.e2e.workers import Fleet, Worker
from tests.servers.fixtures import REQUIRE_KAFKA, REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.own_kafka import OwnBroker
from tests.servers.redis_sentinel import MASTER, running_sentinel
from tests.servers.redis_server import RedisServer
from tests.servers.schema_registry import SchemaRegistryServer

FAILED: Final = 1
START_SECONDS: Final = "RUNNER_WORKER__STARTSECONDS"
PATIENT: Final = {START_SECONDS: "600"}
"""What comes late here comes as soon as the machine lets it."""


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """What the test starts ends with it."""
    with ExitStack() as stack:
        yield stack


def test_a_worker_waits_for_what_comes_late_and_goes_on_by_itself(
    start_redis: Callable[..., RedisServer], running: ExitStack, tmp_path: Path, fleets: Callable[..., Fleet]
) -> None:
    broker, redis, registry = _servers(start_redis, running, tmp_path)
    health, settings = health_settings()
    site = _avro_site(broker, redis, registry, tmp_path, settings)
    for server in (broker, redis, registry):
        server.stop()
    worker = fleets(site).start()
    _waits(worker, health, "Kafka")
    broker.start()
    _waits(worker, health, "the schema registry")
    registry.start()
    _waits(worker, health, "Redis")
    redis.start()
    worker.wait_for("homes", open=[0, 1, 2, 3])
    health.wait_until_ready()
    assert [event["what"] for event in worker.events("waiting")] == ["Kafka", "the schema registry", "Redis"]
    with requester_at(site) as requester:
        requester.put(start_event("one", timeout="0"))
        assert requester.reply_to("one").status == "ACK"


def test_a_worker_that_starts_during_a_failover_waits_for_the_new_master(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], running: ExitStack
) -> None:
    try:
        pair = running.enter_context(running_sentinel())
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_REDIS)
    settings = {
        "RUNNER_REDIS__TOPOLOGY": "sentinel",
        "RUNNER_REDIS__NODES": json.dumps([pair.address]),
        "RUNNER_REDIS__SENTINEL__MASTER": MASTER,
        **PATIENT,
    }
    site = make_site(redis_url=DEFAULT_REDIS_URL, settings=settings)
    site.create_topics()
    pair.servers[0].kill()
    worker = fleets(site).start()
    worker.wait_for("waiting", what="Redis")
    worker.wait_for("homes", open=[0, 1, 2, 3])
    assert pair.master() is pair.servers[1]


def test_a_replica_is_waited_for_until_it_is_a_master(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis()
    site = make_site(redis_url=server.url, settings=PATIENT)
    site.create_topics()
    with server.client() as client:
        client.execute_command("REPLICAOF", HOST, free_port())
        worker = fleets(site).start()
        said = worker.wait_for("waiting", what="Redis")
        assert "read only" in said["reason"]
        client.execute_command("REPLICAOF", "NO", "ONE")
    worker.wait_for("homes", open=[0, 1, 2, 3])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("whom", ["Kafka", "Redis"])
def test_a_signal_ends_the_waiting_at_once(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], whom: str, number: int
) -> None:
    site = make_site(settings={**_nobody_at(whom), **PATIENT})
    site.create_topics()
    worker = fleets(site).one()
    worker.wait_for("waiting", what=whom)
    os.kill(worker.pid, number)
    assert worker.wait() == 0
    assert worker.events("stopping")
    assert worker.events("stopped")


def test_a_signal_ends_a_start_that_hangs_in_a_call_of_redis(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis()
    health, settings = health_settings()
    site = make_site(
        redis_url=server.url, settings={**settings, "RUNNER_REDIS__TIMEOUTMS": "60000", **PATIENT}
    )
    site.create_topics()
    with server.client() as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        worker = fleets(site).one()
        health.wait_until_stuck()
        worker.terminate()
        assert worker.wait() == 0
        assert not worker.events("waiting"), "the call was over before the signal counted"
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("whom", "label", "words"),
    [
        ("Kafka", "LOG_UNAVAILABLE", ("Kafka at", "does not answer", "check kafka.brokers")),
        ("Redis", "FATAL", ("Redis does not answer", "check redis.url, or start Redis")),
    ],
)
def test_when_the_time_is_over_the_worker_ends_and_says_who_did_not_answer(
    make_site: Callable[..., Site],
    fleets: Callable[..., Fleet],
    whom: str,
    label: str,
    words: tuple[str, ...],
) -> None:
    site = make_site(settings={**_nobody_at(whom), START_SECONDS: "1"})
    site.create_topics()
    worker = fleets(site).one()
    assert worker.wait() == FAILED
    [said] = worker.events("exiting")
    assert said["label"] == label
    assert all(word in said["reason"] for word in words)


def _waits(worker: Worker, health: Health, whom: str) -> None:
    """The worker has said for whom it waits; it is live, and not ready."""
    said: dict[str, Any] = worker.wait_for("waiting", what=whom)
    assert said["seconds"] <= int(PATIENT[START_SECONDS])
    page = health.wait_until_not_ready(ready=False)
    assert [whom in reason for reason in page["reasons"]] == [True]
    assert health.is_live()


def _servers(
    start_redis: Callable[..., RedisServer], running: ExitStack, folder: Path
) -> tuple[OwnBroker, RedisServer, SchemaRegistryServer]:
    """Return servers of this test's own; they end with it."""
    for name in ("broker", "registry"):
        (folder / name).mkdir()
    try:
        broker = OwnBroker(folder / "broker")
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_KAFKA)
    registry = SchemaRegistryServer(folder / "registry")
    for server in (broker, registry):
        running.callback(server.stop)
        server.start()
    return broker, start_redis(), registry


def _avro_site(
    broker: OwnBroker,
    redis: RedisServer,
    registry: SchemaRegistryServer,
    folder: Path,
    settings: dict[str, str],
) -> Site:
    name = uuid.uuid4().hex[:10]
    ours = registry.register(f"requests-{name}-value", ENVELOPE)
    settings = settings | {
        "RUNNER_ENCODING__TOPICS": json.dumps({f"requests-{name}": "confluent-avro"}),
        "RUNNER_SCHEMAREGISTRY__URL": registry.url,
        **PATIENT,
    }
    site = Site(
        broker.server,
        redis.url,
        folder,
        session_ms(broker.server),
        name=name,
        settings=settings,
        written=registered(ours, {ours: ENVELOPE}),
    )
    site.create_topics()
    return site


def _nobody_at(whom: str) -> dict[str, str]:
    port = free_port()
    if whom == "Kafka":
        return {"RUNNER_KAFKA__BROKERS": f"{HOST}:{port}"}
    return {"RUNNER_REDIS__URL": f"redis://{HOST}:{port}/0"}
