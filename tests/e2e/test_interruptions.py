"""What is asked to stop, and what goes away for a while: nothing is lost and nothing doubled."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import Report, check
from tests.e2e.faulty_worker import AFTER_PRODUCE, FAULT, STUCK_SECONDS
from tests.e2e.health import Health, health_settings
from tests.e2e.load import Load
from tests.e2e.mix import BRISK, Mix
from tests.e2e.requester import requester_at, start_event
from tests.e2e.site import Site, session_ms
from tests.e2e.workers import Fleet, Worker
from tests.servers.fixtures import REQUIRE_KAFKA
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.own_kafka import OwnBroker
from tests.servers.redis_server import RedisServer
from tests.waiting import until

FENCED: Final = 6
STOPPED_LATE: Final = 7
SHUTDOWN_SECONDS: Final = 60
STOPS: Final = 4
OUTAGES: Final = 2
CALM: Final = Mix(waiting=0.0, intruded=0.0, astray=0.0, safety_ms=(60_000, 60_000), short_ms=(7_000, 8_000))
"""Soon nothing is due for a while: no timer opens a transaction then."""
CALM_MS: Final = 5_000


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A broker that nobody else uses."""
    try:
        broker = OwnBroker(tmp_path_factory.mktemp("broker"))
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_KAFKA)
    broker.start()
    yield broker
    broker.stop()


