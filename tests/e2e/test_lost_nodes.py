"""A node of Redis is lost under load: a primary before its replica has everything, a part of a Cluster."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from runner.config.sections.redis import DEFAULT_REDIS_URL
from tests.e2e.final_check import end_and_check
from tests.e2e.load import Load
from tests.e2e.mix import Mix
from tests.e2e.site import Site
from tests.e2e.workers import Fleet
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_cluster import ask, is_well, offset, running_cluster, wait_for
from tests.servers.redis_sentinel import MASTER, running_sentinel

TASKS: Final = 100_000
"""More than there is time for: the load goes on until the test has seen enough."""
WINDOW: Final = 200
MIX: Final = Mix(safety_ms=(2_000, 4_000))


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """What the test starts ends with it."""
    with ExitStack() as stack:
        yield stack


def test_a_primary_killed_before_its_replica_has_the_last_writes_loses_and_doubles_nothing(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], running: ExitStack
) -> None:
    try:
        pair = running.enter_context(running_sentinel())
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_REDIS)
    settings = {
        "RUNNER_REDIS__TOPOLOGY": "sentinel",
        "RUNNER_REDIS__NODES": json.dumps([pair.address]),
        "RUNNER_REDIS__SENTINEL__MASTER": MASTER,
    }
    site = told_site(settings, redis_url=DEFAULT_REDIS_URL)
    fleet = fleets(site)
    fleet.start()
    fleet.start()
    fleet.wait_until_shared()
    primary, replica = pair.servers
    with Load(site, seed=51, tasks=TASKS, mix=MIX, window=WINDOW) as load:
        load.run(fleet.tend, stop=_more(load, 300))
        pair.cut_off()
        load.run(fleet.tend, stop=_more(load, 200))
        assert offset(replica) < offset(primary)
        primary.kill()
        load.run(fleet.tend, stop=_more(load, 200))
        assert pair.master() is replica
        end_and_check(site, fleet, load, [replica.url])
    assert all(worker.events("restored") for worker in fleet.slots)


def test_a_node_of_a_cluster_that_loses_everything_twice_loses_and_doubles_nothing(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], running: ExitStack
) -> None:
    try:
        cluster = running.enter_context(running_cluster(masters=3))
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_REDIS)
    settings = {
        "RUNNER_REDIS__TOPOLOGY": "cluster",
        "RUNNER_REDIS__NODES": json.dumps(cluster.addresses[:2]),
    }
    site = told_site(settings, redis_url=DEFAULT_REDIS_URL)
    fleet = fleets(site)
    fleet.start()
    fleet.start()
    fleet.wait_until_shared()
    with Load(site, seed=52, tasks=TASKS, mix=MIX, window=WINDOW) as load:
        load.run(fleet.tend, stop=_more(load, 300))
        assert ask(cluster.nodes[0], "DBSIZE") > 0
        ask(cluster.nodes[0], "FLUSHALL")
        load.run(fleet.tend, stop=_more(load, 300))
        killed = cluster.nodes[1]
        killed.kill()
        killed.start()
        wait_for(lambda: is_well(cluster.nodes[0]), "the cluster to be well")
        load.run(fleet.tend, stop=_more(load, 200))
        end_and_check(site, fleet, load, [node.url for node in cluster.nodes])
    assert all(len(worker.events("restored")) > 1 for worker in fleet.slots)


def _more(load: Load, answers: int) -> Callable[[], bool]:
    wanted = load.answered + answers
    return lambda: load.answered >= wanted
