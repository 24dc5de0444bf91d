"""Messages of a command on their way to Kafka: what became of each, or all of them in one transaction.

The worker's own messages go through ``kafka_log``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from runner.actions.decision import OutgoingMessage
from runner.config import Config
from runner.errors import FatalError, LogUnavailable
from runner.kafka.clients import BrokerConnection, connect_producer

ACKNOWLEDGE_SECONDS: Final = 30.0
NOT_SENT: Final = "not sent"

Step: TypeAlias = Callable[[int], None]
"""Takes how many messages are done since the last call."""

_BY_KEY: Final = -1
_ATTEMPTS: Final = 3
_QUEUE_SECONDS: Final = 0.5
_PURGED: Final = frozenset({"_PURGE_QUEUE", "_PURGE_INFLIGHT"})
"""Errors of messages dropped by an aborted transaction or a stopped sending; no broker refused them."""

_TAKEN_OVER: Final = frozenset({"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"})


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a message came to stand in its topic, or why it was refused."""

    partition: int = -1
    offset: int = -1
    refusal: str = ""


UNSENT: Final = Receipt()


def no_step(_count: int) -> None:
    """Show no progress."""


def never() -> bool:
    """Go on to the end."""
    return False


def send_all(
    connection: BrokerConnection[Producer],
    messages: Sequence[OutgoingMessage],
    step: Step = no_step,
    is_stopped: Callable[[], bool] = never,
) -> list[Receipt]:
    """Send messages in their order, and return what became of each, in the same order.

    Blocks until Kafka has answered for every one; ``step`` is told how many more it has answered for.
    Raises LogUnavailable if it does not in time: then some may have been taken. Once ``is_stopped`` says
    so, what is not on its way yet is not sent, and its refusal says NOT_SENT.
    """
    receipts = [Receipt(refusal=NOT_SENT)] * len(messages)
    producer = connection.client
    for position, message in enumerate(messages):
        keep = _keeper(receipts, position, step)
        while not is_stopped() and not _has_produced(producer, message, keep):
            # The queue is full: wait until some of it has been acknowledged.
            producer.poll(_QUEUE_SECONDS)
    left = _flush(producer, is_stopped)
    if left:
        producer.purge()
        reason = connection.unavailable("no answer")
        raise LogUnavailable(f"{left} of {len(messages)} events may have been taken or not: {reason}")
    return receipts


class Transactions:
    """Transactions of a command: the messages of one are all seen, or none is."""

    def __init__(self, config: Config, name: str, *, taken_over: str, failed: str) -> None:
        """Begin, and end any other that has this name; what that had open is aborted.

        ``taken_over`` and ``failed`` say what that means for the command, with the reason at ``{}``. Raises
        LogUnavailable if no broker answers, FatalError if transactions may not be used.
        """
        self.connection = connect_producer(config, f"{config.kafka.group}-{name}")
        self._taken_over, self._failed = taken_over, failed
        try:
            self.connection.client.init_transactions(ACKNOWLEDGE_SECONDS)
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.retriable():
                raise self.connection.unavailable(reason.str()) from error
            brokers = self.connection.brokers
            raise FatalError(f"no transaction can be begun on {brokers}: {reason.str()}") from error

    def send(self, messages: Sequence[OutgoingMessage]) -> list[str]:
        """Commit messages and return nothing, or return why some were refused: then none is seen.

        Raises LogUnavailable where the outcome is not known, FatalError once another has begun. An aborted
        transaction may still purge what belongs to the next one: that is tried again.
        """
        refusals: list[KafkaError] = []
        for _ in range(_ATTEMPTS):
            try:
                refusals = self._try(messages)
            except BufferError:
                raise LogUnavailable(self._failed.format("it does not keep up")) from None
            except (KafkaException, SystemError) as error:
                self._explain(error)
            refused = [error.str() for error in refusals if error.name() not in _PURGED]
            if refused or not refusals:
                return refused
        return [error.str() for error in refusals]

    def _try(self, messages: Sequence[OutgoingMessage]) -> list[KafkaError]:
        producer = self.connection.client
        refusals: list[KafkaError] = []

        def keep(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                # Nothing is asked of it here: a fatal error may already be on its way out of the client.
                refusals.append(error)

        producer.begin_transaction()
        for message in messages:
            _produce(producer, message, keep)
        if not refusals:
            producer.flush(ACKNOWLEDGE_SECONDS)
        if refusals:
            producer.abort_transaction(ACKNOWLEDGE_SECONDS)
        else:
            # Waits for what is not acknowledged yet, and fails with it.
            producer.commit_transaction(ACKNOWLEDGE_SECONDS)
        return refusals

    def _explain(self, error: Exception) -> NoReturn:
        """Raise what it means; a fatal error may come as SystemError, out of a delivery report."""
        cause = error.__cause__ if isinstance(error, SystemError) else error
        if not isinstance(cause, KafkaException):
            raise error
        reason: KafkaError = cause.args[0]
        if reason.name() in _TAKEN_OVER or reason.fatal():
            raise FatalError(self._taken_over.format(reason.str())) from error
        raise LogUnavailable(self._failed.format(reason.str())) from error


def _flush(producer: Producer, is_stopped: Callable[[], bool]) -> int:
    """Wait until everything is acknowledged; return how much is not, in time."""
    left = len(producer)
    for _ in range(round(ACKNOWLEDGE_SECONDS / _QUEUE_SECONDS)):
        if is_stopped():
            producer.purge(in_queue=True, in_flight=False, blocking=True)
        left = producer.flush(_QUEUE_SECONDS)
        if not left:
            break
    return left


def _has_produced(producer: Producer, message: OutgoingMessage, keep: Callable[..., None]) -> bool:
    """Hand a message to the client; return whether it had room for it."""
    try:
        _produce(producer, message, keep)
    except BufferError:
        return False
    producer.poll(0)
    return True


def _produce(producer: Producer, message: OutgoingMessage, keep: Callable[..., None]) -> None:
    """Hand a message to the client; what that refuses at once is told as what Kafka refuses later."""
    partition = _BY_KEY if message.partition is None else message.partition
    headers: list[Any] = list(message.headers)
    try:
        producer.produce(
            message.stream, message.value, message.key, partition, on_delivery=keep, headers=headers
        )
    except KafkaException as error:
        keep(error.args[0], None)


def _keeper(receipts: list[Receipt], position: int, step: Step) -> Callable[..., None]:
    def keep(error: KafkaError | None, message: Message | None) -> None:
        place: Any = message
        if error is None:
            receipts[position] = Receipt(place.partition(), place.offset())
        elif error.name() != "_PURGE_QUEUE":
            receipts[position] = Receipt(refusal=error.str())
        step(1)

    return keep
