"""What a key space says of its changelog, and who may change that: a filling, and workers without one."""

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
    return space.changelog


def test_a_filling_that_nobody_disturbs_turns_the_changelog_on(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    assert store.change_changelog("", MINE) == MINE
    assert says(store) == "", "it is not on before it is whole"
    assert store.change_changelog(MINE, TOPIC) == TOPIC
    assert says(store) == TOPIC
    assert store.open(replace(OWNERSHIP, changelog=TOPIC)) == Opened(1)


def test_a_worker_that_starts_without_a_changelog_ends_a_filling(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_changelog("", MINE)
    assert store.open(OWNERSHIP) == Opened(1)
    assert store.change_changelog(MINE, TOPIC) == NONE
    assert says(store) == ""


def test_so_does_one_that_started_before_and_gets_partitions(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_changelog("", MINE)
    store.go_without_changelog()
    assert store.change_changelog(MINE, TOPIC) == NONE


def test_one_that_gets_partitions_once_it_is_turned_on_ends(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_changelog("", MINE)
    store.change_changelog(MINE, TOPIC)
    with pytest.raises(StoreMismatch, match=f"{TOPIC}.*start it again"):
        store.go_without_changelog()
    with pytest.raises(StoreMismatch, match="changelog"):
        store.open(OWNERSHIP)
    assert says(store) == TOPIC


def test_of_two_fillings_the_later_goes_on(store: ListedRedisStore) -> None:
    store.open(OWNERSHIP)
    store.change_changelog("", MINE)
    assert store.change_changelog("", OTHERS) == OTHERS
    assert store.change_changelog(MINE, TOPIC) == OTHERS
    assert store.change_changelog(OTHERS, TOPIC) == TOPIC
    assert store.change_changelog("", MINE) == TOPIC, "what is on stays on"


def test_a_filling_that_was_killed_keeps_out_who_knows_nothing_of_it(store: ListedRedisStore) -> None:
    """As earlier versions compare: word for word."""
    store.open(OWNERSHIP)
    store.change_changelog("", MINE)
    with pytest.raises(StoreMismatch, match=MINE):
        store.open(replace(OWNERSHIP, changelog=TOPIC))


def test_a_changelog_for_lists_may_be_given_up(store: ListedRedisStore) -> None:
    store.change_changelog("", LISTS)
    assert store.open(replace(OWNERSHIP, changelog=LISTS)) == Opened(1)
    assert says(store) == LISTS
    assert store.open(OWNERSHIP) == Opened(1)
    assert says(store) == ""
    with pytest.raises(StoreMismatch, match="changelog"):
        store.open(replace(OWNERSHIP, changelog=LISTS))


def test_where_there_is_no_key_space_none_is_made(store: ListedRedisStore, redis_client: redis.Redis) -> None:
    redis_client.flushall()
    assert store.change_changelog("", MINE) == ""
    store.go_without_changelog()
    assert not store.exists()
