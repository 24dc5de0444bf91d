"""The Redis store against servers that fail, refuse, forget and speak another protocol."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
import redis

from runner.actions.decision import Done
from runner.embedded.subprocesses import HOST, free_port
from runner.errors import StoreMismatch, StoreUnavailable
from runner.store.calls import Change, HomeCall, IndexCursor, Page, Verdict
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAIN,
    HOMES,
    OWNERSHIP,
    PAST,
    SHARDS,
    apply,
    call_of,
    closed,
    deadlines,
    due_between,
    indexes_equal_records,
    kept_at,
    key_in,
    one_call_of_each_kind,
    opened,
    started,
)
from tests.contract.subjects import ListedRedisStore
from tests.integration.conftest import ANSWER_SECONDS, StoreAt
from tests.integration.lost_answers import LostAnswers
from tests.servers.redis_server import RedisServer

LOST_SECONDS: Final = 1.0
KEPT: Final = Done(5)


def unavailable(store: ListedRedisStore) -> None:
    """Every call says that the store is unavailable, and none anything else."""
    record = opened(key_in(store, 1, 77), Source(1, 0, 77))
    call = call_of(store, HomeCall(0, 0), Change(record.key, None, record))
    asked: list[Callable[[], object]] = [
        store.ping,
        store.exists,
        store.homes,
        lambda: store.add_homes(1, HOMES + 1),
        lambda: store.open(OWNERSHIP),
        lambda: store.load(1, []),
        lambda: store.load(1, [(record.key, Source(1, 0, 0))]),
        lambda: store.apply([call]),
        lambda: store.due([deadlines(store, record.key, 0)], 1),
        lambda: due_between(store, [DOMAIN], HOMES, (None, None), Page(1)),
        lambda: store.note_timeout([DOMAIN], PAST),
        lambda: store.last_timeout(DOMAIN),
        lambda: store.note_committed(1, {0: 1}),
        lambda: store.committed(1),
        lambda: store.fences(1, [0]),
        lambda: store.record(record.key),
        lambda: store.entries({deadlines(store, record.key, 0): IndexCursor()}, None, 1),
        store.key_space,
    ]
    for ask in asked:
        with pytest.raises(StoreUnavailable, match="Redis"):
            ask()


class TestOutages:
    def test_scripts_that_the_server_forgot_are_sent_again(
        self, store: ListedRedisStore, redis_client: redis.Redis
    ) -> None:
        for number in range(3):
            redis_client.script_flush()
            one_call_of_each_kind(store, number)
        assert len(store.records()) == 3
        assert indexes_equal_records(store)

    def test_a_forgotten_script_is_no_half_applied_batch(
        self, store: ListedRedisStore, redis_client: redis.Redis
    ) -> None:
        records = [opened(key_in(store, shard), Source(1, 0, shard)) for shard in range(SHARDS)]
        calls = [
            call_of(store, HomeCall(0, 0, ((n, KEPT),)), Change(record.key, None, record))
            for n, record in enumerate(records)
        ]
        redis_client.script_flush()
        assert store.apply(calls) == [Verdict.APPLIED] * SHARDS
        redis_client.script_flush()
        assert store.apply(calls) == [Verdict.CONFLICT] * SHARDS
        assert {record.key: record for record in store.records()} == {
            record.key: record for record in records
        }

    @pytest.mark.parametrize("end", [RedisServer.stop, RedisServer.kill], ids=["stopped", "killed"])
    def test_a_server_that_goes_and_comes_back_is_well_again(
        self, store_at: StoreAt, own_redis: RedisServer, end: Callable[[RedisServer], None]
    ) -> None:
        store = store_at(own_redis.url)
        first = one_call_of_each_kind(store)
        for number in (1, 2):
            end(own_redis)
            unavailable(store)
            own_redis.start()
            store.ping()
            one_call_of_each_kind(store, number)
        assert len(store.records()) == 3
        assert store.record(first.key) == first
        assert indexes_equal_records(store)

    def test_a_server_that_was_never_there_is_unavailable(self, store_at: StoreAt) -> None:
        unavailable(store_at(f"redis://{HOST}:{free_port()}/0"))

    def test_an_answer_that_is_lost_may_belong_to_a_call_that_happened(
        self, store_at: StoreAt, redis_server: RedisServer
    ) -> None:
        with LostAnswers(redis_server.port) as way:
            store = store_at(f"redis://{HOST}:{way.port}/0", seconds=LOST_SECONDS)
            store.open(OWNERSHIP)
            one_call_of_each_kind(store)
            record = opened(key_in(store, 0), Source(1, 2, 4))
            call = call_of(store, HomeCall(2, 4, ((4, KEPT),)), Change(record.key, None, record))
            way.losing.set()
            with pytest.raises(StoreUnavailable, match="does not answer"):
                store.apply([call])
            assert way.lost.wait(ANSWER_SECONDS)
            way.losing.clear()
            assert store.apply([call]) == [Verdict.CONFLICT]
            loaded = store.load(1, [(record.key, Source(1, 2, 4))])
            assert (loaded.records, loaded.kept) == ({record.key: record}, {Source(1, 2, 4): KEPT})

    def test_a_late_answer_is_taken_for_no_other(self, store_at: StoreAt, redis_server: RedisServer) -> None:
        with LostAnswers(redis_server.port) as way:
            store = store_at(f"redis://{HOST}:{way.port}/0", seconds=LOST_SECONDS)
            first, second = (one_call_of_each_kind(store, number) for number in range(2))
            way.losing.set()
            with pytest.raises(StoreUnavailable):
                store.load(1, [(first.key, Source(1, 0, 0))])
            way.losing.clear()
            assert store.load(1, [(second.key, Source(1, 0, 0))]).records == {second.key: second}


class TestServersThatRefuse:
    def test_full_memory_refuses_the_whole_call(self, store_at: StoreAt, own_redis: RedisServer) -> None:
        store = store_at(own_redis.url)
        record = one_call_of_each_kind(store)
        again = closed(record, Source(1, 0, 9))
        new = opened(key_in(store, 1, 5), Source(1, 1, 9))
        homes = (HomeCall(0, 5, ((9, KEPT),)), HomeCall(1, 5, ((9, KEPT),)))
        changes = (Change(record.key, record, again), Change(new.key, None, new))
        with own_redis.client() as client:
            client.config_set("maxmemory", "1")
            with pytest.raises(StoreUnavailable, match="memory"):
                apply(store, homes, *changes)
            with pytest.raises(StoreUnavailable, match="memory"):
                store.ping()
            client.config_set("maxmemory", "0")
        assert store.records() == [record]
        assert indexes_equal_records(store)
        assert kept_at(store, 1, 0, [9]) == set()
        store.ping()
        assert apply(store, HomeCall(0, 4), shard=1) is Verdict.APPLIED, "the fence was raised"
        assert apply(store, homes, *changes) is Verdict.APPLIED
        assert indexes_equal_records(store)

    def test_a_replica_is_unavailable_until_it_takes_writes(
        self, store_at: StoreAt, own_redis: RedisServer
    ) -> None:
        store = store_at(own_redis.url)
        one_call_of_each_kind(store)
        with own_redis.client() as client:
            client.execute_command("REPLICAOF", HOST, str(free_port()))
            with pytest.raises(StoreUnavailable, match=r"(?i)read.?only"):
                store.ping()
            with pytest.raises(StoreUnavailable, match=r"(?i)read.?only"):
                apply(store, HomeCall(0, 0, ((9, KEPT),)), shard=1)
            client.execute_command("REPLICAOF", "NO", "ONE")
        store.ping()
        assert apply(store, HomeCall(0, 0, ((9, KEPT),)), shard=1) is Verdict.APPLIED

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
    def test_a_server_that_evicts_is_refused_with_the_remedy(
        self, store_at: StoreAt, own_redis: RedisServer, policy: str
    ) -> None:
        store = store_at(own_redis.url)
        with own_redis.client() as client:
            client.config_set("maxmemory-policy", policy)
            with pytest.raises(StoreMismatch, match=f"{policy}.*CONFIG SET maxmemory-policy noeviction"):
                store.open(OWNERSHIP)
            assert client.dbsize() == 0
            client.config_set("maxmemory-policy", "noeviction")
        assert store.open(OWNERSHIP).created

    def test_a_server_that_hides_its_config_is_accepted(
        self, store_at: StoreAt, own_redis: RedisServer
    ) -> None:
        with own_redis.client() as client:
            client.execute_command("ACL", "SETUSER", "worker", "on", ">secret", "~*", "+@all", "-config")
        store = store_at(own_redis.url, username="worker", password="secret")
        one_call_of_each_kind(store)


class TestOwnership:
    @pytest.mark.parametrize("shards", [1, SHARDS - 1, SHARDS + 1])
    def test_another_number_of_shards_is_refused(self, store: ListedRedisStore, shards: int) -> None:
        other = ListedRedisStore(store._connection, store._masters, store._keys._prefix, shards)
        with pytest.raises(StoreMismatch, match=rf"shards {SHARDS}.*{shards}.*redis\.prefix"):
            other.open(OWNERSHIP)

    def test_another_layout_is_refused(self, store: ListedRedisStore, redis_client: redis.Redis) -> None:
        redis_client.hset(store._keys.owner, "layout", "99")
        with pytest.raises(StoreMismatch, match="layout 99"):
            store.open(OWNERSHIP)

    def test_two_prefixes_know_nothing_of_each_other(self, store: ListedRedisStore) -> None:
        """Also where the one, with the name of a domain, reads as the other."""
        ours, theirs = (
            ListedRedisStore(store._connection, store._masters, prefix, SHARDS) for prefix in ("a", "a:b")
        )
        assert ours.open(OWNERSHIP).created
        assert not theirs.exists()
        assert theirs.open(replace(OWNERSHIP, group="another")).created
        record = opened(TaskKey("b:c", "one"), Source(1, 0, 0))
        started(ours, record)
        same = opened(TaskKey("c", "one"), Source(1, 0, 7))
        assert theirs.record(same.key) is None
        started(theirs, same)
        assert ours.record(record.key) == record
        assert theirs.record(same.key) == same
        assert apply(ours, HomeCall(0, 90), shard=0) is Verdict.APPLIED
        assert apply(theirs, HomeCall(0, 10, ((10, KEPT),)), shard=0) is Verdict.APPLIED
        ours.note_committed(1, {0: 4})
        ours.note_timeout(["c"], PAST)
        assert theirs.committed(1)[0] == -1
        assert theirs.last_timeout("c") is None


@pytest.mark.parametrize("protocol", [2, 3])
def test_answers_of_either_protocol_are_understood(
    store_at: StoreAt, redis_server: RedisServer, redis_client: redis.Redis, protocol: int
) -> None:
    store = store_at(redis_server.url, protocol=protocol)
    for number in range(3):
        one_call_of_each_kind(store, number)
    assert indexes_equal_records(store)
    assert store.last_timeout("another") is None
    assert store.load(1, []).now_ms > 1_700_000_000_000
    with pytest.raises(StoreMismatch, match="group"):
        store.open(replace(OWNERSHIP, group="another"))
    assert redis_client.dbsize() > 0
