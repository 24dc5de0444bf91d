"""A site: the topics, the key space and the settings that the workers of one test share."""

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    OffsetSpec,
    ResourceType,
)

from tests.e2e.people import SITE_DOMAIN
from tests.e2e.values import JSON, Values
from tests.servers.kafka_server import KafkaServer
from tests.waiting import WAIT_SECONDS, until

SHORTEST_SESSION_MS: Final = 1500
"""A dead worker is noticed this soon, where the broker allows it."""

RANGE: Final = "range"
COOPERATIVE: Final = "cooperative-sticky"
CONSUMER: Final = "consumer"
TASKS: Final = "RUNNER_TOPICS__TASKS"
REPLIES: Final = "RUNNER_TOPICS__REPLIES"
NOTIFICATIONS: Final = "RUNNER_TOPICS__NOTIFICATIONS"
SHARDS: Final = 16
"""WebComponents of the key space, as the configuration has it by default."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the workers of one test work. Topics are there before the first worker starts."""

    kafka: KafkaServer
    redis_url: str
    folder: Path
    session_ms: int
    partitions: int = 4
    assignment: str = RANGE
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    settings: Mapping[str, str] = field(default_factory=dict)
    written: Values = JSON
    """How requests are written."""
    answered: Values = JSON
    """How responses are written."""

    @property
    def requests(self) -> str:
        return f"requests-{self.name}"

    @property
    def responses(self) -> str:
        return f"responses-{self.name}"

    @property
    def dead_letters(self) -> str:
        return f"dead-letters-{self.name}"

    @property
    def group(self) -> str:
        return f"group-{self.name}"

    @property
    def prefix(self) -> str:
        return f"e2e-{self.name}"

    @property
    def tasks(self) -> str | None:
        """The changelog, where the settings name one; without, the workers are told to do without."""
        return self.settings.get(TASKS)

    @property
    def notifications(self) -> str | None:
        """The topic of what people have to hear, where the settings name one."""
        return self.settings.get(NOTIFICATIONS)

    def create_topics(self, config: Mapping[str, str] | None = None) -> None:
        """Make the topics of events; ``config`` is for all of them. The changelog is made compacted."""
        told = () if self.notifications is None else (self.notifications,)
        names = (self.requests, self.responses, self.dead_letters, *told)
        self.kafka.create_topics(dict.fromkeys(names, self.partitions), config)
        if self.tasks is not None:
            self.kafka.create_topics({self.tasks: SHARDS}, {"cleanup.policy": "compact"})

    def admin(self) -> AdminClient:
        """Return a new admin client, which writes nothing by itself."""
        return AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 2})

    def environment(self) -> dict[str, str]:
        """Return the settings of a worker, as ``runner worker`` reads them."""
        return {
            "RUNNER_KAFKA__BROKERS": self.kafka.bootstrap,
            "RUNNER_KAFKA__GROUP": self.group,
            "RUNNER_KAFKA__ASSIGNMENT": self.assignment,
            "RUNNER_TOPICS__REQUESTS": self.requests,
            "RUNNER_TOPICS__RESPONSES": self.responses,
            "RUNNER_TOPICS__DEADLETTERS": self.dead_letters,
            "RUNNER_REDIS__URL": self.redis_url,
            "RUNNER_REDIS__PREFIX": self.prefix,
            "RUNNER_WORKER__SESSIONTIMEOUTMS": str(self.session_ms),
            "RUNNER_HTTP__PORT": "0",
            "RUNNER_LOG__FORMAT": "json",
            "RUNNER_DOMAINS": SITE_DOMAIN,
            TASKS: "",
            REPLIES: "",
            **self.settings,
        }

    def width(self, topic: str) -> int:
        """Return how many partitions a topic has now."""
        return len(self.admin().list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions)

    def widen(self, partitions: int) -> None:
        """Give ``requests`` so many partitions, and wait until all have leaders."""
        self.widen_topic(self.requests, partitions)

    def widen_topic(self, topic: str, partitions: int) -> None:
        """Give a topic so many partitions, and wait until all have leaders."""
        admin = self.admin()
        asked = admin.create_partitions([NewPartitions(topic, partitions)])
        asked[topic].result(WAIT_SECONDS)

        def have_leaders() -> bool:
            known = admin.list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions
            return len(known) == partitions and all(each.leader >= 0 for each in known.values())

        until(have_leaders, f"{partitions} partitions of {topic}")

    def ends(self, topic: str) -> dict[int, int]:
        """Return the offset after the last record of every partition, committed or not."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(topic, p): latest for p in range(self.width(topic))}
        admin = self.admin()
        found = admin.list_offsets(asked, request_timeout=WAIT_SECONDS)
        return {place.partition: int(answer.result(WAIT_SECONDS).offset) for place, answer in found.items()}

    def committed(self) -> dict[int, int]:
        """Return the group's committed offsets on ``requests``; partitions without one are left out."""
        # A reader of committed messages would wait for transactions that are still open.
        properties = {"group.id": self.group, "isolation.level": "read_uncommitted", "log_level": 2}
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, **properties})
        places = [TopicPartition(self.requests, p) for p in range(self.width(self.requests))]
        try:
            found = consumer.committed(places, WAIT_SECONDS)
        finally:
            consumer.close()
        return {place.partition: place.offset for place in found if place.offset >= 0}

    def open_tasks(self) -> int:
        """Return how many tasks wait for a deadline, by the index in Redis."""
        with redis.Redis.from_url(self.redis_url) as client:
            keys = client.scan_iter(f"{self.prefix}:*:deadlines:*", count=1000)
            return sum(client.zcard(key) for key in keys)

    def next_deadline_ms(self) -> float:
        """Return when the next task is due, by the index in Redis, in epoch ms; infinity where none waits."""
        with redis.Redis.from_url(self.redis_url) as client:
            keys = client.scan_iter(f"{self.prefix}:*:deadlines:*", count=1000)
            first = [client.zrange(key, 0, 0, withscores=True) for key in keys]
        return min((score for found in first for _, score in found), default=math.inf)

    def members(self) -> list[int]:
        """Return how many partitions each member of the group has; empty while it is not settled."""
        admin = self.admin()
        found = admin.describe_consumer_groups([self.group], request_timeout=WAIT_SECONDS)[self.group]
        group = found.result(WAIT_SECONDS)
        if group.state != ConsumerGroupState.STABLE:
            return []
        return [len(member.assignment.topic_partitions) for member in group.members]

    def forget_offsets(self) -> None:
        """Delete the group with all its offsets; its members must have left."""
        admin = self.admin()
        admin.delete_consumer_groups([self.group], request_timeout=WAIT_SECONDS)[self.group].result(
            WAIT_SECONDS
        )
        assert not self.committed()

    def cut(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Delete what lies before these offsets, as the retention of a topic does."""
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        admin = self.admin()  # held: a client that is let go answers nothing
        for done in admin.delete_records(places, request_timeout=WAIT_SECONDS).values():
            done.result(WAIT_SECONDS)

    def move_offsets(self, offsets: Mapping[int, int]) -> None:
        """Set the group's offsets, as an operator's tool does; its members must have left."""
        admin = self.admin()
        places = [TopicPartition(self.requests, partition, offset) for partition, offset in offsets.items()]
        asked = ConsumerGroupTopicPartitions(self.group, places)
        admin.alter_consumer_group_offsets([asked], request_timeout=WAIT_SECONDS)[self.group].result(
            WAIT_SECONDS
        )
        assert self.committed() == offsets

    def set_limit(self, topic: str, limit_bytes: int) -> None:
        """Set max.message.bytes of a topic, now."""
        entry = ConfigEntry(
            "max.message.bytes", str(limit_bytes), incremental_operation=AlterConfigOpType.SET
        )
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        admin = self.admin()
        altered = admin.incremental_alter_configs([resource], request_timeout=WAIT_SECONDS)
        altered[resource].result(WAIT_SECONDS)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic, and wait until it is gone."""
        admin = self.admin()
        admin.delete_topics([topic], operation_timeout=WAIT_SECONDS)[topic].result(WAIT_SECONDS)
        until(
            lambda: topic not in admin.list_topics(timeout=WAIT_SECONDS).topics,
            f"no {topic}",
        )


def session_ms(kafka: KafkaServer) -> int:
    """Return the shortest session time-out that the broker and this machine allow."""
    return max(SHORTEST_SESSION_MS, int(kafka.setting("group.min.session.timeout.ms") or 0))
