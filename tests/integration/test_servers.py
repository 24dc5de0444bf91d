"""The servers the other tests stand on: they answer, they are what they claim, they come back."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import LANES, RedisServer

MINIMAL_PATH = str(Path(sys.executable).parent)


def test_kafka_keeps_what_a_transaction_committed(
    kafka: KafkaServer, topic_names: Callable[[str], str]
) -> None:
    topic = topic_names("committed")
    kafka.create_topics({topic: 3})
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=b"kept", partition=2)
    producer.commit_transaction(30)
    assert _first_value(kafka, topic, partition=2) == b"kept"


def test_kafka_hides_what_a_transaction_aborted(
    kafka: KafkaServer, topic_names: Callable[[str], str]
) -> None:
    topic = topic_names("aborted")
    kafka.create_topics({topic: 1})
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=b"hidden")
    producer.flush(30)
    producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce(topic, value=b"seen")
    producer.commit_transaction(30)
    assert _first_value(kafka, topic, partition=0) == b"seen"


def test_kafka_makes_topics_with_their_partitions_and_config(
    kafka: KafkaServer, topic_names: Callable[[str], str]
) -> None:
    topic = topic_names("small")
    kafka.create_topics({topic: 5}, config={"max.message.bytes": "2000"})
    assert len(kafka.admin().list_topics(topic, timeout=10).topics[topic].partitions) == 5


def test_redis_is_the_server_of_its_lane(redis_client: redis.Redis, redis_server: RedisServer) -> None:
    server = redis_client.info("server")
    version = server.get("valkey_version") or server["redis_version"]
    product = "valkey" if "valkey_version" in server else "redis"
    name, _, major = redis_server.lane.partition("-")
    assert product == name
    assert int(version.split(".")[0]) >= int(major.split(".")[0])


def test_redis_evicts_nothing(redis_client: redis.Redis) -> None:
    assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("lane", LANES)
def test_redis_with_appendonly_has_its_data_again_after_a_kill(
    lane: str, start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis(lane, appendonly=True)
    with server.client() as client:
        client.set("key", "kept")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            _ask_once(server)
        server.restart()
        assert client.get("key") == b"kept"


def test_a_missing_kafka_is_a_skip_that_names_every_lane() -> None:
    closing = _run_kafka_test(require="0")
    assert "1 skipped" in closing
    assert "lane kafka is missing" in closing
    assert "java and mvn not on PATH" in closing


def test_a_missing_kafka_is_a_failure_where_it_is_required() -> None:
    closing = _run_kafka_test(require="1")
    assert "1 error" in closing
    assert "RUNNER_REQUIRE_KAFKA=1" in closing


def _first_value(kafka: KafkaServer, topic: str, partition: int) -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": topic,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(topic, partition, 0)])
        message = consumer.poll(30)
        return None if message is None or message.error() else message.value()


def _ask_once(server: RedisServer) -> None:
    with redis.Redis.from_url(server.url, retry=None) as client:
        client.ping()


def _run_kafka_test(require: str) -> str:
    """Run one test that needs Kafka where neither Docker nor Java nor Maven is to be found."""
    test = f"{__file__}::{test_kafka_makes_topics_with_their_partitions_and_config.__name__}"
    environment = {
        **os.environ,
        "PATH": MINIMAL_PATH,
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
        "RUNNER_TEST_KAFKA": "",
        "RUNNER_REQUIRE_KAFKA": require,
    }
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout
