"""From the configuration to the store: how it is reached, whose it is, and how it is filled again.

What a worker does with a changelog follows from the settings and from how the key space was begun:

    topics.tasks     key space new     begun without        begun with it     served lists only
    tasks (default)  with it           without, and says so with it           lists, or without
    another topic    with it           refused              with it           lists, or refused
    null             without           without              refused           without

"Lists, or …": while ``delivery`` is at_least_once, or once it is exactly_once. A key space that was
begun without a changelog gets one by ``runner restore --fill-changelog``.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from typing import Final
from uuid import uuid4

from runner import log
from runner.changelog.reader import KafkaChangelog
from runner.changelog.restorer import Extent, Group, RestoreObserver, Restorer
from runner.config import Config
from runner.config.clients import (
    check_tls_files,
    client_properties,
    redis_arguments,
    redis_nodes,
    redis_url,
    sentinel_arguments,
)
from runner.errors import (
    PositionUnknown,
    SchemasUnavailable,
    StoreMismatch,
    StoreRefused,
    StoreUnavailable,
    TransientError,
)
from runner.kafka.group_offsets import group_offsets
from runner.kafka.offsets import incarnation_of, topic_of
from runner.kafka.preflight import topic_id
from runner.kafka.topics import Cluster
from runner.store.calls import LISTS, KeySpace, Opened, Ownership
from runner.store.connection.cluster import connect_cluster
from runner.store.connection.command import Connection
from runner.store.connection.single import connect, connect_sentinel
from runner.store.connection.slots import Address
from runner.store.redis_store import RedisStore
from runner.tasks.keys import spaces_of

WAY_OUT: Final = (
    'stop the workers and run "runner restore --fill-changelog", which writes topic {topic} from Redis '
    "and turns it on"
)
_ONLY_COPY: Final = "Redis holds the only copy of the tasks, and what it loses is lost"

_log: Final = log.get("worker")


def connect_store(config: Config) -> RedisStore:
    """Return the store; nothing is sent before its first use. ConfigError if a file for TLS is no use."""
    check_tls_files(config)
    return RedisStore(connect_redis(config), config.redis.prefix, config.redis.shards)


def connect_redis(config: Config) -> Connection:
    """Return the way to Redis that the configuration names."""
    redis = config.redis
    seconds, arguments = redis.timeout_ms / 1000, redis_arguments(config)
    nodes = [Address(host, port) for host, port in redis_nodes(config)]
    match redis.topology:
        case "cluster":
            return connect_cluster(nodes, seconds, **arguments)
        case "sentinel":
            master = redis.sentinel.master or ""
            return connect_sentinel(nodes, master, seconds, sentinel_arguments(config), **arguments)
        case "standalone":
            return connect(redis_url(config), seconds, **arguments)


def describe_unreachable(error: TransientError, config: Config) -> str:
    """Return the text for a server that did not answer in time: the error, and the way out."""
    if isinstance(error, SchemasUnavailable):
        return f"{error}; check schemaRegistry.url, or start the registry"
    if isinstance(error, StoreRefused) or not isinstance(error, StoreUnavailable):
        return str(error)
    where = "redis.url" if config.redis.topology == "standalone" else "redis.nodes"
    return f"{error}; check {where}, or start Redis"


def open_store(store: RedisStore, config: Config, cluster: Cluster, *, by_hand: bool = False) -> Opened:
    """Open the store as this group's; may be called again. ``by_hand``: a person wants it restored.

    StoreUnavailable or LogUnavailable where somebody does not answer, StoreMismatch if it is somebody
    else's; PositionUnknown if it is empty although the group has read before: its tasks are gone, and
    going on as if nothing were is for a person to decide.
    """
    topic = cluster.topics[config.topics.requests]
    ownership = Ownership(
        cluster_id=cluster.id,
        topic=config.topics.requests,
        topic_id=topic_id(config, cluster, config.topics.requests),
        group=config.kafka.group,
        partitions=topic.partitions,
        changelog=_changelog_id(config, cluster),
    )
    if not store.exists() and not config.redis.start_empty:
        known = _incarnation_before(store, config, ownership, by_hand=by_hand)
        ownership = replace(ownership, incarnation=known)
    opened = store.open(ownership)
    if config.restores:
        store.bind_server()
    return opened


def make_restorers(
    config: Config, store: RedisStore, opened: Opened, group: Group, observer: RestoreObserver
) -> list[Restorer]:
    """Return what restores the store from the changelog; none where there is no such changelog."""
    if not config.restores:
        return []
    changelog = _changelog(config, str(config.topics.tasks))
    extent = Extent(spaces_of(config.domains), opened.incarnation, group)
    return [Restorer(store, changelog, extent, lambda: uuid4().hex, observer)]


def settle_changelog(config: Config, store: RedisStore) -> Config:
    """Return the settings, with ``topics.tasks`` null where the key space goes on without; says so.

    StoreUnavailable where it does not answer, StoreMismatch where the settings ask for what it cannot have.
    """
    settled = with_changelog_of(config, store.key_space())
    topic = config.topics.tasks
    if settled.topics.tasks is not None:
        if not settled.restores:
            _log.warning("changelog_for_lists", topic=topic, reason=_lists(config))
    elif topic is None:
        _log.warning("without_changelog", reason=f"topics.tasks is null: {_ONLY_COPY}")
    else:
        way_out = WAY_OUT.format(topic=topic) if config.restores else "set topics.tasks to null"
        _log.warning("without_changelog", reason=f"{_begun_without(config)}: {_ONLY_COPY}; {way_out}")
    return settled


def with_changelog_of(config: Config, space: KeySpace | None) -> Config:
    """Return the settings as they hold for this key space; None: it is new. Raises StoreMismatch."""
    topic, is_given = config.topics.tasks, config.topics.are_tasks_given
    if topic is None or space is None:
        return config
    if space.changelog not in {"", LISTS}:
        if config.restores:
            return config
        raise StoreMismatch(
            f"the tasks under redis.prefix {config.redis.prefix} have a changelog from which Redis is "
            f"restored, which takes transactions, and delivery is {config.delivery}; set it to exactly_once"
        )
    if space.changelog == LISTS and not config.restores:
        return config
    if is_given:
        without = "set topics.tasks to null, to go on without"
        way_out = f"{WAY_OUT.format(topic=topic)}; or {without}" if config.restores else without
        raise StoreMismatch(f"topics.tasks is {topic}, but {_begun_without(config)}: {way_out}")
    return config.without_changelog()


def _begun_without(config: Config) -> str:
    return f"the tasks under redis.prefix {config.redis.prefix} were begun without a changelog"


def _lists(config: Config) -> str:
    return f"delivery is {config.delivery}: it serves lists, and Redis is not restored from it"


def _changelog(config: Config, topic: str) -> KafkaChangelog:
    return KafkaChangelog(topic, client_properties(config), config.kafka.group)


def _changelog_id(config: Config, cluster: Cluster) -> str:
    topic = config.topics.tasks
    if topic is None:
        return ""
    return cluster.topics[topic].id if config.restores else LISTS


def _incarnation_before(store: RedisStore, config: Config, ownership: Ownership, *, by_hand: bool) -> int:
    """Return the incarnation of the topic by the group's offsets and the changelog; 0: it is the first.

    PositionUnknown if the topic was read, and there is no changelog of its tasks.
    """
    offsets = group_offsets(
        client_properties(config), ownership.group, ownership.topic, ownership.partitions
    ).values()
    remedy = "set redis.startEmpty to true to begin with no tasks"
    if config.restores:
        metadata = [committed.metadata for committed in offsets]
        known = max((incarnation_of(each, ownership.topic_id) for each in metadata), default=0)
        if known or _is_written(config, str(config.topics.tasks)):
            if not (metadata or by_hand or config.topics.are_tasks_given):
                raise _changelog_of_others(config)
            return known or _unused_incarnation(metadata, store)
        remedy = "delete the offsets of the group to read everything again"
    if all(committed.offset == 0 for committed in offsets):
        return 0
    raise PositionUnknown(
        f"Redis holds nothing under prefix {config.redis.prefix!r}, but group {config.kafka.group!r} "
        f"has read {config.topics.requests!r} before: the tasks it kept are gone; restore Redis, or {remedy}"
    )


def _changelog_of_others(config: Config) -> PositionUnknown:
    """Return the error for a new group whose changelog is perhaps another's: it must not restore that."""
    topic = config.topics.tasks
    return PositionUnknown(
        f"topic {topic} has been told of tasks, but neither Redis (prefix {config.redis.prefix!r}) nor group "
        f"{config.kafka.group!r} knows of any: if it is the changelog of another group, name your own under "
        'topics.tasks; if it is yours, and Redis is to be filled again from it, run "runner restore"'
    )


def _is_written(config: Config, topic: str) -> bool:
    with closing(_changelog(config, topic)) as changelog:
        return not changelog.is_empty(config.redis.shards)


def _unused_incarnation(metadata: Collection[str], store: RedisStore) -> int:
    """Return an incarnation that no earlier topic had: what the changelog tells may be of any of them."""
    others = max((incarnation_of(each, topic_of(each)) for each in metadata), default=0)
    # Topics are counted from 1: without any metadata, the seconds since 1970 are beyond every count.
    return others + 1 if others else store.load(0, []).now_ms // 1000
