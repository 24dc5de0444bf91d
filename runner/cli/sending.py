"""Hands events to Kafka and learns where each came to stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from runner.cli.progress import Step
from runner.client.event_lines import EventLine
from runner.errors import LogUnavailable
from runner.kafka.clients import Connection

ACKNOWLEDGE_SECONDS: Final = 30.0

_BY_KEY: Final = -1
_ROOM_SECONDS: Final = 0.5


NOT_SENT: Final = "not sent"

_PURGED: Final = "_PURGE_QUEUE"


@dataclass(frozen=True, slots=True)
class Sending:
    """One event on its way, and what became of it: its place in the topic, or why Kafka refused it."""

    line: EventLine
    home: int | None
    """Partition it goes to because its task lives there; None: its key decides."""
    partition: int = -1
    offset: int = -1
    refusal: str = ""


def _silent(_count: int) -> None:
    pass


def _never() -> bool:
    return False


def send_all(
    connection: Connection[Producer],
    topic: str,
    events: Sequence[Sending],
    step: Step = _silent,
    is_stopped: Callable[[], bool] = _never,
) -> list[Sending]:
    """Send events in their order, and return what became of each, in the same order.

    Blocks until Kafka has answered for every one; ``step`` is told how many more it has answered for.
    Raises LogUnavailable if it does not in time: then some may have been taken. Once ``is_stopped`` says
    so, what is not on its way yet is not sent, and its refusal says that.
    """
    done: dict[int, Sending] = {}
    for position, event in enumerate(events):
        keep = _keeper(done, position, event, step)
        while not is_stopped() and not _has_produced(connection.client, topic, event, keep):
            # The queue is full: wait until some of it has been acknowledged.
            connection.client.poll(_ROOM_SECONDS)
    left = _flush(connection.client, is_stopped)
    if left:
        connection.client.purge()
        reason = connection.unavailable("no answer")
        raise LogUnavailable(f"{left} of {len(events)} events may have been taken or not: {reason}")
    return [done.get(n) or replace(event, refusal=NOT_SENT) for n, event in enumerate(events)]


def _flush(producer: Producer, is_stopped: Callable[[], bool]) -> int:
    """Wait until everything is acknowledged; return how much is not, in time."""
    left = len(producer)
    for _ in range(round(ACKNOWLEDGE_SECONDS / _ROOM_SECONDS)):
        if is_stopped():
            producer.purge(in_queue=True, in_flight=False, blocking=True)
        left = producer.flush(_ROOM_SECONDS)
        if not left:
            break
    return left


def _has_produced(producer: Producer, topic: str, event: Sending, on_delivery: Callable[..., None]) -> bool:
    """Hand an event to the client; return whether it had room for it."""
    partition = _BY_KEY if event.home is None else event.home
    key = event.line.event.request_id.encode()
    try:
        producer.produce(topic, event.line.value, key, partition, on_delivery=on_delivery)
    except BufferError:
        return False
    except KafkaException as error:
        on_delivery(error.args[0], None)
    producer.poll(0)
    return True


def _keeper(done: dict[int, Sending], position: int, event: Sending, step: Step) -> Callable[..., None]:
    def keep(error: KafkaError | None, message: Message | None) -> None:
        place: Any = message
        if error is None:
            done[position] = replace(event, partition=place.partition(), offset=place.offset())
        else:
            done[position] = replace(event, refusal=NOT_SENT if error.name() == _PURGED else error.str())
        step(1)

    return keep
