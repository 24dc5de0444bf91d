"""Reads whole topics, read_committed, from a known position on; joins no group and commits nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, TopicPartition

from runner.clock import Ticker, monotonic_seconds
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.clients import ANSWER_SECONDS, BrokerConnection, connect_consumer
from runner.kafka.codecs import build_codecs
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


class TopicReader:
    """Reads topics inside a ``with`` block, and misses nothing that is committed after it was entered.

    Entering raises LogUnavailable if no broker answers, FatalError if a topic does not exist.
    """

    def __init__(
        self,
        config: Config,
        topics: Collection[str],
        *,
        from_beginning: bool,
        since_ms: int | None = None,
        at: Mapping[tuple[str, int], int] | None = None,
        ticker: Ticker = monotonic_seconds,
    ) -> None:
        """``since_ms``: begin with the first message of that time or later, in every partition.

        ``at``: read nothing but these messages, by topic and partition.
        """
        self._config = config
        self._topics = topics
        self._codecs = build_codecs(config)
        self._from_beginning = from_beginning
        self._since_ms = since_ms
        self._at_offsets = at
        self._ticker = ticker
        self._next: dict[tuple[str, int], int] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._ended: set[tuple[str, int]] = set()

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
        self._codecs.close()

    def next(self, timeout_seconds: float) -> TopicMessage | None:
        """Return the next message, waiting at most so long; None if there was none.

        Messages of a partition come in their order. Raises FatalError if a topic may not be read
        or is gone; an outage is waited for.
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
            return None
        if error.name() in _FINAL or error.fatal():
            raise FatalError(f"{message.topic() or 'Kafka'} cannot be read: {error.str()}")
        return None

    def rest(self) -> Iterator[TopicMessage]:
        """Give what was there when the reader was entered, and end; what comes meanwhile is left out.

        Raises LogUnavailable if the broker falls silent before.
        """
        heard_seconds = self._ticker()
        while not all(self._is_read(place) for place in self._last):
            before = len(self._ended)
            message = self.next(_POLL_SECONDS)
            if message is not None or len(self._ended) > before:
                heard_seconds = self._ticker()
            elif self._ticker() - heard_seconds > SILENCE_SECONDS:
                raise self._connection.unavailable(f"silent for {SILENCE_SECONDS:g} s")
            if message is not None and message.offset < self._last[message.topic, message.partition]:
                yield message

    @property
    def size(self) -> int:
        """How many offsets lie before ``rest`` at the beginning; some of them may hold nothing to give."""
        return sum(max(0, last - self._next[place]) for place, last in self._last.items())

    def has_read_all(self) -> bool:
        """Whether every message that is there by now has been given.

        For brokers without transactions: where there are any, their marks at the end are never given.
        """
        ends = self._ends(self._connection)
        return all(self._next.get(place, 0) >= high for place, (_, high) in ends.items())

    def _is_read(self, place: tuple[str, int]) -> bool:
        """Whether a partition has been read to where it ended: its end was told, or is passed.

        The marks of transactions at the end are never given.
        """
        return place in self._ended or self._next[place] >= self._last[place]

    def _assign(self, connection: BrokerConnection[Consumer]) -> None:
        ends = self._ends(connection)
        self._last = {place: high for place, (_, high) in ends.items()}
        if self._at_offsets is not None:
            inside = {
                p: at for p, at in self._at_offsets.items() if p in ends and ends[p][0] <= at < ends[p][1]
            }
            self._next, self._last = dict(inside), {place: offset + 1 for place, offset in inside.items()}
        elif self._since_ms is not None:
            self._next = self._at(connection, self._since_ms)
        elif self._from_beginning:
            self._next = {place: low for place, (low, _) in ends.items()}
        else:
            self._next = dict(self._last)
        connection.client.assign(
            [TopicPartition(topic, number, offset) for (topic, number), offset in self._next.items()]
        )

    def _at(self, connection: BrokerConnection[Consumer], since_ms: int) -> dict[tuple[str, int], int]:
        """Return the first offset of this time or later in every partition; its end where there is none."""
        places = [TopicPartition(topic, number, since_ms) for topic, number in self._last]
        answers = connection.ask(lambda: connection.client.offsets_for_times(places, timeout=ANSWER_SECONDS))
        at = {(place.topic, place.partition): place.offset for place in answers}
        return {place: at[place] if at[place] >= 0 else last for place, last in self._last.items()}

    def _ends(self, connection: BrokerConnection[Consumer]) -> dict[tuple[str, int], tuple[int, int]]:
        """Return the first and the next offset of every partition."""
        ends = {}
        for topic, partitions in connection.partitions_of(self._topics).items():
            for number in range(partitions):
                ends[topic, number] = connection.ask(partial(_watermarks, connection.client, topic, number))
        return ends


def _watermarks(client: Consumer, topic: str, partition: int) -> tuple[int, int]:
    ends: tuple[int, int] = client.get_watermark_offsets(
        TopicPartition(topic, partition), timeout=ANSWER_SECONDS
    )
    return ends
