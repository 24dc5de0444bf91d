"""What a worker refuses to start with, because tasks would be lost by it one day."""

from __future__ import annotations

import pytest

from runner.config import Config, load
from runner.errors import FatalError
from runner.kafka.preflight import require_kept, require_partitions
from runner.kafka.topics import Cluster, Topic


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
