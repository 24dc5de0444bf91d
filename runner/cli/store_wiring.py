"""From the configuration to the store of a worker: whose it is, and how it is filled again."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from uuid import uuid4

from runner.changelog.reader import KafkaChangelog
from runner.changelog.restorer import Extent, Group, RestoreObserver, Restorer
from runner.config import Config
from runner.config.clients import client_properties
from runner.errors import PositionUnknown
from runner.kafka.commit_metadata import incarnation_of, topic_of
from runner.kafka.group_offsets import group_offsets
from runner.kafka.preflight import topic_id
from runner.kafka.topics import Cluster
from runner.store.calls import LISTS, Opened, Ownership
from runner.store.redis_store import RedisStore


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
        known = _known_before(store, config, ownership, by_hand=by_hand)
        ownership = replace(ownership, incarnation=known)
    opened = store.open(ownership)
    if config.restores:
        store.bind_server()
    return opened


def _changelog(config: Config, topic: str) -> KafkaChangelog:
    return KafkaChangelog(topic, client_properties(config), config.kafka.group)


def _changelog_id(config: Config, cluster: Cluster) -> str:
    topic = config.topics.tasks
    if topic is None:
        return ""
    return cluster.topics[topic].id if config.restores else LISTS


def _known_before(store: RedisStore, config: Config, ownership: Ownership, *, by_hand: bool) -> int:
    """Return as which incarnation the topic counts by what else is known than Redis; 0: as the first.

    PositionUnknown if it was read and nothing tells the tasks of then.
    """
    found = group_offsets(
        client_properties(config), ownership.group, ownership.topic, ownership.partitions
    ).values()
    remedy = "set redis.startEmpty to true to begin with no tasks"
    if config.restores:
        notes = [committed.metadata for committed in found]
        known = max((incarnation_of(note, ownership.topic_id) for note in notes), default=0)
        if known or _has_told(config, str(config.topics.tasks)):
            if not (notes or by_hand or config.topics.are_tasks_given):
                raise _perhaps_of_others(config)
            return known or _unheard_of(notes, store)
        remedy = "delete the offsets of the group to read everything again"
    if all(committed.offset == 0 for committed in found):
        return 0
    raise PositionUnknown(
        f"Redis holds nothing under prefix {config.redis.prefix!r}, but group {config.kafka.group!r} "
        f"has read {config.topics.requests!r} before: the tasks it kept are gone; restore Redis, or {remedy}"
    )


def _perhaps_of_others(config: Config) -> PositionUnknown:
    """Several groups may work on one Kafka: one that is new must not restore the tasks of another."""
    topic = config.topics.tasks
    return PositionUnknown(
        f"topic {topic} has been told of tasks, but neither Redis (prefix {config.redis.prefix!r}) nor group "
        f"{config.kafka.group!r} knows of any: if it is the changelog of another group, name your own under "
        'topics.tasks; if it is yours, and Redis is to be filled again from it, run "runner restore"'
    )


def _has_told(config: Config, topic: str) -> bool:
    with closing(_changelog(config, topic)) as changelog:
        return not changelog.is_empty(config.redis.shards)


def _unheard_of(notes: Collection[str], store: RedisStore) -> int:
    """Return an incarnation that no earlier topic had: what the changelog tells may be of any of them."""
    others = max((incarnation_of(note, topic_of(note)) for note in notes), default=0)
    # Topics are counted from 1: without any note, the seconds since 1970 are beyond every count.
    return others + 1 if others else store.load(0, []).now_ms // 1000


def make_restorers(
    config: Config, store: RedisStore, opened: Opened, group: Group, observer: RestoreObserver
) -> list[Restorer]:
    """Return what restores the store from the changelog; none where there is no such changelog."""
    if not config.restores:
        return []
    changelog = _changelog(config, str(config.topics.tasks))
    extent = Extent(tuple(config.domains), opened.incarnation, group)
    return [Restorer(store, changelog, extent, lambda: uuid4().hex, observer)]
