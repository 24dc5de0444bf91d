"""Kafka 3.9: exactly once there as well, and a clear end where a worker asks for what it does not have."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

import pytest

from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.site import CONSUMER, COOPERATIVE, RANGE, Site, session_ms
from tests.e2e.trouble import FENCED, Killer, Sandman, closed
from tests.e2e.workers import Fleet, Worker
from tests.servers.fixtures import REQUIRE_KAFKA
from tests.servers.kafka_server import KafkaServer
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.own_kafka import OLDEST, OwnBroker
from tests.servers.redis_server import RedisServer
from tests.waiting import WAIT_SECONDS

pytestmark = pytest.mark.xdist_group("oldest kafka")
AGAIN: Final = "what is shown on the newest Kafka, once more on the oldest"

PARTITIONS: Final = 6
TASKS: Final = 500
KILLS: Final = 3

MakeSite = Callable[[str], Site]


@pytest.fixture(scope="module")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker of the oldest version."""
    try:
        broker = OwnBroker(tmp_path_factory.mktemp("oldest"), OLDEST)
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_KAFKA)
    broker.start()
    try:
        yield broker.server
    finally:
        broker.stop()


@pytest.fixture(scope="module")
def site_on(oldest: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> MakeSite:
    """Make sites on it, with their topics: ``site_on("range")``."""

    def make(assignment: str) -> Site:
        folder = tmp_path_factory.mktemp(assignment)
        site = Site(oldest, valkey.url, folder, session_ms(oldest), PARTITIONS, assignment)
        site.create_topics()
        return site

    return make


@pytest.fixture(scope="module", autouse=True)
def stranger(site_on: MakeSite) -> Iterator[Worker]:
    """A worker that wants the protocol this broker lacks; it takes its time, beside the others."""
    with Worker(site_on(CONSUMER), "stranger", {}) as worker:
        yield worker


@pytest.mark.thorough(AGAIN)
def test_killing_workers_loses_and_doubles_nothing(site_on: MakeSite, fleets: Callable[..., Fleet]) -> None:
    site = site_on(RANGE)
    fleet = _two(fleets(site, frozenset({FENCED})))
    with Load(site, 1, TASKS, BRISK) as load:
        killer = Killer(fleet, load, Random(1), KILLS)
        load.run(killer)
        report = closed(site, fleet, load)
    assert not report.findings, report.say()
    assert killer.kills > 0


@pytest.mark.thorough(AGAIN)
def test_sleeping_through_a_replacement_changes_and_sends_nothing(
    site_on: MakeSite, fleets: Callable[..., Fleet]
) -> None:
    site = site_on(COOPERATIVE)
    fleet = _two(fleets(site, frozenset({FENCED})))
    with Load(site, 2, TASKS, BRISK, window=100) as load:
        sandman = Sandman(fleet, load, Random(2), 1, PARTITIONS)
        load.run(sandman)
        report = closed(site, fleet, load)
    assert not report.findings, report.say()
    assert sandman.sleeps == 1


def test_a_worker_that_asks_for_a_protocol_the_broker_lacks_ends_and_says_so(stranger: Worker) -> None:
    assert stranger.wait(WAIT_SECONDS) == 1
    (said,) = stranger.events("exiting")
    assert "kafka.assignment: consumer (KIP-848) needs Kafka 4.0 or later" in said["reason"]
    assert "set range or cooperative-sticky" in said["reason"]


def _two(fleet: Fleet) -> Fleet:
    fleet.start()
    fleet.start()
    return fleet
