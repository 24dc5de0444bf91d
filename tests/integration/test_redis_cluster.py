"""The store on a Cluster whose slots move and whose masters are replaced, down to single calls."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Final

import pytest
import redis

from runner.actions.decision import Done
from runner.embedded.subprocesses import HOST
from runner.errors import StoreMismatch, StoreRefused, StoreUnavailable
from runner.store.calls import Change, HomeCall, ShardCall, Verdict
from runner.store.connection.cluster import connect_cluster
from runner.store.connection.single import connect
from runner.store.connection.slots import Address
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import (
    FUTURE,
    OWNERSHIP,
    PAST,
    SHARDS,
    apply,
    call_of,
    closed,
    indexes_equal_records,
    key_in,
    one_call_of_each_kind,
    opened,
    started,
)
from tests.contract.subjects import ListedRedisStore
from tests.integration.conftest import takes_writes
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
from tests.servers.redis_server import LANES, RedisServer

# One cluster of each lane for all of them.
pytestmark = pytest.mark.xdist_group("redis cluster")

SECONDS: Final = 3.0
SHORT_SECONDS: Final = 0.3
KEPT: Final = Done(5)
SHARD: Final = 1

StoreOn = Callable[..., ListedRedisStore]


@pytest.fixture(scope="module", params=LANES)
def shared_cluster(request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
    """Three masters and a replica of the first, in each lane."""
    with contextlib.ExitStack() as running:
        try:
            found = running.enter_context(running_cluster(request.param, masters=3, replicas=1))
        except LaneMissing as missing:
            skip_or_fail(missing, REQUIRE_REDIS)
        yield found


@pytest.fixture
def cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """The cluster, empty: slots are shared with every other test."""
    for node in shared_cluster.nodes:
        if role(node) == "master":
            ask(node, "FLUSHALL")
    return shared_cluster


@pytest.fixture
def store_on() -> Iterator[StoreOn]:
    """Give stores on a cluster, not opened, under a prefix that no other has."""
    with contextlib.ExitStack() as running:

        def new(cluster: RedisCluster, seconds: float = SECONDS) -> ListedRedisStore:
            seed = Address(HOST, cluster.nodes[1].port)
            connection = running.enter_context(contextlib.closing(connect_cluster([seed], seconds)))
            looking = [running.enter_context(node.client()) for node in cluster.nodes]
            return ListedRedisStore(connection, looking, uuid.uuid4().hex, SHARDS)

        yield new


@pytest.fixture
def store(cluster: RedisCluster, store_on: StoreOn) -> ListedRedisStore:
    found = store_on(cluster)
    found.open(OWNERSHIP)
    return found


class Move:
    """The slot of ``SHARD`` on its way to another master, some keys at a time."""

    def __init__(self, cluster: RedisCluster, store: ListedRedisStore) -> None:
        self._cluster = cluster
        self._slot = slot_of(store._keys.probe(SHARD))
        owner = cluster.owner(self._slot)
        self._to = next(node for node in cluster.nodes if node is not owner and role(node) == "master")
        self._source = cluster.begin_move(self._slot, self._to)

    def keys(self, most: int) -> int:
        """Move some keys; return how many."""
        return self._cluster.move_keys(self._slot, self._source, self._to, most)

    def finish(self) -> None:
        """Move what is left, and say that the slot has moved."""
        while self.keys(100):
            pass
        self._cluster.end_move(self._slot, self._to)


def _started(store: ListedRedisStore, number: int, deadline_ms: int = FUTURE) -> Record:
    return started(store, opened(key_in(store, SHARD, number), Source(1, 0, number), deadline_ms))


class TestMovingSlots:
    def test_keys_that_are_still_there_and_keys_that_have_moved_are_found(
        self, cluster: RedisCluster, store: ListedRedisStore
    ) -> None:
        record = _started(store, 0)
        move = Move(cluster, store)
        assert store.record(record.key) == record
        while move.keys(1):
            assert store.record(record.key) == record
        assert store.record(record.key) == record
        move.finish()
        assert store.record(record.key) == record
        store.ping()
        assert indexes_equal_records(store)

    def test_a_call_whose_keys_are_in_two_places_waits_and_is_given_up_in_time(
        self, cluster: RedisCluster, store_on: StoreOn
    ) -> None:
        store = store_on(cluster, SHORT_SECONDS)
        store.open(OWNERSHIP)
        records = [_started(store, number) for number in range(3)]
        move = Move(cluster, store)
        move.keys(2)
        reads = [(record.key, record.started_by) for record in records]
        done: list[str] = []
        with pytest.raises(StoreUnavailable, match="slot is moving"):
            store.load(1, reads, on_wait=lambda: done.append("meanwhile"))
        assert done == ["meanwhile"], "once, however often the call is sent"
        move.finish()
        assert store.load(1, reads).records == {record.key: record for record in records}

    def test_a_call_that_takes_the_last_entry_of_an_index_and_adds_one_is_whole(
        self, store: ListedRedisStore, cluster: RedisCluster
    ) -> None:
        """A node that gives a slot away takes no key that is not there, not even within a script."""
        ending, again = _started(store, 0), _started(store, 1)
        over = closed(again, Source(1, 0, 2))
        assert apply(store, HomeCall(0, 2), Change(again.key, again, over)) is Verdict.APPLIED
        move = Move(cluster, store)
        ended = closed(ending, Source(1, 0, 4))
        anew = opened(again.key, Source(1, 0, 3), PAST, before=over)
        home = HomeCall(0, 3, ((3, KEPT), (4, KEPT)))
        changes = (Change(ending.key, ending, ended), Change(again.key, over, anew))
        assert apply(store, home, *changes) is Verdict.APPLIED
        assert store.records_of([ending.key, again.key]) == [ended, anew]
        move.finish()
        assert indexes_equal_records(store)

    def test_a_home_of_another_incarnation_is_taken_over_whole(
        self, store: ListedRedisStore, cluster: RedisCluster
    ) -> None:
        record = _started(store, 0)
        assert apply(store, HomeCall(0, 1, ((1, KEPT),)), shard=SHARD) is Verdict.APPLIED
        move = Move(cluster, store)
        calls = [ShardCall(SHARD, 2, (HomeCall(0, 0, ((0, KEPT),)),), ())]
        assert store.apply(calls) == [Verdict.APPLIED]
        assert store.load(2, [(record.key, Source(2, 0, n)) for n in (0, 1)]).kept == {Source(2, 0, 0): KEPT}
        move.finish()


class TestNodes:
    def test_scripts_that_single_nodes_forgot_are_sent_to_those_again(
        self, cluster: RedisCluster, store: ListedRedisStore
    ) -> None:
        for number, node in enumerate(cluster.masters):
            ask(node, "SCRIPT FLUSH")
            one_call_of_each_kind(store, number)
        calls = [call_of(store, HomeCall(0, 50, ((50, KEPT),)), shard=shard) for shard in range(SHARDS)]
        ask(cluster.masters[0], "SCRIPT FLUSH")
        assert store.apply(calls) == [Verdict.APPLIED] * SHARDS
        assert store.apply(calls) == [Verdict.CONFLICT] * SHARDS

    def test_one_master_that_evicts_is_one_too_many(
        self, cluster: RedisCluster, store: ListedRedisStore
    ) -> None:
        for node in cluster.masters:
            if role(node) == "master":
                ask(node, "CONFIG SET", "maxmemory-policy", "allkeys-lru")
                with pytest.raises(StoreMismatch, match="noeviction"):
                    store.open(OWNERSHIP)
                ask(node, "CONFIG SET", "maxmemory-policy", "noeviction")
        store.open(OWNERSHIP)

    def test_the_topology_that_is_meant_is_named(
        self, cluster: RedisCluster, start_redis: Callable[..., RedisServer]
    ) -> None:
        with contextlib.closing(connect(cluster.nodes[0].url, SECONDS)) as single:
            store = ListedRedisStore(single, [], uuid.uuid4().hex, SHARDS)
            with pytest.raises(StoreRefused, match=r"redis\.topology to cluster"):
                store.open(OWNERSHIP)
        alone = Address(HOST, start_redis(cluster.lane).port)
        with contextlib.closing(connect_cluster([alone], SECONDS)) as many:
            store = ListedRedisStore(many, [], uuid.uuid4().hex, SHARDS)
            with pytest.raises(StoreRefused, match=r"redis\.topology to standalone"):
                store.open(OWNERSHIP)

    def test_a_replica_takes_its_masters_place_in_good_order_and_after_a_kill(
        self, cluster: RedisCluster, store: ListedRedisStore
    ) -> None:
        records = [
            started(store, opened(key_in(store, shard), Source(1, 0, shard))) for shard in range(SHARDS)
        ]
        master, replica = cluster.masters[0], cluster.replicas[0]
        hand_over(replica)
        store.ping()
        assert store.records_of([record.key for record in records]) == records
        wait_for(lambda: role(master) == "slave", "the old master to follow")
        wait_for(lambda: follows(master), "the old master to have everything")
        one_call_of_each_kind(store, 1)
        kill_caught_up(replica, master)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.records_of([record.key for record in records])
        wait_for(lambda: role(master) == "master" and is_well(cluster.nodes[1]), "the other to be master")
        wait_for(lambda: takes_writes(store), "the store to answer")
        assert store.records_of([record.key for record in records]) == records
        one_call_of_each_kind(store, 2)
        replica.start()


def test_a_cluster_that_was_never_there_is_unavailable() -> None:
    nowhere = [Address(HOST, 1), Address(HOST, 2)]
    with contextlib.closing(connect_cluster(nowhere, SHORT_SECONDS)) as connection:
        store = ListedRedisStore(connection, list[redis.Redis](), "x", SHARDS)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            store.ping()
