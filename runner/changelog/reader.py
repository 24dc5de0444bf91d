"""Reads the changelog from Kafka: one partition at a time, from its beginning to its present end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from runner.changelog.codec import HOME
from runner.changelog.snapshot import ChangelogRecord
from runner.errors import ChangelogUnreadable, LogUnavailable
from runner.kafka.errors import unreachable

ASK_SECONDS: Final = 10.0
STRETCH: Final = 5000
WAIT_SECONDS: Final = 0.05
_AT_ONCE_BYTES: Final = 4_194_304
_FIRST: Final = 0
_AHEAD_KBYTES: Final = 16_384
"""Bytes the client fetches in advance; its default is four times as much."""
_PASSING: Final = frozenset({"_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE"})


class KafkaChangelog:
    """The ChangelogReader over Apache Kafka; connects at its first use."""

    def __init__(self, topic: str, properties: Mapping[str, Any], group: str) -> None:
        """``group``: a group that this user may read; it is not joined, and nothing is committed.

        The client asks for the coordinator of the group, and reads nothing where that is not allowed.
        """
        self._topic = topic
        self._properties = {**properties, "group.id": group, "enable.auto.commit": False}
        self._consumer: Consumer | None = None
        self._watcher: Consumer | None = None
        self._partition = 0
        self._end = 0
        self._reached = 0

    def is_empty(self, shards: int) -> bool:
        """Whether nothing was ever written to the changelog. Raises LogUnavailable."""
        for self._partition in range(shards):
            self.extend()
            if self._end > 0:
                return False
        return True

    def begin(self, shard: int) -> None:
        """Start at the first message; the end includes messages of open transactions."""
        self._partition, self._reached = shard, 0
        self.extend()
        try:
            self._reader().assign([TopicPartition(self._topic, shard, _FIRST)])
        except KafkaException as error:
            raise unreachable(f"the changelog cannot be read: {error.args[0]}", error) from error

    def extend(self) -> None:
        """Move the end to the present end of the partition; ``read`` goes on where it stopped."""
        try:
            self._end = self._latest()
        except KafkaException as error:
            raise unreachable(f"the changelog cannot be read: {error.args[0]}", error) from error

    def read(self) -> Sequence[ChangelogRecord] | None:
        """Return the next messages, waiting a little for the first."""
        if self._reached >= self._end:
            return None
        records: list[ChangelogRecord] = []
        for message in self._next():
            error = message.error()
            if error is None:
                records.append(_changelog_record(message))
                self._reached = (message.offset() or 0) + 1
            elif error.name() == "_PARTITION_EOF":
                # The end may lie behind the last message: markers and aborted messages are not read.
                self._reached = max(self._reached, message.offset() or 0)
            elif error.name() not in _PASSING:
                raise LogUnavailable(f"the changelog cannot be read: {error}")
        return records

    def close(self) -> None:
        """Close the clients; the next ``begin`` makes others."""
        for client in (self._consumer, self._watcher):
            if client is not None:
                client.close()
        self._consumer, self._watcher = None, None

    def _next(self) -> Sequence[Message]:
        """Return the messages at hand; waits for the first only."""
        reader = self._reader()
        return reader.consume(STRETCH, 0.0) or reader.consume(1, WAIT_SECONDS)

    def _latest(self) -> int:
        """Return the end offset of the partition, open transactions included.

        The admin client returns the same, but now and then three seconds late.
        """
        if self._watcher is None:
            self._watcher = Consumer({**self._properties, "isolation.level": "read_uncommitted"})
        place = TopicPartition(self._topic, self._partition)
        watermarks = self._watcher.get_watermark_offsets(place, ASK_SECONDS)
        if watermarks is None:
            raise LogUnavailable(f"the changelog cannot be read: no answer within {ASK_SECONDS:g} s")
        return int(watermarks[1])

    def _reader(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    **self._properties,
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                    # Compaction and deletion move the first message.
                    "auto.offset.reset": "earliest",
                    # The end is reported by an empty fetch, which must not wait for messages.
                    "fetch.wait.max.ms": 10,
                    # A second by default, in which nothing is fetched after the queue was full.
                    "fetch.queue.backoff.ms": 2,
                    "queued.max.messages.kbytes": _AHEAD_KBYTES,
                    "max.partition.fetch.bytes": _AT_ONCE_BYTES,
                }
            )
        return self._consumer


def _changelog_record(message: Message) -> ChangelogRecord:
    home = None
    try:
        headers: Any = message.headers() or ()
        for name, value in headers:
            if name == HOME:
                home = int(value)
                break
    except (SystemError, TypeError, ValueError) as error:
        # A name that is not UTF-8 is a SystemError or UnicodeDecodeError of the library; no value is None.
        place = f"{message.topic()}/{message.partition()}@{message.offset()}"
        raise ChangelogUnreadable(f"{place} is not a message of the changelog: {error}") from error
    return ChangelogRecord(message.key() or b"", message.value(), home)
