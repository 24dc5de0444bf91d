"""What a key space says of its task feed, and who may change that: a filling, and workers without a feed."""

from dataclasses import replace
from typing import Final

import pytest
import redis

from runner.errors import StoreMismatch
from runner.store.calls import FILLING, LISTS, NONE, Opened
from tests.contract.samples import OWNERSHIP
from tests.contract.subjects import ListedRedisStore

MINE: Final = f"{FILLING}mine"
OTHERS: Final = f"{FILLING}others"
TOPIC: Final = "topic-id-of-tasks"


def says(store: ListedRedisStore) -> str:
    space = store.key_space()
    assert space is not None
    return space.feed


def test_a_filling_that_nobody_disturbs_turns_the_feed_on(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    assert store.change_feed("", MINE) == MINE
    assert says(store) == "", "it is not on before it is whole"
    assert store.change_feed(MINE, TOPIC) == TOPIC
    assert says(store) == TOPIC
    assert store.open(replace(OWNERSHIP, feed=TOPIC)) == Opened(1)


def test_a_worker_that_starts_without_a_feed_ends_a_filling(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_feed("", MINE)
    assert store.open(OWNERSHIP) == Opened(1)
    assert store.change_feed(MINE, TOPIC) == NONE
    assert says(store) == ""


def test_so_does_one_that_started_before_and_gets_partitions(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_feed("", MINE)
    store.go_without_feed()
    assert store.change_feed(MINE, TOPIC) == NONE


def test_one_that_gets_partitions_once_it_is_turned_on_ends(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_feed("", MINE)
    store.change_feed(MINE, TOPIC)
    with pytest.raises(StoreMismatch, match=f"{TOPIC}.*start it again"):
        store.go_without_feed()
    with pytest.raises(StoreMismatch, match="feed"):
        store.open(OWNERSHIP)
    assert says(store) == TOPIC


def test_of_two_fillings_the_later_goes_on(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_feed("", MINE)
    assert store.change_feed("", OTHERS) == OTHERS
    assert store.change_feed(MINE, TOPIC) == OTHERS
    assert store.change_feed(OTHERS, TOPIC) == TOPIC
    assert store.change_feed("", MINE) == TOPIC, "what is on stays on"


def test_a_filling_that_was_killed_keeps_out_who_knows_nothing_of_it(store: ListedRedisStore) -> None:
    """As earlier versions compare: word for word."""
    store.open(OWNERSHIP)
    store.change_feed("", MINE)
    with pytest.raises(StoreMismatch, match=MINE):
        store.open(replace(OWNERSHIP, feed=TOPIC))


def test_a_feed_for_lists_may_be_given_up(store: ListedRedisStore) -> None:
    store.change_feed("", LISTS)
    assert store.open(replace(OWNERSHIP, feed=LISTS)) == Opened(1)
    assert says(store) == LISTS
    assert store.open(OWNERSHIP) == Opened(1)
    assert says(store) == ""
    with pytest.raises(StoreMismatch, match="feed"):
        store.open(replace(OWNERSHIP, feed=LISTS))


def test_where_there_is_no_key_space_none_is_made(store: ListedRedisStore, redis_client: redis.Redis) -> None:
    redis_client.flushall()
    assert store.change_feed("", MINE) == ""
    store.go_without_feed()
    assert not store.exists()
