"""What the Redis store writes: which keys, in which slots, for how long and how large."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
import redis

from runner.actions.decision import Done
from runner.embedded.subprocesses import free_port
from runner.store.calls import Change, HomeCall, Page, Verdict
from runner.store.keys import Keys
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAIN,
    FUTURE,
    HOMES,
    ODD_IDS,
    PAST,
    SHARDS,
    apply,
    closed,
    due_between,
    indexes_equal_records,
    one_call_of_each_kind,
    opened,
    started,
)
from tests.contract.subjects import ListedRedisStore
from tests.integration.conftest import ANSWER_SECONDS, StoreAt
from tests.servers.redis_server import LANES, RedisServer

KEPT: Final = Done(5)
EVENT_BYTES: Final = 600
MOST_BYTES_PER_TASK: Final = 2_500


class TestKeys:
    def test_are_as_documented(self, store: ListedRedisStore) -> None:
        task_id = "{req}:1\n"
        shard = store.shard(task_id)
        record = started(store, opened(TaskKey(DOMAIN, task_id), Source(1, 2, 0)))
        store.note_timeout([DOMAIN], PAST)
        assert apply(store, HomeCall(2, 0, ((0, KEPT),)), shard=shard) is Verdict.APPLIED
        prefix = store._keys._prefix
        owned = {f"{prefix}:{{meta}}:{name}" for name in ("owner", "committed", "timeouts")}
        open_keys = {
            f"{prefix}:approvals:{{{shard}}}:task:{{req}}:1\n",
            f"{prefix}:approvals:{{{shard}}}:deadlines:2",
            f"{prefix}:{{{shard}}}:home:2",
        }
        assert set(store.keys()) == owned | open_keys
        ended = closed(record, Source(1, 2, 1))
        assert apply(store, HomeCall(2, 0), Change(record.key, record, ended)) is Verdict.APPLIED
        renamed = {key.replace(":deadlines:", ":removals:") for key in open_keys}
        assert set(store.keys()) == owned | renamed

    def test_never_expire(self, store: ListedRedisStore, redis_client: redis.Redis) -> None:
        for number in range(5):
            record = one_call_of_each_kind(store, number)
            ended = closed(record, Source(1, 0, number), PAST)
            call = HomeCall(0, 0, ((number, KEPT),))
            if number % 2:
                assert apply(store, call, Change(record.key, record, ended)) is Verdict.APPLIED
        keys = store.keys()
        assert len(keys) > 8
        assert {redis_client.ttl(key) for key in keys} == {-1}

    @pytest.mark.parametrize("domain", [DOMAIN, "a:b", "%", "ключ"])
    @pytest.mark.parametrize("task_id", ODD_IDS.values(), ids=ODD_IDS)
    def test_of_one_call_share_one_hash_tag(self, domain: str, task_id: str) -> None:
        keys = Keys("prefix:of:mine", 16)
        shard = keys.shard(task_id)
        named = keys.task(TaskKey(domain, task_id), shard)
        begin = named.index("{")
        assert named[begin + 1 : named.index("}", begin)] == str(shard)
        assert keys.home(shard, 3)[len("prefix:of:mine:") :].startswith(f"{{{shard}}}:")

    def test_of_every_call_lie_in_one_slot(self, store_at: StoreAt, cluster: RedisServer) -> None:
        """A Cluster of one node owns every slot, and still refuses a script that needs two."""
        store = store_at(cluster.url)
        with pytest.raises(redis.ResponseError, match=r"(?i)slot"), cluster.client() as client:
            client.eval("return 1", 2, "a", "b")
        records = [one_call_of_each_kind(store, number) for number in range(3)]
        odd = [
            opened(TaskKey("a:b", id_), Source(1, n % HOMES, n), PAST)
            for n, id_ in enumerate(ODD_IDS.values())
        ]
        for record in odd:
            started(store, record)
        homes = [HomeCall(home, 0, ((50, KEPT),)) for home in range(HOMES)]
        ended = [closed(record, Source(1, 0, 50)) for record in records]
        changes = [Change(old.key, old, new) for old, new in zip(records, ended, strict=True)]
        assert apply(store, homes, *changes) is Verdict.APPLIED
        _, page = due_between(store, [DOMAIN, "a:b"], HOMES, (None, None), Page(100))
        assert {task.key for task in page.tasks} == {record.key for record in odd}
        assert indexes_equal_records(store)


@pytest.fixture(params=LANES)
def cluster(
    request: pytest.FixtureRequest, start_redis: Callable[..., RedisServer], tmp_path: Path
) -> Iterator[RedisServer]:
    """A Cluster of one node, which owns every slot."""
    start_redis(request.param).stop()  # skips, by name, where the lane has no server
    server = RedisServer(request.param, tmp_path, appendonly=False)
    server._command += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    try:
        server.start()
        with server.client() as client:
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)
            deadline = time.monotonic() + ANSWER_SECONDS
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                assert time.monotonic() < deadline, "the cluster is not well"
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("deadline_ms", [FUTURE, None], ids=["with a deadline", "without"])
def test_an_open_task_takes_less_memory_than_promised(
    store: ListedRedisStore,
    redis_client: redis.Redis,
    capsys: pytest.CaptureFixture[str],
    deadline_ms: int | None,
) -> None:
    """The index entry and the decision that is kept beside it included."""
    count = 5_000
    body = b'{"requestMeta":{"id":"%08d"},"payload":{"note":"%s"}}'
    overhead = len(body % (0, b""))
    before = int(redis_client.info("memory")["used_memory"])
    records = []
    for n in range(count):
        task = TaskKey(DOMAIN, f"request-{n:08d}:step-20")
        record = opened(task, Source(1, n % HOMES, n), deadline_ms)
        event = msgspec.Raw(body % (n, b"x" * (EVENT_BYTES - overhead)))
        records.append(
            msgspec.structs.replace(record, start=msgspec.structs.replace(record.start, event=event))
        )
    for shard in range(SHARDS):
        mine = [record for record in records if store.shard(record.key.id) == shard]
        homes = [
            HomeCall(home, 0, tuple((r.started_by.offset, KEPT) for r in mine if r.state.home == home))
            for home in range(HOMES)
        ]
        assert apply(store, homes, *(Change(r.key, None, r) for r in mine)) is Verdict.APPLIED
    each = (int(redis_client.info("memory")["used_memory"]) - before) / count
    with capsys.disabled():
        print(
            f"\n{each:.0f} bytes of Redis memory for an open task with an event of "
            f"{EVENT_BYTES} bytes, deadline {deadline_ms}"
        )
    assert EVENT_BYTES < each < MOST_BYTES_PER_TASK
