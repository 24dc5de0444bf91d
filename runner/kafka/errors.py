"""Errors of librdkafka: which pass by themselves, which do not, and their text with the way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from runner.errors import FatalError, Fenced, LogRefused, LogUnavailable

PASSING: Final = frozenset(
    {
        KafkaError._PARTITION_EOF,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
    }
)
GONE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
LASTING: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.SECURITY_DISABLED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.UNSUPPORTED_VERSION,
    }
)
"""Errors that waiting does not mend: the broker answers, and refuses."""
_TOO_LARGE: Final = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.INVALID_MSG}
)

_PROTOCOL: Final = (
    "kafka.assignment: consumer (KIP-848) needs Kafka 4.0 or later, with group.version 1; "
    "set range or cooperative-sticky"
)
_REFUSALS: Final[Mapping[int, str]] = {
    KafkaError.GROUP_AUTHORIZATION_FAILED: (
        "no permission for group {group!r}: allow Read on it (kafka-acls --group)"
    ),
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: (
        "the other members of group {group!r} share its partitions otherwise: give all workers the same "
        "kafka.assignment, and stop all before it is changed"
    ),
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
        "no permission for transactional ids that begin with '{group}-': allow Write on that prefix "
        "(kafka-acls --transactional-id --resource-pattern-type prefixed)"
    ),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: (
        "no permission to write as an idempotent producer: allow IdempotentWrite on the cluster"
    ),
    KafkaError.UNSUPPORTED_VERSION: _PROTOCOL,
    KafkaError._UNSUPPORTED_FEATURE: _PROTOCOL,
}


def is_too_large(errors: Collection[KafkaError]) -> bool:
    """Whether a message was refused for its size or content, not for an outage."""
    return any(error.code() in _TOO_LARGE for error in errors)


def reason_of(error: KafkaException) -> KafkaError:
    """Return what the client says of an error."""
    reason: KafkaError = error.args[0]
    return reason


def unavailable(reason: KafkaError, why: str, *, refused: bool) -> LogUnavailable | Fenced:
    """Return the error for a call that failed: Fenced where only a fresh process can go on."""
    if reason.fatal() or reason.code() == KafkaError._FENCED:
        return Fenced(f"the producer was fenced or failed for good: {reason}")
    return LogUnavailable(f"Kafka refused the batch: {why}", refused=refused)


def unreachable(text: str, error: BaseException) -> LogUnavailable:
    """Return the error for a call without an answer: LogRefused where repeating it is of no use."""
    reason = error.args[0] if error.args else None
    lasting = isinstance(reason, KafkaError) and reason.code() in LASTING
    return LogRefused(text) if lasting else LogUnavailable(text)


def refusal(error: KafkaError, group: str) -> FatalError | None:
    """Return the error that ends a worker refused at its start; None for other errors."""
    words = _REFUSALS.get(error.code())
    return None if words is None else FatalError(f"{words.format(group=group)} ({error.str()})")


def never_taken_in(group: str, seconds: float) -> FatalError:
    """Return the error that ends a worker whose group did not answer: its protocol may be unknown."""
    return FatalError(f"group {group!r} did not take this worker in within {seconds:.0f} s: {_PROTOCOL}")


def failed_delivery(topic: str | None, error: KafkaError) -> str:
    """Return the reason why a message was not delivered."""
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return _missing("Write", topic)
    return f"a message to {topic} was not delivered: {error.str()}"


def failed_transaction(topics: Collection[str], error: KafkaError) -> str:
    """Return the reason why a transaction on these topics failed; the broker does not name the one."""
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and topics:
        return _missing("Write", " or ".join(sorted(topics)))
    return str(error)


def failed_fetch(topic: str, error: KafkaError) -> str:
    """Return the reason why nothing is read."""
    return _missing("Read", topic) if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else error.str()


def _missing(operation: str, topic: str | None) -> str:
    return f"no permission: {operation} on topic {topic}; allow it (kafka-acls --topic)"
