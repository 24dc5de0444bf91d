"""Reads the task feed from Kafka: one partition at a time, from its beginning to where it ends now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from runner.errors import FeedUnreadable, LogUnavailable
from runner.tasks.feed import HOME
from runner.worker.restorer import Told

ASK_SECONDS: Final = 10.0
STRETCH: Final = 5000
WAIT_SECONDS: Final = 0.05
_FIRST: Final = 0
_GROUP: Final = "never-joined"
"""The client wants a name; it joins no group and commits nothing."""

_PASSING: Final = frozenset({"_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE"})


class KafkaFeed:
    """The FeedReader Protocol over Apache Kafka. Connects when it is first needed."""

    def __init__(self, topic: str, properties: Mapping[str, Any]) -> None:
        self._topic = topic
        self._properties = dict(properties)
        self._consumer: Consumer | None = None
        self._admin: AdminClient | None = None
        self._partition = 0
        self._end = 0
        self._reached = 0

    def begin(self, shard: int) -> None:
        """Go to the first message; the end is that of all messages, of open transactions as well."""
        self._partition, self._reached = shard, 0
        try:
            self._end = self._latest()
            self._reader().assign([TopicPartition(self._topic, shard, _FIRST)])
        except (KafkaException, TimeoutError) as error:
            raise LogUnavailable(f"the task feed cannot be read: {error!r}") from error

    def read(self) -> Sequence[Told] | None:
        """Return the next messages, waiting a little for the first."""
        if self._reached >= self._end:
            return None
        found: list[Told] = []
        for message in self._reader().consume(STRETCH, WAIT_SECONDS):
            error = message.error()
            if error is None:
                found.append(_told(message))
                self._reached = (message.offset() or 0) + 1
            elif error.name() == "_PARTITION_EOF":
                # Where nothing follows any more: markers and what was aborted have no messages.
                self._reached = max(self._reached, message.offset() or 0)
            elif error.name() not in _PASSING:
                raise LogUnavailable(f"the task feed cannot be read: {error}")
        return found

    def close(self) -> None:
        """Let go of the connections; the next ``begin`` makes others."""
        if self._consumer is not None:
            self._consumer.close()
        self._consumer, self._admin = None, None

    def _latest(self) -> int:
        place = TopicPartition(self._topic, self._partition)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        # Held beyond the answer, which would not come otherwise.
        self._admin = self._admin or AdminClient(self._properties)
        answer = self._admin.list_offsets({place: latest}, request_timeout=ASK_SECONDS)
        return int(answer[place].result(ASK_SECONDS).offset)

    def _reader(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    **self._properties,
                    "group.id": _GROUP,
                    "isolation.level": "read_committed",
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    # Compaction and deletion move the first message.
                    "auto.offset.reset": "earliest",
                    # The end is told by a fetch that finds nothing: it must not wait for more.
                    "fetch.wait.max.ms": 10,
                }
            )
        return self._consumer


def _told(message: Message) -> Told:
    try:
        headers: Any = message.headers() or ()
        home = next((int(value) for name, value in headers if name == HOME), None)
    except (SystemError, ValueError) as error:
        # Names that are no UTF-8 are a SystemError of the library, or a UnicodeDecodeError.
        place = f"{message.topic()}/{message.partition()}@{message.offset()}"
        raise FeedUnreadable(f"{place} is not a message of the task feed: {error}") from error
    return Told(message.key() or b"", message.value(), home)
