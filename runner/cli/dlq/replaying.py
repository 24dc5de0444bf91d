"""Sends dead letters back, each with its note, in one transaction where the broker has any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from runner.cli.dlq.letter import REPLAY_OF, REPLAYED, Place
from runner.cli.sending import ACKNOWLEDGE_SECONDS
from runner.config import Config
from runner.errors import FatalError, LogUnavailable
from runner.kafka.clients import Connection, connect_producer
from runner.kafka.topic_message import RawHeaders

_BY_KEY: Final = -1
_TAKEN_OVER: Final = frozenset({"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"})

# An aborted transaction may still purge what belongs to the next one.
_PURGED: Final = frozenset({"_PURGE_QUEUE", "_PURGE_INFLIGHT"})
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Replay:
    """A message as it goes back."""

    place: Place
    topic: str
    partition: int | None
    """None: the key decides, for its partition is not there any more."""
    key: bytes | None
    value: bytes | None
    headers: RawHeaders


class Replayer(Protocol):
    """What sends letters back."""

    def send(self, events: Sequence[Replay]) -> list[str]:
        """Send these with their notes; return why each was refused, empty where it was not."""
        ...


def connect_replayer(config: Config) -> Replayer:
    """Return what sends letters back; any other replay of this group ends with that.

    Raises LogUnavailable if no broker answers, FatalError if transactions may not be used.
    """
    topic = config.topics.dead_letters
    if config.delivery != "exactly_once":
        return _OneByOne(connect_producer(config), topic)
    connection = connect_producer(config, f"{config.kafka.group}-dead-letters-replay")
    try:
        connection.client.init_transactions(ACKNOWLEDGE_SECONDS)
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.retriable():
            raise connection.unavailable(reason.str()) from error
        raise FatalError(f"no transaction can be begun on {connection.brokers}: {reason.str()}") from error
    return _Transactions(connection, topic)


class _Transactions:
    """Event and note are seen together, or neither is."""

    def __init__(self, connection: Connection[Producer], topic: str) -> None:
        self._connection = connection
        self._topic = topic

    def send(self, events: Sequence[Replay]) -> list[str]:
        refused = self._sent(events)
        if not refused:
            return [""] * len(events)
        if len(events) == 1:
            return [refused]
        # One of them is to blame; the others go.
        return [self._sent([event]) for event in events]

    def _sent(self, events: Sequence[Replay]) -> str:
        """Send all in one transaction, or nothing; return why it was refused."""
        refusals: list[KafkaError] = []
        for _ in range(_ATTEMPTS):
            try:
                refusals = self._try(events)
            except (KafkaException, SystemError) as error:
                self._give_up(_reason(error))
            blamed = [refusal for refusal in refusals if refusal.name() not in _PURGED]
            if blamed or not refusals:
                return blamed[0].str() if blamed else ""
        return refusals[0].str()

    def _try(self, events: Sequence[Replay]) -> list[KafkaError]:
        producer = self._connection.client
        refusals: list[KafkaError] = []
        producer.begin_transaction()
        for event in events:
            _produce(producer, event, self._topic, refusals)
        if not refusals:
            producer.flush(ACKNOWLEDGE_SECONDS)
        if refusals:
            producer.abort_transaction(ACKNOWLEDGE_SECONDS)
        else:
            producer.commit_transaction(ACKNOWLEDGE_SECONDS)
        return refusals

    def _give_up(self, reason: KafkaError) -> NoReturn:
        if reason.name() in _TAKEN_OVER or reason.fatal():
            raise FatalError(
                f"another replay of these dead letters was started ({reason.str()}); it goes on from here"
            )
        raise LogUnavailable(
            f"Kafka did not take the replay ({reason.str()}); what was not told as sent was perhaps not "
            "sent: run the command again, nothing is sent twice"
        )


class _OneByOne:
    """For brokers without transactions: the event, then its note. A crash between them may repeat it."""

    def __init__(self, connection: Connection[Producer], topic: str) -> None:
        self._connection = connection
        self._topic = topic

    def send(self, events: Sequence[Replay]) -> list[str]:
        return [self._one(event) for event in events]

    def _one(self, event: Replay) -> str:
        producer = self._connection.client
        for produce in (_produce_event, _produce_note):
            refusals: list[KafkaError] = []
            produce(producer, event, self._topic, _keeper(refusals))
            if producer.flush(ACKNOWLEDGE_SECONDS):
                raise self._connection.unavailable("no answer")
            if refusals:
                return str(refusals[0].str())
        return ""


def _reason(error: Exception) -> KafkaError:
    """Return what the client says; a fatal error may come as SystemError, out of a delivery report."""
    cause = error.__cause__ if isinstance(error, SystemError) else error
    if not isinstance(cause, KafkaException):
        raise error
    reason: KafkaError = cause.args[0]
    return reason


def _produce(producer: Producer, event: Replay, topic: str, refusals: list[KafkaError]) -> None:
    keep = _keeper(refusals)
    _produce_event(producer, event, topic, keep)
    _produce_note(producer, event, topic, keep)


def _produce_event(producer: Producer, event: Replay, topic: str, keep: Callable[..., None]) -> None:
    headers = [*event.headers, (REPLAYED, f"{topic}/{event.place}".encode())]
    partition = _BY_KEY if event.partition is None else event.partition
    with _refusals_to(keep):
        producer.produce(
            event.topic, event.value, event.key, partition, on_delivery=keep, headers=list[Any](headers)
        )


def _produce_note(producer: Producer, event: Replay, topic: str, keep: Callable[..., None]) -> None:
    headers: list[Any] = [(REPLAY_OF, str(event.place).encode())]
    with _refusals_to(keep):
        producer.produce(topic, None, event.key, event.place.partition, on_delivery=keep, headers=headers)


@contextmanager
def _refusals_to(keep: Callable[..., None]) -> Iterator[None]:
    """Turn what the client refuses at once into what it is told of later."""
    try:
        yield
    except KafkaException as error:
        keep(error.args[0], None)


def _keeper(refusals: list[KafkaError]) -> Callable[..., None]:
    def keep(error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            # Nothing is asked of it here: a fatal error may already be on its way out of the client.
            refusals.append(error)

    return keep
