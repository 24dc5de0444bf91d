"""What somebody else wrote under our keys is named in an error that ends the worker, with the way out."""

from __future__ import annotations

from typing import Final

import pytest
import redis

from runner.actions.decision import Done
from runner.errors import StoreUnreadable
from runner.store.calls import HomeCall, Page, Verdict
from runner.store.indexing import parse_removal
from runner.store.listing import TaskFilter, list_tasks
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAIN,
    HOMES,
    NOW,
    PAST,
    apply,
    deadlines,
    due_between,
    key_in,
    opened,
    removals,
    started,
)
from tests.contract.subjects import ListedRedisStore

BROKEN: Final = (b"", b"{", b"[]", b'"\xff"', b"[" * 5000, b'{"event":' + b"[" * 5000)


def task(store: ListedRedisStore) -> tuple[Record, str]:
    """An open task, and the name of its hash."""
    record = started(store, opened(key_in(store, 1), Source(1, 0, 0), PAST))
    return record, store._keys.task(record.key, 1)


@pytest.mark.parametrize("part", ["state", "start"])
def test_a_part_of_a_record_that_is_none_is_named_with_its_task(
    store: ListedRedisStore, redis_client: redis.Redis, part: str
) -> None:
    record, name = task(store)
    for value in BROKEN:
        redis_client.hset(name, part, value)
        with pytest.raises(StoreUnreadable, match=f"task '{record.key.id}' of domain '{DOMAIN}'.*restore"):
            store.load(1, [(record.key, Source(1, 0, 1))])
    redis_client.hdel(name, part)
    with pytest.raises(StoreUnreadable, match="holds no record of this version"):
        store.record(record.key)


@pytest.mark.parametrize("version", [b"x;1/0@0", b"\xff", b"9" * 5000])
def test_a_version_that_is_none_is_shown(
    store: ListedRedisStore, redis_client: redis.Redis, version: bytes
) -> None:
    record, name = task(store)
    redis_client.hset(name, "version", version)
    with pytest.raises(StoreUnreadable, match=r"version .*restore Redis"):
        store.load(1, [(record.key, Source(1, 0, 1))])


@pytest.mark.parametrize("value", [b"", b"\x93\xa4nope\x01\x02", b"\x92\xa7dropped\xa1\xff"])
def test_a_kept_decision_that_is_none_is_said_to_be_that(
    store: ListedRedisStore, redis_client: redis.Redis, value: bytes
) -> None:
    key = key_in(store, 1)
    assert apply(store, HomeCall(0, 0, ((7, Done(NOW)),)), shard=1) is Verdict.APPLIED
    name = store._keys.home(1, 0)
    [field] = [field for field, held in redis_client.hgetall(name).items() if b"done" in held]
    redis_client.hset(name, field, value)
    with pytest.raises(StoreUnreadable, match="a decision that is none of this version"):
        store.load(1, [(key, Source(1, 0, 7))])


@pytest.mark.parametrize("member", [b"1/0@0;x;task", b"nonsense", b"\xff"])
def test_an_entry_of_an_index_that_is_none_is_shown(
    store: ListedRedisStore, redis_client: redis.Redis, member: bytes
) -> None:
    record, _ = task(store)
    redis_client.zadd(store._keys.index(deadlines(store, record.key, 0)), {member: PAST - 1})
    with pytest.raises(StoreUnreadable, match=r"Redis holds .* take it out"):
        due_between(store, [DOMAIN], HOMES, (None, NOW), Page(10))
    with pytest.raises(StoreUnreadable, match=r"Redis holds .* take it out"):
        list_tasks(store, TaskFilter([DOMAIN], HOMES), Page(10))


def test_an_entry_of_a_removal_that_is_none_is_shown(
    store: ListedRedisStore, redis_client: redis.Redis
) -> None:
    record, _ = task(store)
    index = removals(store, record.key, 0)
    redis_client.zadd(store._keys.index(index), {b"x;task": PAST})
    [(member, _)] = store.due([index], 10).by_index[index].entries
    with pytest.raises(StoreUnreadable, match=r"'x;task' in an index of domain 'approvals' on home 0"):
        parse_removal(index, member)


def test_what_is_stored_as_starting_event_and_is_none_is_named_when_it_is_needed(
    store: ListedRedisStore, redis_client: redis.Redis
) -> None:
    record, name = task(store)
    for value in (b'{"event":3}', b'{"event":{"requestMeta":{},"eventMeta":{"action":"StartTask"}}}'):
        redis_client.hset(name, "start", value)
        found = store.record(record.key)
        assert found is not None
        with pytest.raises(StoreUnreadable, match=f"task '{record.key.id}'"):
            found.starting_event()
