"""From the configuration to the log of one loop: its consumer and producer, and the listener of both."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from runner.config import Config, consumer_properties, producer_properties
from runner.kafka.kafka_log import KafkaLog
from runner.kafka.preflight import topic_id
from runner.kafka.topics import Cluster
from runner.store.calls import Opened
from runner.worker.loop import Loop


class Listener:
    """Passes rebalances on to the loop, which is made after its log."""

    loop: Loop

    def assigned(self, partitions: Any) -> None:
        self.loop.assigned(partitions)

    def revoked(self, partitions: Any) -> None:
        self.loop.revoked(partitions)


def make_log(
    config: Config, cluster: Cluster, topic: str, group: str, listener: Listener, opened: Opened | None = None
) -> KafkaLog:
    """Return the log of a loop that reads ``topic`` as a member of ``group``; nothing is sent yet."""
    return KafkaLog(
        topic,
        {**consumer_properties(config), "group.id": group},
        _producer_properties(config, cluster),
        listener,
        topic_id(config, cluster, topic),
        0 if opened is None else opened.incarnation,
    )


def _producer_properties(config: Config, cluster: Cluster) -> Mapping[str, Any]:
    """Return the producer's properties with what only this process and these topics know.

    The transactional id is unique to the loop: safety comes from the group metadata. A batch of
    several messages must fit the topic with the smallest limit; a single message may be larger.
    """
    properties = dict(producer_properties(config))
    smallest = min(topic.limit_bytes for topic in cluster.topics.values())
    properties["batch.size"] = max(1, min(1_000_000, smallest - 1024))
    if config.delivery == "exactly_once":
        process = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        properties["transactional.id"] = f"{config.kafka.group}-{process}"
    return properties