def test_sigterm_under_load_ends_within_its_deadline_and_leaves_nothing_half_done(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    site = make_site(settings={"RUNNER_WORKER__SHUTDOWNSECONDS": str(SHUTDOWN_SECONDS)})
    site.create_topics()
    fleet = fleets(site)
    with Load(site, seed=11, tasks=800, mix=BRISK, window=200) as load:
        for _ in range(STOPS):
            worker = fleet.one()
            worker.wait_for("homes")
            load.run(stop=_more(load, 300))
            worker.terminate()
            load.run(stop=_ended(worker))
            assert worker.exit_code == 0, worker.last_lines()
        fleet.start()
        load.run(fleet.tend)
        _assert_kept(_closed(site, fleet, load))


def test_a_second_signal_ends_a_worker_that_is_stuck_at_once(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis()
    site, health = _stuck_site(make_site, server, shutdown_seconds=60)
    worker = fleets(site).one()
    worker.wait_for("homes", open=[0, 1, 2, 3])
    with _frozen(server):
        _send_one(site)
        health.wait_until_stuck()
        worker.terminate()
        worker.wait_for("stopping")
        worker.terminate()
        assert worker.wait() == STOPPED_LATE
    _assert_answered(site, fleets(site))


def test_a_stuck_worker_ends_when_the_deadline_of_its_shutdown_passes(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis()
    site, health = _stuck_site(make_site, server, shutdown_seconds=1)
    worker = fleets(site).one()
    worker.wait_for("homes", open=[0, 1, 2, 3])
    with _frozen(server):
        _send_one(site)
        health.wait_until_stuck()
        worker.terminate()
        assert worker.wait() == STOPPED_LATE
        assert worker.events("stopped_late")
    _assert_answered(site, fleets(site))


def test_redis_stopped_under_load_is_waited_for(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis(appendonly=True)
    health, settings = health_settings()
    site = make_site(redis_url=server.url, settings=settings)
    site.create_topics()
    fleet = fleets(site)
    fleet.start()
    with Load(site, seed=12, tasks=600, mix=BRISK, window=200) as load:
        for _ in range(OUTAGES):
            load.run(fleet.tend, stop=_more(load, 400))
            server.stop()
            assert not health.wait_until_not_ready()["storeUp"]
            server.start()
            health.wait_until_ready()
        load.run(fleet.tend)
        _assert_kept(_closed(site, fleet, load))


def test_a_worker_that_hangs_in_a_call_ends_and_its_partitions_go_to_others(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    site = make_site(settings={"RUNNER_WORKER__BATCHSIZE": "25"})
    site.create_topics()
    fleet = fleets(site)
    with Load(site, seed=14, tasks=200, mix=BRISK, window=100) as load:
        hanging = fleet.one({FAULT: f"{AFTER_PRODUCE}/3/hang", STUCK_SECONDS: "2"}, faulty=True)
        load.run(stop=_ended(hanging))
        assert hanging.exit_code == FENCED
        assert hanging.events("stuck")
        fleet.start()
        load.run(fleet.tend)
        _assert_kept(_closed(site, fleet, load))


def test_a_broker_that_dies_between_two_batches_is_waited_for(
    own_broker: OwnBroker, valkey: RedisServer, tmp_path: Path, fleets: Callable[..., Fleet]
) -> None:
    """A worker whose client does not come back from the outage is given up, and started again.

    Between two batches: Kafka 4.1 to 4.3 may forget transactions that were open (KAFKA-20734).
    """
    settings = {STUCK_SECONDS: "6"}
    site = Site(own_broker.server, valkey.url, tmp_path, session_ms(own_broker.server))
    site.create_topics()
    fleet = fleets(site, frozenset({FENCED}))
    fleet.slots = [fleet.one(settings, faulty=True), fleet.one(settings, faulty=True)]
    with Load(site, seed=13, tasks=200, mix=CALM, window=200) as load:
        load.run(fleet.tend, stop=_more(load, 200))
        load.holding = True
        load.run(fleet.tend, stop=lambda: load.idle)
        _wait_until_calm(site)
        assert site.open_tasks() > 0
        own_broker.kill()
        own_broker.start()
        load.holding = False
        load.run(fleet.tend)
        _assert_kept(_closed(site, fleet, load))


def _wait_until_calm(site: Site) -> None:
    """Return once all is answered and nothing is due for a while: no transaction is open, or will be soon."""

    def is_calm() -> bool:
        next_ms = site.next_deadline_ms()
        wait_until_drained(site)
        return next_ms > time.time() * 1000 + CALM_MS

    until(is_calm, "a while without deadlines")


def _stuck_site(
    make_site: Callable[..., Site], server: RedisServer, shutdown_seconds: int
) -> tuple[Site, Health]:
    """Return a site whose one worker waits long for Redis, and how that worker is."""
    health, port = health_settings()
    settings = {
        **port,
        "RUNNER_REDIS__TIMEOUTMS": "60000",
        "RUNNER_WORKER__POLLMS": "100",
        "RUNNER_WORKER__SHUTDOWNSECONDS": str(shutdown_seconds),
    }
    site: Site = make_site(redis_url=server.url, settings=settings)
    site.create_topics()
    return site, health


@contextmanager
def _frozen(server: RedisServer) -> Iterator[None]:
    """Let a server stand still for the length of a block: it accepts everything and answers nothing."""
    with server.client() as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _send_one(site: Site) -> None:
    with requester_at(site) as requester:
        requester.put(start_event("one", timeout="0"))


def _assert_answered(site: Site, fleet: Fleet) -> None:
    fleet.start()
    with requester_at(site) as requester:
        assert requester.reply_to("one").status == "ACK"
        assert requester.resume_of("one").status == "TIMEOUT"
        wait_until_drained(site)
        assert fleet.stop() == [0]
        requester.read_to_the_end()
        assert len(requester.answers) == 2


def _more(load: Load, answers: int) -> Callable[[], bool]:
    """Return whether so much more has been answered than now."""
    wanted = load.answered + answers
    return lambda: load.answered >= wanted


def _ended(worker: Worker) -> Callable[[], bool]:
    return lambda: worker.exit_code is not None


def _closed(site: Site, fleet: Fleet, load: Load) -> Report:
    wait_until_drained(site)
    assert set(fleet.stop()) == {0}
    return check(load.sent, read_all(site, site.responses))


def _assert_kept(report: Report) -> None:
    assert not report.findings, report.say()
