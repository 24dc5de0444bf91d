"""How many home partitions there are, as a real broker says: never none of a topic it does not know."""

import contextlib
from collections.abc import Callable, Collection

import pytest

from runner.config import consumer_properties, load, producer_properties
from runner.errors import LogUnavailable
from runner.kafka.kafka_log import KafkaLog
from tests.servers.kafka_server import KafkaServer
from tests.waiting import until


class Nobody:
    """A listener that owns nothing."""

    def assigned(self, partitions: Collection[int]) -> None:
        raise AssertionError(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        raise AssertionError(partitions)


def test_a_topic_that_the_broker_does_not_know_is_no_topic_without_homes(
    kafka: KafkaServer, topic_names: Callable[[str], str]
) -> None:
    topic, group = topic_names("requests"), topic_names("group")
    config = load(None, {"RUNNER_KAFKA__BROKERS": kafka.bootstrap, "RUNNER_KAFKA__GROUP": group})
    producer = producer_properties(config) | {"transactional.id": group}
    log = KafkaLog(topic, consumer_properties(config), producer, Nobody(), "topic-id")
    with contextlib.closing(log):
        with pytest.raises(LogUnavailable, match=topic):
            log.homes()
        kafka.create_topics({topic: 3})
        assert until(lambda: _homes(log), "the topic") == 3


def _homes(log: KafkaLog) -> int | None:
    with contextlib.suppress(LogUnavailable):
        return log.homes()
    return None
