"""The writing side of the log: one producer of librdkafka, and its transactions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from runner import log
from runner.actions.decision import OutgoingMessage
from runner.errors import Fenced, LogUnavailable
from runner.kafka.errors import (
    PURGED,
    failed_delivery,
    failed_transaction,
    is_too_large,
    reason_of,
    refusal,
    unavailable,
)

IO_SECONDS: Final = 10.0
"""Longest call to a broker."""

CLOSE_SECONDS: Final = 1.0
"""Time for the producer to finish at the end."""

UNCONFIRMED_SECONDS: Final = 60.0
"""How long a commit is repeated before the process exits and a fresh one finds out its outcome."""

_SLICE_SECONDS: Final = 1.0
"""Longest single wait of a call that is repeated: signals are handled between two waits."""

_log: Final = log.get("kafka")


class KafkaWriter:
    """Writes messages and offsets, in transactions or without; part of a ``KafkaLog``."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        group: str,
        places: Callable[[Mapping[int, int]], list[TopicPartition]],
        commit_places: Callable[[list[TopicPartition]], object],
    ) -> None:
        """``places`` names the partitions of these offsets, as they are committed.

        ``commit_places`` commits them by themselves, without a transaction.
        """
        clients = logging.getLogger("librdkafka")
        self._producer = Producer({**properties, "delivery.report.only.error": True}, logger=clients)
        self._is_transactional = "transactional.id" in properties
        self._group = group
        self._places = places
        self._commit_places = commit_places
        self._failures: list[KafkaError] = []
        self._failure = ""
        self._topics_written: set[str] = set()
        self._open = False

    def start(self, seconds: float) -> None:
        """Register the producer with its coordinator; errors as in ``KafkaLog.start``."""
        deadline = monotonic() + seconds
        while self._is_transactional:
            try:
                self._producer.init_transactions(_SLICE_SECONDS)
                return
            except KafkaException as error:
                reason = reason_of(error)
                if not reason.retriable() or monotonic() > deadline:
                    raise refusal(reason, self._group) or self._unavailable(error) from error

    def serve(self) -> None:
        self._producer.poll(0)

    def close(self) -> None:
        """Abort what is open, and give the rest a moment to be sent."""
        # A fenced producer refuses even this; that error has been raised already.
        with suppress(KafkaException):
            if self._open:
                # Readers of the topics would wait for the end of the transaction.
                self._producer.abort_transaction(CLOSE_SECONDS)
            self._producer.flush(CLOSE_SECONDS)

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
            if reason_of(error).code() != KafkaError._UNKNOWN_PARTITION:
                raise self._unavailable(error) from error
            # Added a moment ago: the consumer's side may know a home that the producer does not.
            self._guarded(lambda: self._producer.list_topics(message.stream, IO_SECONDS))
            self._guarded(lambda: self._queue(message))

    def send_offsets(self, offsets: Mapping[int, int], group_metadata: Any) -> None:
        """Put the offsets into the transaction; a stale membership is refused by the broker."""
        if group_metadata is None:
            raise LogUnavailable("the group has taken the partitions away")
        places = self._places(offsets)
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
        self._guarded(lambda: self._commit_places(self._places(offsets)))

    def _queue(self, message: OutgoingMessage) -> None:
        # -1: by the hash of the key.
        partition = -1 if message.partition is None else message.partition
        report = self._on_delivery
        self._topics_written.add(message.stream)
        self._producer.produce(
            message.stream, message.value, message.key, partition, report, headers=list(message.headers)
        )

    # -- failures -----------------------------------------------------------------------------------

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
                reason = reason_of(error)
                if not reason.retriable() or reason.txn_requires_abort():
                    raise self._unavailable(error) from error
                if monotonic() > deadline:
                    raise Fenced(f"the transaction stayed unconfirmed: {reason}") from error

    def _unavailable(self, error: KafkaException) -> LogUnavailable | Fenced:
        reason = reason_of(error)
        why = self._failure or failed_transaction(self._topics_written, reason)
        return unavailable(reason, why, refused=is_too_large([*self._failures, reason]))
