"""The site of ``runner restore``: the group, topics and store that the configuration names; it only reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException

from runner.changelog.comparison import Comparison, ComparisonScope, GrowingChangelog, Standing
from runner.changelog.reader import KafkaChangelog
from runner.changelog.snapshot import ChangelogRecord
from runner.cli.records import require_settings
from runner.cli.wiring.store import WAY_OUT, connect_store, describe_unreachable
from runner.clock import Ticker, monotonic_seconds
from runner.config import Config
from runner.config.clients import client_properties
from runner.errors import FatalError, LogUnavailable, StoreMismatch, StoreUnavailable
from runner.kafka.clients import ANSWER_SECONDS, connect_admin
from runner.kafka.group_offsets import CommittedOffset, group_offsets
from runner.kafka.offsets import incarnation_of, topic_of
from runner.kafka.preflight import require_kept, require_partitions, require_topics, topic_id
from runner.kafka.topics import Cluster, ask_cluster
from runner.store.calls import LISTS, KeySpace
from runner.store.redis_store import RedisStore
from runner.tasks.keys import spaces_of

SILENCE_SECONDS: Final = 60.0
"""Much longer than a transaction of a dead worker stays open."""

_NO_GROUP: Final = "GROUP_ID_NOT_FOUND"
_LAST_COMMITTED: Final[Mapping[str, Any]] = {"isolation.level": "read_uncommitted"}
"""Offsets as they are, whatever transaction is open just now; without it they are waited for."""


class PatientChangelog:
    """A changelog reader that raises LogUnavailable after SILENCE_SECONDS without a message."""

    def __init__(self, changelog: GrowingChangelog, topic: str, ticker: Ticker = monotonic_seconds) -> None:
        self._changelog = changelog
        self._topic = topic
        self._ticker = ticker
        self._heard_seconds = ticker()

    def begin(self, shard: int) -> None:
        self._changelog.begin(shard)
        self._heard_seconds = self._ticker()

    def extend(self) -> None:
        self._changelog.extend()
        self._heard_seconds = self._ticker()

    def read(self) -> Sequence[ChangelogRecord] | None:
        records = self._changelog.read()
        if records is None or records:
            self._heard_seconds = self._ticker()
        elif self._ticker() - self._heard_seconds > SILENCE_SECONDS:
            raise LogUnavailable(
                f"Kafka has given nothing of topic {self._topic} for {SILENCE_SECONDS:g} s, "
                "and there is more: its brokers are away, or a transaction "
                "hangs there (docs/guarantees.md, Limits)"
            )
        return records

    def close(self) -> None:
        self._changelog.close()


@dataclass(frozen=True, slots=True)
class RestoreSite:
    """A group with its topics and its store; no method changes any of them."""

    config: Config
    cluster: Cluster
    store: RedisStore
    changelog: PatientChangelog
    admin: Any

    def members(self) -> int:
        """Return how many workers are in the group."""
        group = self.config.kafka.group
        answer = self.admin.describe_consumer_groups([group], request_timeout=ANSWER_SECONDS)[group]
        try:
            return len(answer.result(ANSWER_SECONDS).members)
        except TimeoutError:
            raise FatalError(
                f"Kafka does not tell within {ANSWER_SECONDS:g} s who is in group {group}: the group's "
                "coordinator is away; try again once it is back"
            ) from None
        except KafkaException as error:
            reason = error.args[0]
            if reason.name() == _NO_GROUP:
                return 0
            raise FatalError(f"Kafka does not tell who is in group {group}: {reason.str()}") from error

    def homes(self) -> int:
        return self.cluster.topics[self.config.topics.requests].partitions

    @property
    def topic_id(self) -> str:
        """Id of the requests topic, which an earlier topic of that name does not share."""
        return topic_id(self.config, self.cluster, self.config.topics.requests)

    def committed(self, partitions: Collection[int]) -> Mapping[int, int | None]:
        """Return the group's offsets; a transaction that is open is waited for. Raises LogUnavailable."""
        offsets = self._offsets({})
        return {partition: offsets[partition].offset for partition in partitions if partition in offsets}

    def last_committed(self) -> dict[int, int]:
        """Return the group's offsets as they are just now."""
        return {home: committed.offset for home, committed in self._offsets(_LAST_COMMITTED).items()}

    def require_nobody(self) -> None:
        """FatalError while workers are in the group."""
        members = self.members()
        if members:
            raise FatalError(
                f"group {self.config.kafka.group} has {members} members: the changelog is filled while no "
                "worker changes tasks; stop all of them (one that was killed is gone after "
                "worker.sessionTimeoutMs), and run the command again"
            )

    @property
    def changelog_id(self) -> str:
        return self.cluster.topics[str(self.config.topics.tasks)].id

    def require_space(self) -> KeySpace:
        """Return whose key space this is; FatalError if nobody opened it, StoreMismatch if not ours."""
        space = self.store.key_space()
        if space is None:
            raise FatalError(
                f"no worker has run under redis.prefix {self.config.redis.prefix}, so there are no tasks "
                "yet: what begins now begins with a changelog"
            )
        require_settings(space, self.config)
        self._require_same("kafka.group", space.group, self.config.kafka.group)
        return space

    def require_changelog(self) -> None:
        """StoreMismatch where the stored tasks have another changelog, or none; an empty store passes."""
        space = self.store.key_space()
        if space is None:
            return
        if space.changelog in {"", LISTS}:
            way_out = WAY_OUT.format(topic=self.config.topics.tasks)
            raise StoreMismatch(
                f"the tasks under redis.prefix {self.config.redis.prefix} were begun without a changelog, so "
                f"there is nothing to compare Redis with, or to restore it from; {way_out}"
            )
        self._require_same("the changelog", space.changelog, self.changelog_id)

    def _require_same(self, name: str, stored: str, configured: str) -> None:
        if stored != configured:
            raise StoreMismatch(
                f"the tasks under redis.prefix {self.config.redis.prefix} were written with {name} "
                f"{stored}, the configuration has {configured}; compare with the settings of its workers"
            )

    def incarnation(self) -> int:
        """Return the incarnation of requests by the store or, if that is empty, by the group's offsets.

        StoreMismatch where the store is another's, FatalError where it does not know the topic.
        """
        if self.store.key_space() is None:
            offsets = self._offsets(_LAST_COMMITTED).values()
            return max((incarnation_of(each.metadata, self.topic_id) for each in offsets), default=0) or 1
        return self.incarnation_in(self.require_space())

    def incarnation_in(self, space: KeySpace) -> int:
        """Return the incarnation of the requests topic in a key space; FatalError where it has another."""
        incarnation = self.store.incarnation_of(self.topic_id)
        if incarnation != space.incarnation:
            raise FatalError(
                f"topic {space.topic} was made again since the tasks were written, and no worker has read it "
                "yet; start one first"
            )
        return incarnation

    def comparison(self, incarnation: int) -> Comparison:
        scope = ComparisonScope(spaces_of(self.config.domains), self.homes(), incarnation)
        return Comparison(self.store, self.changelog, scope, self._standing)

    def _standing(self) -> Standing:
        return Standing(self.last_committed(), self.store.load(0, []).now_ms)

    def _offsets(self, more: Mapping[str, Any]) -> dict[int, CommittedOffset]:
        config = self.config
        properties = {**client_properties(config), **more}
        offsets = group_offsets(properties, config.kafka.group, config.topics.requests, self.homes())
        # Those without an id were set by a person; those with another are of an earlier topic.
        return {
            home: committed
            for home, committed in offsets.items()
            if topic_of(committed.metadata) in {"", self.topic_id}
        }


