"""Hands events to Kafka and learns where each came to stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from runner.cli.event_lines import EventLine
from runner.cli.kafka_clients import Connection
from runner.errors import LogUnavailable

ACKNOWLEDGE_SECONDS: Final = 30.0

_BY_KEY: Final = -1
_ROOM_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One event on its way, and what became of it: its place in the topic, or why Kafka refused it."""

    line: EventLine
    home: int | None
    """Partition it goes to because its task lives there; None: its key decides."""
    partition: int = -1
    offset: int = -1
    refusal: str = ""


def send_all(connection: Connection[Producer], topic: str, events: Sequence[Sending]) -> list[Sending]:
    """Send events in their order, and return what became of each, in the same order.

    Blocks until Kafka has answered for every one. Raises LogUnavailable if it does not in time:
    then some may have been taken.
    """
    done: dict[int, Sending] = {}
    for position, event in enumerate(events):
        _produce(connection.client, topic, event, _keeper(done, position, event))
    left = connection.client.flush(ACKNOWLEDGE_SECONDS)
    if left:
        connection.client.purge()
        reason = connection.unavailable("no answer")
        raise LogUnavailable(f"{left} of {len(events)} events may have been taken or not: {reason}")
    return [done[position] for position in range(len(events))]


def _produce(producer: Producer, topic: str, event: Sending, on_delivery: Callable[..., None]) -> None:
    partition = _BY_KEY if event.home is None else event.home
    key = event.line.event.request_id.encode()
    while True:
        try:
            producer.produce(topic, event.line.value, key, partition, on_delivery=on_delivery)
        except BufferError:
            # The queue is full: wait until some of it has been acknowledged.
            producer.poll(_ROOM_SECONDS)
        except KafkaException as error:
            on_delivery(error.args[0], None)
            return
        else:
            producer.poll(0)
            return


def _keeper(done: dict[int, Sending], position: int, event: Sending) -> Callable[..., None]:
    def keep(error: KafkaError | None, message: Message | None) -> None:
        place: Any = message
        done[position] = (
            replace(event, refusal=error.str())
            if error is not None
            else replace(event, partition=place.partition(), offset=place.offset())
        )

    return keep
