"""The source of the projection: the changelog in Kafka, read by one consumer for each build.

On SQLite a process reads all partitions. On PostgreSQL processes share them: a consumer group says who reads
which, and nothing more; where to begin is what the database says, and no offset is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from runner import log
from runner.config import Config, consumer_properties
from runner.errors import ChangelogUnreadable, FatalError, LogUnavailable, TransientError
from runner.kafka.clients import ANSWER_SECONDS, connect_admin, connect_consumer
from runner.kafka.errors import GONE, PASSING, failed_fetch, refusal, unreachable
from runner.kafka.preflight import READ, require_permissions, topic_id
from runner.kafka.topics import ask_cluster
from runner.projection.builds import ChangelogTopic
from runner.projection.folding import TaskMessage, read_message

_AT_ONCE: Final = 5000
_END: Final = "_PARTITION_EOF"
_CLASSIC: Final = "range"
"""Partitions are given out as a whole, whatever ``kafka.assignment`` says of the workers."""
_log: Final = log.get("projection")


class PositionGone(TransientError):
    """The changelog does not hold a position any more: what came next was deleted unread."""

    label = "POSITION_GONE"


@dataclass(slots=True)
class PartitionRead:
    """What was read of one partition."""

    messages: list[TaskMessage] = field(default_factory=list)
    end: int | None = None
    """Where the partition ends, if it was read to its end: behind marks of transactions, too."""


class KafkaSource:
    """The changelog that a configuration names."""

    def __init__(self, config: Config) -> None:
        """FatalError where the configuration names none."""
        if config.topics.tasks is None:
            raise FatalError(
                "topics.tasks is null, so there is no changelog that lists could be made from; name the "
                'topic, and fill it with "runner restore --fill-changelog"'
            )
        self._config = config
        self.topic = config.topics.tasks

    def describe(self) -> ChangelogTopic:
        """Return the topic as it is now. Raises LogUnavailable; FatalError where there is none to read."""
        admin = connect_admin(self._config)
        admin.metadata()
        cluster = ask_cluster(admin.client, [self.topic])
        require_permissions(cluster, {self.topic: (READ,)})
        if self.topic not in cluster.topics:
            raise FatalError(
                f"there is no topic {self.topic} (topics.tasks) at {admin.brokers}; "
                "run `runner topics create`"
            )
        topic = cluster.topics[self.topic]
        with self._reading() as (_, ends):
            low = {shard: ends(shard)[0] for shard in range(topic.partitions)}
        return ChangelogTopic(topic_id(self._config, cluster, self.topic), low, topic.tombstones_ms)

    def ends(self, shards: Collection[int]) -> dict[int, int]:
        """Return where these partitions end, open transactions left out. Raises LogUnavailable."""
        with self._reading() as (_, ends):
            return {shard: ends(shard)[1] for shard in shards}

    def reader(self, build: int, *, is_shared: bool) -> PartitionReader:
        """Return a reader for a build; ``is_shared``: it reads what its group gives it."""
        kafka, session_ms = self._config.kafka, self._config.worker.session_timeout_ms
        properties = consumer_properties(self._config) | {
            "partition.assignment.strategy": _CLASSIC,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": min(3000, session_ms // 3),
            "group.id": group_of(kafka.group, build),
            "enable.partition.eof": True,
        }
        properties.pop("group.protocol", None)
        return PartitionReader(self.topic, properties, is_shared=is_shared)

    @contextmanager
    def _reading(self) -> Iterator[tuple[Consumer, Any]]:
        connection = connect_consumer(self._config)
        with closing(connection.client) as consumer:

            def ends(shard: int) -> tuple[int, int]:
                place = TopicPartition(self.topic, shard)
                asked = partial(consumer.get_watermark_offsets, place, timeout=ANSWER_SECONDS)
                found: tuple[int, int] | None = connection.ask(asked)
                if found is None:
                    raise connection.unavailable("no answer in time")
                return found

            yield consumer, ends


def group_of(group: str, build: int) -> str:
    """Return the consumer group of those who fill or follow a build together."""
    return f"{group}-projection-{build}"


class PartitionReader:
    """One consumer. Not for several threads."""

    def __init__(self, topic: str, properties: Mapping[str, Any], *, is_shared: bool) -> None:
        self._topic = topic
        self._group = str(properties["group.id"])
        self._is_shared = is_shared
        self._consumer = Consumer(dict(properties), logger=logging.getLogger("librdkafka"))
        self.owned: frozenset[int] = frozenset()
        """Partitions that this process has to read."""
        self.is_changed = False
        """Whether ``owned`` has changed since the last ``read_from``."""
        self._said = ""

    def open(self, shards: Collection[int]) -> None:
        """Begin: with all these partitions, or with those that the group will give."""
        if not self._is_shared:
            self.owned, self.is_changed = frozenset(shards), True
            return
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def read_from(self, positions: Mapping[int, int]) -> None:
        """Read these partitions from these offsets on. Raises LogUnavailable."""
        self.is_changed = False
        try:
            self._consumer.assign(
                [TopicPartition(self._topic, shard, offset) for shard, offset in positions.items()]
            )
        except KafkaException as error:
            raise unreachable(f"the changelog cannot be read: {error.args[0]}", error) from error

    def read(self, wait_seconds: float, gather_seconds: float = 0.0) -> dict[int, PartitionRead]:
        """Return what is at hand, by partition, waiting for the first of it, and a while for more.

        Raises PositionGone, FatalError where it may not be read, ChangelogUnreadable.
        """
        try:
            events = self._consumer.consume(1, wait_seconds)
            if events:
                events += self._consumer.consume(_AT_ONCE, gather_seconds)
        except KafkaException as error:
            raise unreachable(f"the changelog cannot be read: {error.args[0]}", error) from error
        found: dict[int, PartitionRead] = {}
        for event in events:
            fault = event.error()
            if fault is None:
                self._of(found, event).messages.append(_message(event))
            elif fault.name() == _END:
                self._of(found, event).end = event.offset()
            else:
                self._look_at(fault)
        return found

    def rest(self, seconds: float) -> None:
        """Read nothing for so long, and stay a member of the group; ``read_from`` goes on."""
        self.read_from({})
        self.is_changed = True
        self.read(seconds)

    def behind(self) -> int:
        """Return how many offsets lie before the ends of the partitions that are read, as last heard."""
        places = self._consumer.position([TopicPartition(self._topic, shard) for shard in self.owned])
        behind = 0
        for place in places:
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            behind += max(0, high - place.offset) if place.offset >= 0 and high >= 0 else 0
        return behind

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        # Nothing is fetched before the positions are known.
        consumer.assign([])
        self.owned, self.is_changed = frozenset(place.partition for place in places), True

    def _revoked(self, _consumer: Consumer, _places: list[TopicPartition]) -> None:
        self.owned, self.is_changed = frozenset(), True

    def _of(self, found: dict[int, PartitionRead], event: KafkaMessage) -> PartitionRead:
        return found.setdefault(int(event.partition() or 0), PartitionRead())

    def _look_at(self, error: KafkaError) -> None:
        if error.code() in GONE:
            raise PositionGone(f"topic {self._topic} does not hold the next position any more: {error}")
        refused = refusal(error, self._group)
        if refused is not None:
            raise refused
        if error.fatal():
            raise LogUnavailable(f"the consumer of the changelog failed for good: {error}")
        said = failed_fetch(self._topic, error)
        if error.code() not in PASSING and said != self._said:
            self._said = said
            _log.warning("changelog_not_read", reason=said)


def _message(event: KafkaMessage) -> TaskMessage:
    offset, moment_ms = int(event.offset() or 0), event.timestamp()[1]
    try:
        return read_message(offset, max(moment_ms, 0), event.key() or b"", event.value())
    except ChangelogUnreadable as error:
        raise ChangelogUnreadable(f"{event.topic()}/{event.partition()}@{offset}: {error}") from error
