"""Kafka as the event log: one consumer and one producer of librdkafka, owned by one thread.

Errors of librdkafka are translated here and in ``producer``, and nowhere else:

  retriable                    repeated, until a bound
  requires abort, or refused   LogUnavailable: abort, rewind, poll on
  fatal, fenced                Fenced: the process exits, a fresh one takes over
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Any, Final

from confluent_kafka import OFFSET_INVALID, TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from runner import log
from runner.errors import Fenced, LogUnavailable, PositionUnknown
from runner.kafka.errors import (
    GONE,
    PASSING,
    failed_fetch,
    is_too_large,
    never_taken_in,
    reason_of,
    refusal,
    unavailable,
)
from runner.kafka.group_metadata import is_incremental, is_member
from runner.kafka.message import AssignmentListener, Message
from runner.kafka.offsets import EARLIEST, commit_metadata, topic_of
from runner.kafka.producer import IO_SECONDS, UNCONFIRMED_SECONDS, KafkaWriter

JOIN_SECONDS: Final = 20.0
"""Time to join the group; after it the group is taken to refuse this worker for good."""

_log: Final = log.get("kafka")


class KafkaLog:
    """The log as a group reads it; ``writer`` writes to it, and ``listener`` receives rebalances."""

    def __init__(
        self,
        topic: str,
        consumer_properties: Mapping[str, Any],
        producer_properties: Mapping[str, Any],
        listener: AssignmentListener,
        topic_id: str,
        incarnation: int = 0,
    ) -> None:
        """Make the clients; nothing is sent before ``start``.

        ``topic_id`` is committed with every offset: Kafka keeps offsets by the topic's name alone, and
        the client reads on in a topic that was deleted and made again without an error.
        """
        clients = logging.getLogger("librdkafka")
        self._topic = topic
        self._topic_id = topic_id
        self._commit_metadata = commit_metadata(topic_id, incarnation)
        self._listener = listener
        self._group = str(consumer_properties.get("group.id", ""))
        self.writer = KafkaWriter(
            producer_properties,
            self._group,
            self._places_to_commit,
            lambda places: self._consumer.commit(offsets=places, asynchronous=False),
        )
        self._consumer = Consumer(dict(consumer_properties), logger=clients)
        self._incremental = is_incremental(consumer_properties)
        self._probes = consumer_properties.get("group.protocol") == "consumer"
        self._owned: set[int] = set()
        """Partitions the group has assigned, whether read yet or not."""
        self._assigned: set[int] = set()
        """Partitions that are read, from the offsets of ``read_from``."""
        self._read: set[int] = set()
        self._has_joined = False

    def start(self, seconds: float = UNCONFIRMED_SECONDS) -> None:
        """Register the producer with its coordinator, then join the group.

        Raises LogUnavailable if no broker answers in ``seconds``, after which it may be called again;
        FatalError if it refuses this worker.
        """
        self.writer.start(seconds)
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )
        if self._probes:
            self._require_joined()

    def close(self) -> None:
        """Leave the group, so that others take over at once, and close both clients."""
        self._consumer.close()
        self.writer.close()

    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the messages at hand, waiting for the first."""
        self.writer.serve()
        first = self._consumer.poll(timeout_seconds)
        messages = [] if first is None else [first]
        if messages and max_messages > 1:
            messages += self._consumer.consume(max_messages - 1, 0.0)
        return [self._message(each) for each in messages if self._is_message(each)]

    def read_from(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Begin reading at these offsets; EARLIEST is replaced by the first offset of the partition."""
        began = {
            partition: self._earliest(partition) if offset == EARLIEST else offset
            for partition, offset in positions.items()
        }
        places = self._places(began)
        take = self._consumer.incremental_assign if self._incremental else self._consumer.assign
        self._guarded(lambda: take(places))
        self._assigned.update(began)
        return began

    def rewind(self, positions: Mapping[int, int]) -> None:
        """Read again from these offsets; a partition of which nothing was read since needs no seek."""
        for place in self._places({p: o for p, o in positions.items() if p in self._read}):
            self._guarded(lambda place=place: self._consumer.seek(place))  # type: ignore[misc]
            self._read.discard(place.partition)

    def pause(self, partitions: Collection[int]) -> None:
        ours = self._places(dict.fromkeys(self._assigned.intersection(partitions), 0))
        self._guarded(lambda: self._consumer.pause(ours))

    def resume(self, partitions: Collection[int]) -> None:
        ours = self._places(dict.fromkeys(self._assigned.intersection(partitions), 0))
        self._guarded(lambda: self._consumer.resume(ours))

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the group's committed offsets; the broker waits for pending transactions.

        Offsets of an earlier topic of this name are None. Those without commit metadata were set by a person.
        """
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        answers = self._guarded(lambda: self._consumer.committed(places, IO_SECONDS))
        for place in answers:
            if place.error is not None:
                raise LogUnavailable(f"no committed offset of {place.partition}: {place.error}")
        return {place.partition: self._offset(place) for place in answers}

    def homes(self) -> int:
        """Return the number of partitions of the topic, as the broker answers now.

        LogUnavailable where it names none: a broker that does not know the topic yet is no proof of loss.
        """
        listed = self._guarded(lambda: self._consumer.list_topics(self._topic, IO_SECONDS))
        topic = listed.topics.get(self._topic)
        if topic is None or topic.error is not None or not topic.partitions:
            raise LogUnavailable(f"Kafka tells nothing of topic {self._topic} just now")
        return len(topic.partitions)

    def group_metadata(self) -> Any:
        """Return the group metadata as it is now; None: of nobody.

        The client may have another generation or epoch since the last poll, but not one under which
        what is held belongs to somebody else: whatever is taken away or was lost goes through the
        callbacks below, in the next poll, before the client joins again. Until then it is a member of
        an outdated generation, which the broker refuses, or nobody. Nobody's offsets it takes unchecked.
        """
        metadata = self._consumer.consumer_group_metadata()
        return metadata if is_member(metadata) else None

    def _require_joined(self) -> None:
        """Wait until this worker is a member: with an unknown protocol the client waits for ever."""
        deadline = monotonic() + JOIN_SECONDS
        while self.group_metadata() is None:
            self.poll(1, 0.1)
            if monotonic() > deadline:
                raise never_taken_in(self._group, JOIN_SECONDS)

    # -- callbacks of librdkafka, inside poll ----------------------------------------------------

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._has_joined = True
        # Nothing is fetched before the loop knows the start offsets.
        if self._incremental:
            consumer.incremental_assign([])
        else:
            # After a lost session the next assignment may come without a revocation of the last one.
            if self._owned:
                self._release(self._owned)
            consumer.assign([])
        partitions = [place.partition for place in places]
        self._owned.update(partitions)
        self._listener.assigned(partitions)

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Release revoked partitions, and lost ones, which another worker owns already."""
        released = {place.partition for place in places}
        reading = self._assigned & released
        self._release(released)
        # The client unassigns all partitions by itself; a part of them only by name, and only those read.
        if self._incremental:
            consumer.incremental_unassign(self._places(dict.fromkeys(reading, 0)))

    def _release(self, partitions: Collection[int]) -> None:
        released = set(partitions)
        # In librdkafka a pause outlives the assignment: a partition assigned again would still be paused.
        self.resume(released)
        self._owned -= released
        self._assigned -= released
        self._read -= released
        self._listener.revoked(released)

    # -- messages and errors ---------------------------------------------------------------------

    def _is_message(self, message: KafkaMessage) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() in GONE:
            raise PositionUnknown(
                f"{self._topic}/{message.partition()} does not hold the next offset any more ({error}): "
                "messages were deleted before they were read, or the topic was made again; "
                "restart, or set the group's offset with kafka-consumer-groups --reset-offsets"
            )
        refused = None if self._has_joined and not error.fatal() else refusal(error, self._group)
        if refused is not None:
            raise refused
        if error.fatal():
            raise Fenced(f"the consumer failed for good: {error}")
        if error.code() not in PASSING:
            _log.warning("consumer_error", reason=failed_fetch(self._topic, error))
        return False

    def _message(self, message: KafkaMessage) -> Message:
        # Optional in the library's types: only an event that is not a message lacks them.
        partition: Any = message.partition()
        offset: Any = message.offset()
        if partition in self._assigned:
            self._read.add(partition)
        try:
            pairs: Any = message.headers() or ()
            headers = tuple((name, value or b"") for name, value in pairs)
        except (SystemError, UnicodeDecodeError) as error:
            # A header name that is not UTF-8 is a SystemError in the library; a warm interpreter may raise
            # the UnicodeDecodeError one step later, without the SystemError round it.
            reason = f"a header name cannot be read, all headers are left out: {error.__cause__ or error}"
            return Message(
                partition, offset, message.key(), message.value(), (), reason, _timestamp_ms(message)
            )
        return Message(partition, offset, message.key(), message.value(), headers, "", _timestamp_ms(message))

    def _earliest(self, partition: int) -> int:
        place = TopicPartition(self._topic, partition)
        low: int = self._guarded(lambda: self._consumer.get_watermark_offsets(place, timeout=IO_SECONDS))[0]
        return low

    def _places(self, offsets: Mapping[int, int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, p, offset) for p, offset in offsets.items()]

    def _places_to_commit(self, offsets: Mapping[int, int]) -> list[TopicPartition]:
        return [
            TopicPartition(self._topic, p, offset, self._commit_metadata) for p, offset in offsets.items()
        ]

    def _offset(self, place: TopicPartition) -> int | None:
        if place.offset == OFFSET_INVALID:
            return None
        if place.metadata and topic_of(place.metadata) != self._topic_id:
            # Committed for an earlier topic of this name.
            _log.warning("offset_not_used", topic=self._topic, home=place.partition, offset=place.offset)
            return None
        return place.offset

    @staticmethod
    def _guarded(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except KafkaException as error:
            reason = reason_of(error)
            raise unavailable(reason, str(reason), refused=is_too_large([reason])) from error


def _timestamp_ms(message: KafkaMessage) -> int | None:
    kind, moment_ms = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE or moment_ms < 0 else moment_ms
