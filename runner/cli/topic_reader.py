"""Reads whole topics, read_committed, from a known position on; joins no group and commits nothing."""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, TopicPartition

from runner.cli.kafka_clients import ANSWER_SECONDS, Connection, connect_consumer
from runner.cli.sighting import Sighting, read_sighting
from runner.config import Config
from runner.errors import FatalError

# The client goes on asking after any other error.
_FINAL: Final = frozenset(
    {
        "_AUTHENTICATION",
        "TOPIC_AUTHORIZATION_FAILED",
        "UNKNOWN_TOPIC_OR_PART",
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
    }
)


class TopicReader:
    """For the length of a ``with`` block. Once it is entered nothing that is committed later is missed.

    Entering raises LogUnavailable if no broker answers, FatalError if a topic does not exist.
    """

    def __init__(self, config: Config, topics: Collection[str], *, from_beginning: bool) -> None:
        self._config = config
        self._topics = topics
        self._from_beginning = from_beginning
        self._next: dict[tuple[str, int], int] = {}

    def __enter__(self) -> Self:
        self._connection = connect_consumer(self._config)
        try:
            self._assign(self._connection)
        except BaseException:
            self._connection.client.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.client.close()

    def next(self, timeout_seconds: float) -> Sighting | None:
        """Return the next message, waiting at most so long; None if there was none.

        Messages of a partition come in their order. Raises FatalError if a topic may not be read
        or is gone; an outage is waited for.
        """
        message = self._connection.client.poll(timeout_seconds)
        if message is None:
            return None
        error = message.error()
        if error is None:
            seen = read_sighting(message)
            self._next[seen.topic, seen.partition] = seen.offset + 1
            return seen
        if error.name() in _FINAL or error.fatal():
            raise FatalError(f"{message.topic() or 'Kafka'} cannot be read: {error.str()}")
        return None

    def has_read_all(self) -> bool:
        """Whether every message that is there by now has been given.

        For brokers without transactions: where there are any, their marks at the end are never given.
        """
        ends = self._ends(self._connection)
        return all(self._next.get(place, 0) >= high for place, (_, high) in ends.items())

    def _assign(self, connection: Connection[Consumer]) -> None:
        ends = self._ends(connection)
        self._next = {place: low if self._from_beginning else high for place, (low, high) in ends.items()}
        connection.client.assign(
            [TopicPartition(topic, number, offset) for (topic, number), offset in self._next.items()]
        )

    def _ends(self, connection: Connection[Consumer]) -> dict[tuple[str, int], tuple[int, int]]:
        """Return the first and the next offset of every partition."""
        found = {}
        for topic, partitions in connection.partitions_of(self._topics).items():
            for number in range(partitions):
                place = TopicPartition(topic, number)
                with connection.answering():
                    found[topic, number] = connection.client.get_watermark_offsets(
                        place, timeout=ANSWER_SECONDS
                    )
        return found
