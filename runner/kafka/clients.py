"""Kafka clients that write nothing to the terminal: the last error is kept, and named where a call fails.

Of commands, and of a worker before it reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ClusterMetadata

from runner.clock import Ticker, monotonic_seconds
from runner.config import Config, check_properties, consumer_properties, producer_properties
from runner.config.clients import client_properties
from runner.errors import FatalError, LogUnavailable
from runner.kafka.connectivity import LastError, first_answer, unreachable

ANSWER_SECONDS: Final = 10.0
"""How long a broker that is there may take to do what a command asks of it."""

FIRST_ANSWER_SECONDS: Final = 5.0
"""How long a broker may take to answer the first time: a person is waiting."""

_QUIET: Final[dict[str, Any]] = {"log_level": 0}

_PASSING: Final = frozenset({"NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "_WAIT_COORD"})
_AGAIN_SECONDS: Final = 0.1

Answer = TypeVar("Answer")
Client = TypeVar("Client", Consumer, Producer, AdminClient)


class BrokerConnection(Generic[Client]):
    """A client, the brokers it talks to, and its last error."""

    def __init__(self, client: Client, config: Config, last_error: LastError) -> None:
        self.client: Client = client
        self.brokers = config.kafka.brokers
        self._properties = client_properties(config)
        self._last_error = last_error

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turn the client's errors into LogUnavailable, with the broker, the reason and the way out."""
        try:
            yield
        except KafkaException as error:
            raise self.unavailable(error.args[0].str()) from error

    def ask(self, question: Callable[[], Answer], ticker: Ticker = monotonic_seconds) -> Answer:
        """Return the answer of a broker; one that will be there in a moment is asked again.

        A partition that was just made, or moves, has no leader for a while. Raises LogUnavailable.
        """
        deadline_seconds = ticker() + ANSWER_SECONDS
        while True:
            try:
                with self.answering():
                    return question()
            except LogUnavailable as error:
                reason = error.__cause__
                is_passing = isinstance(reason, KafkaException) and reason.args[0].name() in _PASSING
                if not is_passing or ticker() > deadline_seconds:
                    raise
            time.sleep(_AGAIN_SECONDS)

    def unavailable(self, what: str) -> LogUnavailable:
        """Return LogUnavailable with the last error of the client, else with ``what``, and the way out."""
        # Errors are handed over only inside a poll.
        self.client.poll(0)
        reason = self._last_error.last or what
        return unreachable(self.brokers, reason, self._properties, is_final=self._last_error.is_final)

    def metadata(self) -> ClusterMetadata:
        """Return the cluster with all its topics; LogUnavailable if no broker answers in time.

        All, because a broker may create a topic that is asked for by its name.
        """
        with self.answering():
            metadata: ClusterMetadata = first_answer(
                lambda seconds: self.client.list_topics(timeout=seconds),
                self.client,
                self._last_error,
                FIRST_ANSWER_SECONDS,
            )
        return metadata

    def partitions_of(self, names: Collection[str]) -> dict[str, int]:
        """Return the number of partitions of each topic; FatalError if one does not exist."""
        known = self.metadata().topics
        missing = [name for name in names if name not in known]
        if missing:
            raise FatalError(
                f"there is no topic {', '.join(missing)} at {self.brokers}; "
                'run "runner topics create", or name yours under `topics`'
            )
        return {name: len(known[name].partitions) for name in names}


def connect_consumer(config: Config) -> BrokerConnection[Consumer]:
    """Return a consumer that reads without joining a group; ConfigError if no broker is named."""
    properties = consumer_properties(config) | {
        # Named, because librdkafka asks for it; nothing is committed and nobody joins.
        "group.id": f"{config.kafka.group}.command-line",
        # Where a topic ends is told, for those who read to its end.
        "enable.partition.eof": True,
        # Only for what is deleted while it is read.
        "auto.offset.reset": "earliest",
    }
    return _connect(Consumer, properties, config)


def connect_producer(config: Config, transactional_id: str | None = None) -> BrokerConnection[Producer]:
    """Return a producer like the worker's; ConfigError if no broker is named.

    Without transactions, or with those of an id that one process at a time may have.
    """
    properties = dict(producer_properties(config))
    if transactional_id is not None:
        properties["transactional.id"] = transactional_id
    return _connect(Producer, properties, config)


def connect_admin(config: Config) -> BrokerConnection[AdminClient]:
    """Return an admin client; ConfigError if no broker is named."""
    return _connect(AdminClient, client_properties(config), config)


def _connect(kind: type[Client], properties: Mapping[str, Any], config: Config) -> BrokerConnection[Client]:
    """Return a client; ConfigError names the property that librdkafka refuses."""
    config.require_brokers()
    last_error = LastError()
    try:
        client = kind(_QUIET | dict(properties) | {"error_cb": last_error})
    except KafkaException as error:
        check_properties(config)
        raise FatalError(f"librdkafka refuses the properties of a client: {error.args[0].str()}") from error
    return BrokerConnection(client, config, last_error)
