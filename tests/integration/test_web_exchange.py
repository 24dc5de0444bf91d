"""The exchange over a real Kafka: replies find who waits for them, others do not, and outages are said."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from runner.config import Config, load
from runner.embedded import embedded_broker
from runner.kafka.clients import connect_consumer, connect_producer
from runner.kafka.topic_message import TopicMessage
from runner.web.exchange import Exchange, Topics
from runner.web.problems import Refused
from tests.servers.kafka_server import KafkaServer
from tests.waiting import WAIT_SECONDS, until


@contextmanager
def exchange(brokers: str, requests: str, replies: str, **settings: str) -> Iterator[Exchange]:
    """Give an exchange that has its positions; it looks at the topics often."""
    config: Config = load(None, {"RUNNER_KAFKA__BROKERS": brokers, **settings})
    opened = Exchange(
        connect_producer(config), connect_consumer(config), Topics(requests, replies), every_seconds=0.2
    )
    opened.start()
    try:
        until(lambda: opened.trouble is None, lambda: f"the exchange to be ready: {opened.trouble}")
        yield opened
    finally:
        opened.close()


@pytest.fixture
def topics(kafka: KafkaServer, topic_names: Callable[[str], str]) -> tuple[str, str]:
    """Requests and replies, of three partitions each."""
    names = topic_names("requests"), topic_names("replies")
    kafka.create_topics(dict.fromkeys(names, 3))
    return names


def tell(brokers: str, topic: str, key: str, kind: str, partition: int = -1) -> None:
    """Write a message as a worker does."""
    producer = Producer({"bootstrap.servers": brokers})
    value = json.dumps({"result": {"status": "SUCCESS", "kind": kind}}).encode()
    headers: list[Any] = [("event-kind", kind.encode()), ("event-status", b"SUCCESS")]
    place: Any = {} if partition < 0 else {"partition": partition}
    producer.produce(topic, value, key, headers=headers, **place)
    assert producer.flush(WAIT_SECONDS) == 0


async def asked(opened: Exchange, key: str, then: Callable[[], None], seconds: float = 60.0) -> TopicMessage:
    """Ask, do something once the command is on its way, and return the reply."""
    asking = asyncio.create_task(opened.ask(key, b"{}", 1, seconds))
    await asyncio.to_thread(until, lambda: opened.waiting, "the command on its way")
    await asyncio.to_thread(then)
    return await asking


def test_a_reply_finds_who_waits_for_it(kafka: KafkaServer, topics: tuple[str, str]) -> None:
    _, replies = topics
    tell(kafka.bootstrap, replies, "r-1", "reply")  # of before
    with exchange(kafka.bootstrap, *topics) as opened:

        def then() -> None:
            tell(kafka.bootstrap, replies, "r-2", "reply")
            tell(kafka.bootstrap, replies, "r-1", "resume")
            tell(kafka.bootstrap, replies, "r-1", "reply")

        reply = asyncio.run(asked(opened, "r-1", then))

        assert (reply.key, reply.kind, reply.section("result")["kind"]) == ("r-1", "reply", "reply")
        assert opened.homes() == 3
        assert opened.waiting == 0


def test_all_who_wait_for_the_same_reply_get_it(kafka: KafkaServer, topics: tuple[str, str]) -> None:
    with exchange(kafka.bootstrap, *topics) as opened:

        async def both() -> list[TopicMessage]:
            asking = [asyncio.create_task(opened.ask("r-1", b"{}", 0, 60)) for _ in range(2)]
            await asyncio.to_thread(until, lambda: opened.waiting == 2, "both on their way")
            await asyncio.to_thread(tell, kafka.bootstrap, topics[1], "r-1", "reply")
            return await asyncio.gather(*asking)

        assert [each.key for each in asyncio.run(both())] == ["r-1", "r-1"]


def test_no_reply_is_504(kafka: KafkaServer, topics: tuple[str, str]) -> None:
    with exchange(kafka.bootstrap, *topics) as opened:
        with pytest.raises(Refused, match="may still be carried out") as refused:
            asyncio.run(opened.ask("r-1", b"{}", 0, 0.2))
        assert refused.value.status == 504
        assert opened.waiting == 0


def test_a_partition_that_is_added_is_read_from_its_beginning(
    kafka: KafkaServer, topics: tuple[str, str]
) -> None:
    with exchange(kafka.bootstrap, *topics) as opened:

        def then() -> None:
            admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
            admin.create_partitions([NewPartitions(topics[1], 5)])[topics[1]].result(WAIT_SECONDS)
            # Perhaps before the exchange has seen that there is such a partition.
            tell(kafka.bootstrap, topics[1], "r-1", "reply", partition=4)

        reply = asyncio.run(asked(opened, "r-1", then))

        assert reply.partition == 4


def test_a_home_that_is_not_there_is_503(kafka: KafkaServer, topics: tuple[str, str]) -> None:
    with exchange(kafka.bootstrap, *topics) as opened:
        with pytest.raises(Refused) as refused:
            asyncio.run(opened.ask("r-1", b"{}", 99, 30))
        assert refused.value.status == 503


@pytest.mark.embedded
def test_an_outage_is_503_at_once() -> None:
    with ExitStack() as broker, ExitStack() as running:
        brokers = broker.enter_context(embedded_broker({"requests": 2, "replies": 2}))
        opened = running.enter_context(
            exchange(brokers, "requests", "replies", RUNNER_DELIVERY="at_least_once")
        )
        broker.close()

        until(lambda: opened.trouble is not None, "the outage to be noticed")
        with pytest.raises(Refused, match="nothing was done") as refused:
            asyncio.run(opened.ask("r-1", b"{}", 0, 30))
        assert refused.value.status == 503
        assert refused.value.headers["Retry-After"]
        with pytest.raises(Refused):
            opened.homes()


@pytest.mark.embedded
def test_topics_that_are_missing_are_named() -> None:
    with embedded_broker({"requests": 1}) as brokers:
        config = load(None, {"RUNNER_KAFKA__BROKERS": brokers, "RUNNER_DELIVERY": "at_least_once"})
        opened = Exchange(
            connect_producer(config),
            connect_consumer(config),
            Topics("requests", "replies"),
            every_seconds=0.1,
        )
        opened.start()
        try:
            until(
                lambda: "replies" in str(opened.trouble).partition("no topic")[2], lambda: str(opened.trouble)
            )
        finally:
            opened.close()
