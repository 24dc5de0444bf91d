"""What is on a topic for a reader of committed messages, from its beginning to its end."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from tests.e2e.site import Site
from tests.waiting import WAIT_SECONDS, until

"""Longer than any transaction of a dead worker stays open."""

PASSING: Final = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}
"""A broker that is away; the client asks again by itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One message as a saga engine reads it."""

    partition: int
    offset: int
    time_ms: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]
    read: Callable[[bytes], Any] = json.loads
    """Reads a value of its topic."""

    @property
    def event(self) -> Any:
        """The value as the event it is; None where it is empty."""
        return self.read(self.value) if self.value else None

    @property
    def kind(self) -> str:
        """``reply`` or ``resume``."""
        return self.headers.get("event-kind", "")

    @property
    def status(self) -> str:
        return self.headers.get("event-status", "")


class Reader:
    """Reads what is committed on a topic, as it comes; from the beginning."""

    def __init__(self, site: Site, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": site.kafka.bootstrap,
                "log_level": 2,
                "group.id": f"reader-{site.name}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 20,
            }
        )
        partitions = range(site.width(topic))
        self._consumer.assign(
            [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions]
        )
        self._reached: dict[int, int] = {}
        self._read = site.answered.read if topic == site.responses else json.loads

    def read(self, seconds: float = 0.0) -> list[Answer]:
        """Return what is there, waiting for the first for so long."""
        found = []
        for message in self._consumer.consume(1000, seconds):
            error = message.error()
            if error is None:
                found.append(_answer(message, self._read))
            elif error.code() == KafkaError._PARTITION_EOF:
                self._reached[message.partition() or 0] = message.offset() or 0
            elif error.code() not in PASSING:
                raise AssertionError(f"the reader failed: {error}")
        return found

    def has_reached(self, ends: dict[int, int]) -> bool:
        """Whether everything before these offsets has been read, or will never be seen."""
        return all(self._reached.get(partition, 0) >= end for partition, end in ends.items())

    def close(self) -> None:
        self._consumer.close()


def read_all(site: Site, topic: str) -> list[Answer]:
    """Return all that is committed on a topic; waits for transactions that are still open.

    TimeoutError if one stays open.
    """
    ends = site.ends(topic)
    deadline = time.monotonic() + WAIT_SECONDS
    with contextlib.closing(Reader(site, topic)) as reader:
        found = []
        while not reader.has_reached(ends):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic}: a transaction stays open; read up to {reader._reached}")
            found += reader.read(0.1)
        return found


def wait_until_drained(site: Site) -> None:
    """Return once every message of ``requests`` lies below the group's committed offsets."""
    last: dict[int, int] = {}
    for message in read_all(site, site.requests):
        last[message.partition] = max(message.offset, last.get(message.partition, -1))
    drained = lambda: all(site.committed().get(p, -1) > offset for p, offset in last.items())  # noqa: E731
    until(drained, lambda: f"committed {site.committed()}, messages up to {last}")


def _answer(message: Message, read: Callable[[bytes], Any]) -> Answer:
    partition: Any = message.partition()
    offset: Any = message.offset()
    headers: Any = message.headers() or ()
    return Answer(
        partition,
        offset,
        message.timestamp()[1],
        message.key(),
        message.value(),
        {name: (value or b"").decode("utf-8", "replace") for name, value in headers},
        read,
    )