@contextmanager
def open_site(config: Config) -> Iterator[RestoreSite]:
    """Give the site for the length of the block; FatalError says what of it is missing."""
    requests, tasks = config.topics.requests, config.topics.tasks
    if tasks is None:
        raise FatalError(
            "topics.tasks is null, so there is no changelog to compare Redis with, or to restore it from; "
            "set it as the workers have it, or restore a backup (docs/operations.md)"
        )
    if not config.restores:
        raise FatalError(
            f"delivery is {config.delivery}: without transactions topic {tasks} serves lists only, and Redis "
            "is not restored from it; restore a backup (docs/operations.md)"
        )
    admin = connect_admin(config)
    admin.metadata()
    cluster = ask_cluster(admin.client, (requests, tasks))
    require_topics(cluster, (requests, tasks), exactly_once=True)
    if cluster.forbidden:
        raise FatalError(f"Kafka does not let this user see topic {', '.join(sorted(cluster.forbidden))}")
    require_partitions(config, cluster)
    require_kept(config, cluster)
    store = connect_store(config)
    changelog = PatientChangelog(KafkaChangelog(tasks, client_properties(config), config.kafka.group), tasks)
    try:
        yield RestoreSite(config, cluster, store, changelog, admin.client)
    except StoreUnavailable as error:
        raise StoreUnavailable(describe_unreachable(error, config)) from error
    finally:
        changelog.close()
        store.close()
