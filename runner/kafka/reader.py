"""Reads whole topics, read_committed, from a known position on; joins no group and commits nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Final, TypeAlias

from confluent_kafka import Consumer, TopicPartition

from runner.clock import monotonic_seconds
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.clients import ANSWER_SECONDS, BrokerConnection, connect_consumer
from runner.kafka.codecs import Codecs, build_codecs
from runner.kafka.topic_message import TopicMessage, read_message

_END: Final = "_PARTITION_EOF"
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


SILENCE_SECONDS: Final = 30.0
"""How long a broker may return nothing although there is more."""

_POLL_SECONDS: Final = 0.5


Partition: TypeAlias = tuple[str, int]
"""Topic and number."""


@contextmanager
def read_topics(
    config: Config,
    topics: Collection[str],
    *,
    from_beginning: bool,
    since_ms: int | None = None,
    at: Mapping[Partition, int] | None = None,
) -> Iterator[TopicReader]:
    """Give a reader of these topics, which misses nothing that is committed inside the block.

    ``since_ms``: begin with the first message of that time or later, in every partition. ``at``: read
    nothing but these messages. Raises LogUnavailable if no broker answers, FatalError if a topic does not
    exist.
    """
    with closing(build_codecs(config)) as codecs:
        connection = connect_consumer(config)
        with closing(connection.client):
            reader = TopicReader(connection, codecs, topics)
            reader.start(from_beginning=from_beginning, since_ms=since_ms, at=at)
            yield reader


class TopicReader:
    """Reads all partitions of some topics, each in its order."""

    def __init__(
        self, connection: BrokerConnection[Consumer], codecs: Codecs, topics: Collection[str]
    ) -> None:
        self._connection = connection
        self._codecs = codecs
        self._topics = topics
        self._next: dict[Partition, int] = {}
        self._last: dict[Partition, int] = {}
        self._ended: set[Partition] = set()

    def start(
        self, *, from_beginning: bool, since_ms: int | None, at: Mapping[Partition, int] | None
    ) -> None:
        """Go to where reading begins, as ``read_topics`` says; the ends of now are those of ``rest``."""
        ends = self._ends()
        self._last = {partition: high for partition, (_, high) in ends.items()}
        if at is not None:
            self._next = {p: offset for p, offset in at.items() if p in ends and offset in range(*ends[p])}
            self._last = {partition: offset + 1 for partition, offset in self._next.items()}
        elif since_ms is not None:
            self._next = self._offsets_since(since_ms)
        elif from_beginning:
            self._next = {partition: low for partition, (low, _) in ends.items()}
        else:
            self._next = dict(self._last)
        self._connection.client.assign(
            [TopicPartition(topic, number, offset) for (topic, number), offset in self._next.items()]
        )

    def next(self, timeout_seconds: float) -> TopicMessage | None:
        """Return the next message, waiting at most so long; None if there was none.

        Raises FatalError if a topic may not be read or is gone; an outage is waited for.
        """
        message = self._connection.client.poll(timeout_seconds)
        if message is None:
            return None
        error = message.error()
        if error is None:
            read = read_message(message, self._codecs.of(message.topic() or ""))
            self._next[read.topic, read.partition] = read.offset + 1
            return read
        if error.name() == _END:
            self._ended.add((str(message.topic()), int(str(message.partition()))))
        elif error.name() in _FINAL or error.fatal():
            raise FatalError(f"{message.topic() or 'Kafka'} cannot be read: {error.str()}")
        return None

    def rest(self) -> Iterator[TopicMessage]:
        """Give what was there at the start, and end; what comes meanwhile is left out.

        Raises LogUnavailable if the broker falls silent before.
        """
        heard_seconds = monotonic_seconds()
        while not all(self._is_read(partition) for partition in self._last):
            before = len(self._ended)
            message = self.next(_POLL_SECONDS)
            if message is not None or len(self._ended) > before:
                heard_seconds = monotonic_seconds()
            elif monotonic_seconds() - heard_seconds > SILENCE_SECONDS:
                raise self._connection.unavailable(f"silent for {SILENCE_SECONDS:g} s")
            if message is not None and message.offset < self._last[message.topic, message.partition]:
                yield message

    @property
    def size(self) -> int:
        """How many offsets lie before ``rest`` at the beginning; some of them may hold nothing to give."""
        return sum(max(0, last - self._next[partition]) for partition, last in self._last.items())

    def has_read_all(self) -> bool:
        """Whether every message that is there by now has been given.

        For brokers without transactions: where there are any, their marks at the end are never given.
        """
        return all(self._next.get(partition, 0) >= high for partition, (_, high) in self._ends().items())

    def _is_read(self, partition: Partition) -> bool:
        """Whether a partition has been read to where it ended: the broker has said so, or it is passed.

        The marks of transactions at the end are never given.
        """
        return partition in self._ended or self._next[partition] >= self._last[partition]

    def _offsets_since(self, since_ms: int) -> dict[Partition, int]:
        """Return the first offset of this time or later in every partition; its end where there is none."""
        client = self._connection.client
        times = [TopicPartition(topic, number, since_ms) for topic, number in self._last]
        answer = self._connection.ask(lambda: client.offsets_for_times(times, timeout=ANSWER_SECONDS))
        offsets = {(each.topic, each.partition): each.offset for each in answer}
        return {p: offsets[p] if offsets[p] >= 0 else last for p, last in self._last.items()}

    def _ends(self) -> dict[Partition, tuple[int, int]]:
        """Return the first and the next offset of every partition."""
        ends = {}
        for topic, partitions in self._connection.partitions_of(self._topics).items():
            for number in range(partitions):
                ends[topic, number] = self._connection.ask(partial(self._watermarks, topic, number))
        return ends

    def _watermarks(self, topic: str, number: int) -> tuple[int, int]:
        partition = TopicPartition(topic, number)
        low, high = self._connection.client.get_watermark_offsets(partition, timeout=ANSWER_SECONDS)
        return low, high
