"""Writes messages of the changelog for a command: some at a time, each time in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from runner.actions.decision import OutgoingMessage
from runner.cli.sending import ACKNOWLEDGE_SECONDS
from runner.config import Config
from runner.errors import FatalError, LogUnavailable
from runner.kafka.clients import Connection, connect_producer

_TAKEN_OVER: Final = frozenset({"_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"})
_AGAIN: Final = 'run "runner restore --fill-changelog" again: what it has written is kept'


def connect_writer(config: Config) -> Connection[Producer]:
    """Return a producer whose transactions may begin; any other writer of this group ends with that.

    Raises LogUnavailable if no broker answers, FatalError if transactions may not be used.
    """
    connection = connect_producer(config, f"{config.kafka.group}-fill-changelog")
    try:
        # A transaction that a writer before this one left open is aborted by it.
        connection.client.init_transactions(ACKNOWLEDGE_SECONDS)
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.retriable():
            raise connection.unavailable(reason.str()) from error
        raise FatalError(f"no transaction can be begun on {connection.brokers}: {reason.str()}") from error
    return connection


class ChangelogWriter:
    """Sends what it is given, whole or not at all."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def send(self, emits: Sequence[OutgoingMessage]) -> None:
        """Return once these are committed. Raises LogUnavailable, or FatalError if one is refused."""
        producer = self._producer
        refused: list[KafkaError] = []

        def keep(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                refused.append(error)

        try:
            producer.begin_transaction()
            for emit in emits:
                partition = -1 if emit.partition is None else emit.partition
                producer.produce(
                    emit.stream, emit.value, emit.key, partition, on_delivery=keep, headers=list(emit.headers)
                )
                producer.poll(0)
            left = producer.flush(ACKNOWLEDGE_SECONDS)
            if refused or left:
                producer.abort_transaction(ACKNOWLEDGE_SECONDS)
                why = refused[0].str() if refused else f"no answer within {ACKNOWLEDGE_SECONDS:g} s"
                raise LogUnavailable(f"Kafka does not take the changelog: {why}; {_AGAIN}")
            producer.commit_transaction(ACKNOWLEDGE_SECONDS)
        except BufferError:
            raise LogUnavailable(f"Kafka does not keep up with the changelog; {_AGAIN}") from None
        except (KafkaException, SystemError) as error:
            raise _failed(error) from error


def _failed(error: Exception) -> Exception:
    """Return what is said; a fatal error of the client may come as SystemError, out of a delivery report."""
    cause = error.__cause__ if isinstance(error, SystemError) else error
    if not isinstance(cause, KafkaException):
        return error
    reason: KafkaError = cause.args[0]
    if reason.name() in _TAKEN_OVER or reason.fatal():
        return FatalError(f"another filling of this changelog was started ({reason.str()}); it goes on")
    return LogUnavailable(f"Kafka did not take the changelog ({reason.str()}); {_AGAIN}")
