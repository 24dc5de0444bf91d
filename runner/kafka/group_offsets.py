"""Reads the committed offsets of a group before the worker joins it."""

from __future__ import annotations

from collections.abc import Mapping
from time import sleep
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runner.clock import monotonic_seconds
from runner.kafka.errors import refusal, unreachable
from runner.kafka.topics import ASK_SECONDS

_TRY_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 0.2
_PASSING: Final = frozenset(
    {
        "COORDINATOR_LOAD_IN_PROGRESS",
        "COORDINATOR_NOT_AVAILABLE",
        "NOT_COORDINATOR",
        "_WAIT_COORD",
        "_TIMED_OUT",
    }
)


class CommittedOffset(NamedTuple):
    """A committed offset of a group, with its commit metadata."""

    offset: int
    metadata: str


def group_offsets(
    properties: Mapping[str, Any], group: str, topic: str, partitions: int
) -> dict[int, CommittedOffset]:
    """Return the group's committed offsets on a topic, by partition; empty if there are none.

    A consumer that never joins asks for them: the admin client's call ends the process where the
    coordinator is not ready (librdkafka issue 5040). A coordinator that is still loading, as just
    after the broker's start, is asked again. LogUnavailable after ASK_SECONDS, FatalError where the
    group is not allowed.
    """
    consumer = Consumer({**properties, "group.id": group, "enable.auto.commit": False})
    places = [TopicPartition(topic, partition) for partition in range(partitions)]
    deadline = monotonic_seconds() + ASK_SECONDS
    try:
        while True:
            try:
                answers = consumer.committed(places, _TRY_SECONDS)
                return {
                    place.partition: CommittedOffset(place.offset, place.metadata or "")
                    for place in answers
                    if place.offset >= 0
                }
            except KafkaException as error:
                _require_allowed(consumer, group)
                reason = error.args[0]
                if reason.name() not in _PASSING or monotonic_seconds() > deadline:
                    raise unreachable(f"Kafka does not tell the group's offsets: {reason}", error) from error
                sleep(_PAUSE_SECONDS)
    finally:
        consumer.close()


def _require_allowed(consumer: Consumer, group: str) -> None:
    """FatalError where the client may not read the group: the call itself only times out."""
    event = consumer.poll(0)
    error = None if event is None else event.error()
    refused = None if error is None else refusal(error, group)
    if refused is not None:
        raise refused
