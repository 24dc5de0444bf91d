"""Redis in several nodes, under load: slots move, masters are replaced and killed, and a checker counts.

Every failover here hands over all that was acknowledged: what a failover that does not would lose, no
worker can bring back (docs/guarantees.md, Limits).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

import pytest

from runner.config.sections.redis import DEFAULT_REDIS_URL
from runner.store.keys import Keys
from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import check
from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.site import Site
from tests.e2e.workers import Fleet
from tests.servers.fixtures import REQUIRE_REDIS
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_cluster import (
    RedisCluster,
    ask,
    follows,
    hand_over,
    is_well,
    kill_caught_up,
    role,
    running_cluster,
    slot_of,
    wait_for,
)
from tests.servers.redis_sentinel import MASTER, SentinelPair, running_sentinel
from tests.servers.redis_server import REDIS, VALKEY, RedisServer

TASKS: Final = 100_000
"""More than there is time for: the load goes on until the test has seen enough."""
WINDOW: Final = 200
SHARDS: Final = 16
KEYS_AT_A_TIME: Final = 20


@dataclass(slots=True)
class Mover:
    """Moves the slots of all shards, one after another, to the next master, some keys at a time."""

    cluster: RedisCluster
    fleet: Fleet
    slots: Iterator[int]
    finished: int = 0
    keys: int = 0
    _under_way: tuple[int, RedisServer, RedisServer] | None = field(default=None)

    def __call__(self) -> None:
        self.fleet.tend()
        if self._under_way is None:
            self._begin(next(self.slots))
            return
        slot, source, to = self._under_way
        moved = self.cluster.move_keys(slot, source, to, KEYS_AT_A_TIME)
        self.keys += moved
        if not moved:
            self.finish()

    def finish(self) -> None:
        """Bring the slot that is under way to its end."""
        if self._under_way is None:
            return
        slot, source, to = self._under_way
        while self.cluster.move_keys(slot, source, to, KEYS_AT_A_TIME):
            pass
        self.cluster.end_move(slot, to)
        self._under_way = None
        self.finished += 1

    def _begin(self, slot: int) -> None:
        owner = self.cluster.owner(slot)
        masters = [node for node in self.cluster.nodes if role(node) == "master"]
        to = masters[(masters.index(owner) + 1) % len(masters)]
        self._under_way = (slot, self.cluster.begin_move(slot, to), to)


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """What the test starts ends with it."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    "lane", [VALKEY, pytest.param(REDIS, marks=pytest.mark.thorough("the same on the oldest Redis"))]
)
def test_slots_that_move_and_masters_that_are_replaced_under_load_lose_and_double_nothing(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], running: ExitStack, lane: str
) -> None:
    cluster = _cluster(running, lane)
    site = make_site(redis_url=DEFAULT_REDIS_URL, settings=_of_cluster(cluster))
    site.create_topics()
    fleet = fleets(site)
    fleet.start()
    fleet.start()
    keys = Keys(site.prefix, SHARDS)
    slots = [slot_of(keys.probe(shard)) for shard in range(SHARDS)] + [slot_of(keys.owner)]
    with Load(site, seed=31, tasks=TASKS, mix=BRISK, window=WINDOW) as load:
        load.run(fleet.tend, stop=_more(load, 400))
        mover = Mover(cluster, fleet, cycle(slots))
        load.run(mover, stop=lambda: mover.finished >= len(slots))
        mover.finish()
        master, replica = cluster.masters[0], cluster.replicas[0]
        ask(replica, "CLUSTER FAILOVER")
        load.run(fleet.tend, stop=_more(load, 200))
        hand_over(replica)
        wait_for(lambda: follows(master), "the old master to follow")
        load.run(fleet.tend, stop=_more(load, 200))
        kill_caught_up(replica, master)
        load.run(fleet.tend, stop=_more(load, 200))
        load.enough()
        load.run(fleet.tend)
        wait_for(lambda: is_well(cluster.nodes[1]), "the cluster to be well")
        _assert_kept(site, fleet, load)
    print(f"{mover.finished} slots moved with {mover.keys} keys, {load.answered} answers")
    assert mover.keys > len(slots)
    assert role(master) == "master"
    assert not _open_tasks(site, [node for node in cluster.nodes if node.running])


def test_a_master_that_sentinel_replaces_under_load_loses_and_doubles_nothing(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], running: ExitStack
) -> None:
    pair = _sentinel(running)
    site = make_site(redis_url=DEFAULT_REDIS_URL, settings=_of_sentinel(pair))
    site.create_topics()
    fleet = fleets(site)
    fleet.start()
    fleet.start()
    first, second = pair.servers
    with Load(site, seed=32, tasks=TASKS, mix=BRISK, window=WINDOW) as load:
        load.run(fleet.tend, stop=_more(load, 300))
        pair.fail_over("COORDINATED")
        load.run(fleet.tend, stop=_more(load, 300))
        assert (pair.master(), role(first), role(second)) == (second, "slave", "master"), pair.log
        wait_for(lambda: follows(first), "the old master to follow")
        kill_caught_up(second, first)
        load.run(fleet.tend, stop=_more(load, 300))
        load.enough()
        load.run(fleet.tend)
        assert pair.master() is first
        _assert_kept(site, fleet, load)
    assert not _open_tasks(site, [first])


def _cluster(running: ExitStack, lane: str) -> RedisCluster:
    try:
        return running.enter_context(running_cluster(lane, masters=3, replicas=1))
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_REDIS)


def _sentinel(running: ExitStack) -> SentinelPair:
    try:
        return running.enter_context(running_sentinel(VALKEY))
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_REDIS)


def _of_cluster(cluster: RedisCluster) -> dict[str, str]:
    return {
        "RUNNER_REDIS__TOPOLOGY": "cluster",
        "RUNNER_REDIS__NODES": json.dumps(cluster.addresses[1:2]),
    }


def _of_sentinel(pair: SentinelPair) -> dict[str, str]:
    return {
        "RUNNER_REDIS__TOPOLOGY": "sentinel",
        "RUNNER_REDIS__NODES": json.dumps([pair.address]),
        "RUNNER_REDIS__SENTINEL__MASTER": MASTER,
    }


def _more(load: Load, answers: int) -> Callable[[], bool]:
    wanted = load.answered + answers
    return lambda: load.answered >= wanted


def _assert_kept(site: Site, fleet: Fleet, load: Load) -> None:
    wait_until_drained(site)
    assert set(fleet.stop()) == {0}
    report = check(load.sent, read_all(site, site.responses))
    assert not report.findings, report.say()


def _open_tasks(site: Site, nodes: list[RedisServer]) -> int:
    """Return how many tasks wait for a deadline, by the indexes of all masters."""
    found = 0
    for node in nodes:
        if role(node) == "master":
            with node.client() as client:
                keys = client.scan_iter(f"{site.prefix}:*:deadlines:*", count=1000)
                found += sum(client.zcard(key) for key in keys)
    return found
