"""Kafka as the event log: one consumer and one producer of librdkafka, owned by one thread.

Errors of librdkafka are translated here, and nowhere else:

  retriable                    repeated, until a bound
  requires abort, or refused   LogUnavailable: abort, rewind, poll on
  fatal, fenced                Fenced: the process exits, a fresh one takes over
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage

from runner import log
from runner.actions.decision import OutgoingMessage
from runner.errors import Fenced, LogUnavailable, PositionUnknown
from runner.kafka.commit_metadata import commit_metadata, topic_of
from runner.kafka.errors import (
    GONE,
    PASSING,
    PURGED,
    failed_delivery,
    failed_fetch,
    failed_transaction,
    is_too_large,
    never_taken_in,
    refusal,
)
from runner.kafka.event_log import AssignmentListener, Message
from runner.kafka.group_metadata import is_incremental, is_member
from runner.kafka.start_offsets import EARLIEST

IO_SECONDS: Final = 10.0
"""Longest call to a broker."""

JOIN_SECONDS: Final = 20.0
"""Time to join the group; after it the group is taken to refuse this worker for good."""

_SLICE_SECONDS: Final = 1.0
"""Longest single wait of a call that is repeated: signals are handled between two waits."""

CLOSE_SECONDS: Final = 1.0
"""Time for the producer to finish at the end."""

UNCONFIRMED_SECONDS: Final = 60.0
"""How long a commit is repeated before the process exits and a fresh one finds out its outcome."""

_log: Final = log.get("kafka")


class KafkaLog:
    """The EventLog over Apache Kafka; ``listener`` receives rebalances inside ``poll``."""

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
        self._transactional = "transactional.id" in producer_properties
        self._producer = Producer({**producer_properties, "delivery.report.only.error": True}, logger=clients)
        self._consumer = Consumer(dict(consumer_properties), logger=clients)
        self._incremental = is_incremental(consumer_properties)
        self._probes = consumer_properties.get("group.protocol") == "consumer"
        self._owned: set[int] = set()
        """Partitions the group has assigned, whether read yet or not."""
        self._assigned: set[int] = set()
        """Partitions that are read, from the offsets of ``read_from``."""
        self._read: set[int] = set()
        self._group = str(consumer_properties.get("group.id", ""))
        self._has_joined = False
        self._failures: list[KafkaError] = []
        self._failure = ""
        self._topics_written: set[str] = set()
        self._open = False

    def start(self, seconds: float = UNCONFIRMED_SECONDS) -> None:
        """Register the producer with its coordinator, then join the group.

        Raises LogUnavailable if no broker answers in ``seconds``, after which it may be called again;
        FatalError if it refuses this worker.
        """
        if self._transactional:
            self._begin_to_write(seconds)
        self._consumer.subscribe(
            [self._topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        if self._probes:
            self._require_joined()

    def close(self) -> None:
        """Leave the group, so that others take over at once, and close both clients."""
        self._consumer.close()
        # A fenced producer refuses even this; that error has been raised already.
        with suppress(KafkaException):
            if self._open:
                # Readers of the topics would wait for the end of the transaction.
                self._producer.abort_transaction(CLOSE_SECONDS)
            self._producer.flush(CLOSE_SECONDS)

    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the messages at hand, waiting for the first."""
        self._producer.poll(0)
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
        """Give no more messages of these partitions."""
        ours = self._places(dict.fromkeys(self._assigned.intersection(partitions), 0))
        self._guarded(lambda: self._consumer.pause(ours))

    def resume(self, partitions: Collection[int]) -> None:
        """Give messages of these partitions again."""
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

    def begin(self) -> None:
        """Open a transaction; one that could not be aborted before is aborted first."""
        if self._open:
            self.abort()
        self._forget_failures()
        self._guarded(self._producer.begin_transaction)
        self._open = True

    def produce(self, message: OutgoingMessage) -> None:
        """Queue a message; a full queue means that the broker does not keep up."""
        try:
            self._queue(message)
        except BufferError:
            raise LogUnavailable("the producer queue is full: Kafka does not keep up") from None
        except KafkaException as error:
            if _reason(error).code() != KafkaError._UNKNOWN_PARTITION:
                raise self._unavailable(error) from error
            # Added a moment ago: the consumer's side may know a home that the producer does not.
            self._guarded(lambda: self._producer.list_topics(message.stream, IO_SECONDS))
            self._guarded(lambda: self._queue(message))

    def send_offsets(self, offsets: Mapping[int, int], group_metadata: Any) -> None:
        """Put the offsets into the transaction; a stale membership is refused by the broker."""
        if group_metadata is None:
            raise LogUnavailable("the group has taken the partitions away")
        places = self._places_to_commit(offsets)
        self._guarded(lambda: self._producer.send_offsets_to_transaction(places, group_metadata, IO_SECONDS))

    def commit(self) -> None:
        """Commit; asked again until it answers, since unconfirmed is not committed."""
        self._until_answered(lambda: self._producer.commit_transaction(IO_SECONDS))
        self._open = False

    def abort(self) -> None:
        """Abort; asked again until it answers."""
        self._until_answered(lambda: self._producer.abort_transaction(IO_SECONDS))
        self._open = False
        self._forget_failures()

    def flush(self) -> None:
        """Return once everything is acknowledged; LogUnavailable if anything was not."""
        left = self._producer.flush(IO_SECONDS)
        failures, failure = self._forget_failures()
        if failures:
            raise LogUnavailable(failure or str(failures[0]), refused=is_too_large(failures))
        if left:
            raise LogUnavailable(f"{left} messages were not acknowledged in time")

    def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets by themselves."""
        places = self._places_to_commit(offsets)
        self._guarded(lambda: self._consumer.commit(offsets=places, asynchronous=False))

    def _begin_to_write(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while True:
            try:
                self._producer.init_transactions(_SLICE_SECONDS)
                return
            except KafkaException as error:
                reason = _reason(error)
                if not reason.retriable() or monotonic() > deadline:
                    raise refusal(reason, self._group) or self._unavailable(error) from error

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

    def _on_delivery(self, error: KafkaError | None, message: KafkaMessage) -> None:
        if error is not None:
            self._failures.append(error)
            # Hundreds of a batch fail alike; and messages that an abort purges do not name the reason.
            if not self._failure and error.code() not in PURGED:
                self._failure = failed_delivery(message.topic(), error)
                _log.warning("not_delivered", topic=message.topic(), reason=self._failure)

    def _forget_failures(self) -> tuple[list[KafkaError], str]:
        failures, failure = self._failures, self._failure
        self._failures, self._failure = [], ""
        self._topics_written.clear()
        return failures, failure

    def _queue(self, message: OutgoingMessage) -> None:
        # -1: by the hash of the key.
        partition = -1 if message.partition is None else message.partition
        report = self._on_delivery
        self._topics_written.add(message.stream)
        self._producer.produce(
            message.stream, message.value, message.key, partition, report, headers=list(message.headers)
        )

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

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except KafkaException as error:
            raise self._unavailable(error) from error

    def _until_answered(self, call: Callable[[], Any]) -> None:
        deadline = monotonic() + UNCONFIRMED_SECONDS
        while True:
            try:
                call()
                return
            except KafkaException as error:
                reason = _reason(error)
                if not reason.retriable() or reason.txn_requires_abort():
                    raise self._unavailable(error) from error
                if monotonic() > deadline:
                    raise Fenced(f"the transaction stayed unconfirmed: {reason}") from error

    def _unavailable(self, error: KafkaException) -> LogUnavailable | Fenced:
        reason = _reason(error)
        refused = is_too_large([*self._failures, reason])
        if reason.fatal() or reason.code() == KafkaError._FENCED:
            return Fenced(f"the producer was fenced or failed for good: {reason}")
        why = self._failure or failed_transaction(self._topics_written, reason)
        return LogUnavailable(f"Kafka refused the batch: {why}", refused=refused)


def _timestamp_ms(message: KafkaMessage) -> int | None:
    kind, moment_ms = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE or moment_ms < 0 else moment_ms


def _reason(error: KafkaException) -> KafkaError:
    reason: KafkaError = error.args[0]
    return reason
