"""Preflight: what the configuration needs of its topics, checked against the broker's answer at the start.

A dead letter that no topic takes holds up its partition, so any sender could stop one: that ends the worker.
An answer that no topic takes is a FAIL and harms nobody; but a limit that was set, and cannot be had, is a
mistake. ``docs/operations.md`` lists the permissions for those who grant them; a test grants exactly these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from runner.config import Config
from runner.config.sections.events import Limits
from runner.errors import FatalError
from runner.kafka.topics import WRITE, Cluster

READ: Final = "READ"

DEAD_LETTER_BYTES: Final = 65_536
"""What a dead letter may add to its message, generously."""

ANSWER_BYTES: Final = 32_768
"""What an answer may add to its event, generously: result and headers with the longest id."""

_USUAL_BYTES: Final = Limits().event_bytes
"""The default, which a configuration file may repeat although nobody chose it."""


def required_topics(config: Config) -> tuple[str, ...]:
    """Return the topics without which a worker does not start."""
    topics = config.topics
    named = (
        *(topics.requests, topics.responses, topics.dead_letters),
        *(topics.tasks, topics.notifications),
    )
    return tuple(name for name in named if name is not None)


def topics_read(config: Config) -> tuple[str, ...]:
    """Return the topics whose messages may become dead letters of a worker."""
    return (config.topics.requests, *config.input_topics().values())


def topics_buried(config: Config) -> tuple[str, ...]:
    """Return the topics whose messages may become dead letters, of a worker or of ``runner notify``."""
    notifications = config.topics.notifications
    return (*topics_read(config), *filter(None, (notifications,)))


def topic_names(config: Config) -> tuple[str, ...]:
    """Return every topic the runner reads or writes."""
    inputs = config.input_topics().values()
    return (*required_topics(config), *config.responses.streams, *dispensable_topics(config), *inputs)


def dispensable_topics(config: Config) -> tuple[str, ...]:
    """Return the topics that a worker writes to where it may, and does without where it may not."""
    return tuple(filter(None, (config.topics.replies,)))


def topic_id(config: Config, cluster: Cluster, topic: str) -> str:
    """Return what tells a topic from an earlier one of its name.

    The embedded broker gives no ids; its address is new at every start, and so is its log.
    """
    return config.kafka.brokers if cluster.is_mock else cluster.topics[topic].id


def check_topics(config: Config, cluster: Cluster) -> list[str]:
    """Return what to warn of; FatalError unless Kafka has what the settings need, and lets us use it.

    A response stream may be missing for now, and of topics.replies also the permission: events that name it
    are refused, not the worker.
    """
    require_topics(cluster, required_topics(config), exactly_once=config.delivery == "exactly_once")
    require_permissions(cluster, topic_operations(config))
    require_partitions(config, cluster)
    require_kept(config, cluster)
    warnings = check_message_sizes(config, cluster)
    require_inputs(config, cluster)
    return warnings


def require_topics(cluster: Cluster, needed: Collection[str], *, exactly_once: bool) -> None:
    """FatalError unless all topics exist and the broker supports the delivery."""
    missing = [name for name in needed if name not in cluster.topics and name not in cluster.forbidden]
    if missing:
        raise FatalError(
            f"there is no topic {', '.join(missing)}; run `runner topics create`, "
            "or name yours under `topics`"
        )
    if exactly_once and cluster.is_mock:
        raise FatalError(
            "this is the embedded broker, which has no transactions: it is for trying the runner out; "
            'use an Apache Kafka, or run "runner dev"'
        )


def topic_operations(config: Config) -> dict[str, tuple[str, ...]]:
    """Return what a worker must be allowed to do with each topic."""
    written = (*required_topics(config), *config.responses.streams)
    operations: dict[str, tuple[str, ...]] = dict.fromkeys(written, (WRITE,))
    for name in (*topics_read(config), *filter(None, (config.topics.tasks,))):
        operations[name] = (READ, *operations.get(name, ()))
    return operations


def require_permissions(cluster: Cluster, operations: Mapping[str, Collection[str]]) -> None:
    """FatalError unless all operations are allowed; it names every topic and what is missing on it.

    A broker hides topics that may not be described: whether such a topic exists is not known. Where it
    names no operations, none is missing.
    """
    lines = []
    for name, needed in operations.items():
        topic = cluster.topics.get(name)
        allowed = topic.operations if topic is not None else None
        hidden = name in cluster.forbidden
        missing = [each for each in needed if hidden or (allowed and each not in allowed)]
        if missing:
            lines.append(f"{' and '.join(each.title() for each in missing)} on topic {name}")
    if lines:
        raise FatalError(f"no permission: {'; '.join(lines)}; allow it (kafka-acls --topic)")


def require_kept(config: Config, cluster: Cluster) -> None:
    """FatalError where Kafka would throw away what is needed, as far as topics tell how they are kept."""
    requests, tasks = config.topics.requests, config.topics.tasks
    if "compact" in cluster.topics[requests].cleanup_policy:
        raise FatalError(
            f"topic {requests} (topics.requests) is compacted: of events with the same key all but the last "
            "would vanish unread; set its cleanup.policy to delete"
        )
    notifications = config.topics.notifications
    if notifications is not None and "compact" in cluster.topics[notifications].cleanup_policy:
        raise FatalError(
            f"topic {notifications} (topics.notifications) is compacted: of what people should hear of a "
            "task all but the last would vanish unread; set its cleanup.policy to delete"
        )
    policy = "compact" if tasks is None else cluster.topics[tasks].cleanup_policy
    if policy not in {"compact", ""}:
        raise FatalError(
            f"topic {tasks} (topics.tasks) has cleanup.policy {policy}: what it tells of open tasks would be "
            "deleted one day; set it to compact"
        )


def require_partitions(config: Config, cluster: Cluster) -> None:
    """FatalError unless the changelog has a partition for each shard: a task stays in one of either."""
    changelog, shards = config.topics.tasks, config.redis.shards
    if changelog is None or cluster.topics[changelog].partitions == shards:
        return
    raise FatalError(
        f"topic {changelog} (topics.tasks) has {cluster.topics[changelog].partitions} partitions, "
        f"redis.shards is {shards}; they must be the same: make the topic with {shards} partitions "
        "and cleanup.policy compact"
    )


def require_inputs(config: Config, cluster: Cluster) -> None:
    """FatalError unless every input topic exists."""
    for name, topic in config.input_topics().items():
        if topic not in cluster.topics:
            raise FatalError(
                f"there is no topic {topic}, which inputs.{name} reads; create it, or remove the input"
            )


def check_message_sizes(config: Config, cluster: Cluster) -> list[str]:
    """Return what to warn of: too little room to spare, or for events as large as they may be by default.

    FatalError where dead letters could not be written, or answers to the largest events that were set.
    """
    return [*_room_for_dead_letters(config, cluster), *_room_for_answers(config, cluster)]


def _room_for_dead_letters(config: Config, cluster: Cluster) -> Iterator[str]:
    name = config.topics.dead_letters
    room = _limit(cluster, name)
    for read in topics_read(config):
        largest = _limit(cluster, read)
        if room is None or largest is None or room >= largest + DEAD_LETTER_BYTES:
            continue
        warning = (
            f"topic {name} (topics.deadLetters) takes messages of {room} bytes, {read} of {largest}: a large "
            "one that cannot be handled could not be kept and would hold up its partition; set "
            f"max.message.bytes of {name} to at least {largest + DEAD_LETTER_BYTES}"
        )
        if room < largest:
            raise FatalError(warning)
        yield warning


def _room_for_answers(config: Config, cluster: Cluster) -> Iterator[str]:
    largest = config.limits.event_bytes
    for name in (config.topics.responses, *config.responses.streams, *dispensable_topics(config)):
        room = _limit(cluster, name)
        if room is None or room >= largest + ANSWER_BYTES:
            continue
        warning = (
            f"limits.eventBytes is {largest}, but topic {name} takes messages of {room} bytes: the largest "
            f"events would be read and could not be answered; set max.message.bytes of {name} to at least "
            f"{largest + ANSWER_BYTES}, or lower limits.eventBytes"
        )
        if largest != _USUAL_BYTES:
            raise FatalError(warning)
        yield warning


def _limit(cluster: Cluster, name: str) -> int | None:
    """Return the largest message of a topic; None where that is not known, or there is no such topic."""
    topic = cluster.topics.get(name)
    # A broker that tells the one tells the other.
    return None if topic is None or not topic.cleanup_policy else topic.limit_bytes
