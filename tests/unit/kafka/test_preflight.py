"""What a worker refuses to start with, because tasks would be lost by it one day."""

from __future__ import annotations

import pytest

from runner.cli.topics_command import wanted_topics
from runner.cli.wiring.events import build_policy
from runner.config import Config, load
from runner.errors import FatalError
from runner.kafka.preflight import (
    check_topics,
    require_kept,
    require_partitions,
    topic_names,
    topic_operations,
)
from runner.kafka.topics import WRITE, Cluster, Topic


def config(tasks: str | None) -> Config:
    return load(None, {} if tasks is None else {"RUNNER_TOPICS__TASKS": tasks})


def cluster(requests: str = "delete", tasks: str = "compact", partitions: int = 16) -> Cluster:
    topics = {
        "requests": Topic("id-1", 3, 1000, cleanup_policy=requests),
        "tasks": Topic("id-2", partitions, 1000, cleanup_policy=tasks),
    }
    return Cluster("cluster", topics)


@pytest.mark.parametrize("policy", ["delete", ""])
def test_requests_that_are_kept_are_fine(policy: str) -> None:
    require_kept(config(None), cluster(requests=policy))


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_compacted_requests_are_refused(policy: str) -> None:
    with pytest.raises(FatalError, match=r"requests .*is compacted.*set its cleanup.policy to delete"):
        require_kept(config(None), cluster(requests=policy))


@pytest.mark.parametrize("policy", ["compact", ""])
def test_a_changelog_that_keeps_the_last_of_each_task_is_fine(policy: str) -> None:
    require_kept(config("tasks"), cluster(tasks=policy))


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_changelog_that_deletes_is_refused(policy: str) -> None:
    with pytest.raises(FatalError, match=r"topics.tasks.*set it to compact"):
        require_kept(config("tasks"), cluster(tasks=policy))


def test_a_changelog_has_a_partition_for_each_shard() -> None:
    require_partitions(config("tasks"), cluster())
    with pytest.raises(FatalError, match=r"has 12 partitions, redis\.shards is 16"):
        require_partitions(config("tasks"), cluster(partitions=12))


TELLING = {"RUNNER_TOPICS__NOTIFICATIONS": "heard"}


def complete(**others: Topic) -> Cluster:
    names = ("requests", "responses", "dead-letters")
    topics = {name: Topic(name, 3, 2_000_000) for name in names}
    return Cluster("cluster", {**topics, "tasks": Topic("tasks", 16, 2_000_000), **others})


def test_what_people_have_to_hear_needs_its_topic_only_where_one_is_named() -> None:
    assert check_topics(load(None, {}), complete()) == []
    with pytest.raises(FatalError, match=r"no topic heard; run `runner topics create`, or name yours"):
        check_topics(load(None, TELLING), complete())
    assert check_topics(load(None, TELLING), complete(heard=Topic("heard", 3, 1000))) == []


def test_a_worker_must_be_allowed_to_write_what_people_have_to_hear_and_need_not_read_it() -> None:
    config = load(None, TELLING)
    assert "heard" in topic_names(config)
    assert topic_operations(config)["heard"] == (WRITE,)
    readable = Topic("heard", 3, 1000, frozenset({"READ"}))
    with pytest.raises(FatalError, match="Write on topic heard"):
        check_topics(config, complete(heard=readable))


def test_a_compacted_topic_for_what_people_have_to_hear_is_refused() -> None:
    compacted = Topic("heard", 3, 1000, cleanup_policy="compact")
    with pytest.raises(FatalError, match=r"topics.notifications.*is compacted.*set its cleanup.policy"):
        check_topics(load(None, TELLING), complete(heard=compacted))


def test_a_worker_does_without_replies_but_writes_them_where_it_may() -> None:
    config = load(None, {})
    assert "replies" in topic_names(config)
    assert "replies" not in topic_operations(config)
    assert check_topics(config, complete()) == []
    hidden = Cluster("cluster", complete().topics, frozenset({"replies"}))
    assert check_topics(config, hidden) == []
    assert "replies" in build_policy(config).allowed_streams
    none = load(None, {"RUNNER_TOPICS__REPLIES": "null"})
    assert "replies" not in topic_names(none)
    assert not build_policy(none).allowed_streams


def test_replies_that_are_too_small_are_warned_of() -> None:
    small = Topic("replies", 3, 1000, cleanup_policy="delete")
    [warning] = check_topics(load(None, {}), complete(replies=small))
    assert "topic replies takes messages of 1000 bytes" in warning


def test_the_command_makes_a_topic_for_replies_that_keeps_them_for_a_week() -> None:
    assert wanted_topics(load(None, {}))["replies"] == {"retention.ms": str(7 * 24 * 3_600_000)}
    assert "replies" not in wanted_topics(load(None, {"RUNNER_TOPICS__REPLIES": "null"}))
