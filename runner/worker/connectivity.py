"""Why Kafka cannot be reached, in words a person can act on.

librdkafka tells a call only that no broker answered; why, it complains of on the side. The complaints
are remembered here, and put beside what there is to do about them.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException

from runner.clock import monotonic_seconds
from runner.errors import LogRefused, LogUnavailable
from runner.worker.kafka_errors import LASTING

_NOT_A_REASON: Final = "_ALL_BROKERS_DOWN"
_SLICE_SECONDS: Final = 1.0
_HANDSHAKE_SECONDS: Final = 5.0
_REMEDIES: Final = (
    (
        "sasl",
        "check sasl.username, sasl.password and sasl.mechanism in kafka.properties or kafka.secretFiles",
    ),
    ("certificate", "check ssl.ca.location in kafka.properties, and the broker's certificate"),
    ("ssl connection closed", "check security.protocol in kafka.properties: the broker speaks no TLS there"),
    ("failed to get metadata", "check kafka.brokers, and security.protocol in kafka.properties"),
    ("security.protocol", "check security.protocol in kafka.properties: the broker may want TLS there"),
)
_OTHERWISE: Final = "check kafka.brokers, or start it"

Found = TypeVar("Found")


class Polled(Protocol):
    """A client of librdkafka; it hands complaints over inside ``poll``."""

    def poll(self, timeout: float) -> Any:
        """Serve callbacks."""
        ...


class LastError:
    """The last complaint of a client; given to it as ``error_cb``."""

    def __init__(self) -> None:
        self.last = ""
        self.is_final = False

    def __call__(self, error: KafkaError) -> None:
        """Remember it."""
        if error.name() != _NOT_A_REASON:
            self.last = error.str()
            self.is_final = error.code() in LASTING


def first_answer(
    ask: Callable[[float], Found], client: Polled, complaints: LastError, seconds: float
) -> Found:
    """Return what ``ask`` gets, asked again until the time is over or the broker has refused.

    ``ask`` takes its time-out in seconds. Raises the KafkaException of the last try.
    """
    give_up = monotonic_seconds() + seconds
    while True:
        try:
            return ask(min(_SLICE_SECONDS, seconds))
        except KafkaException:
            client.poll(0)
            if complaints.is_final or monotonic_seconds() > give_up:
                raise


def unreachable(
    brokers: str, reason: str, properties: Mapping[str, Any], *, is_final: bool = False
) -> LogUnavailable:
    """Return the error for brokers that do not answer: what they said, and the way out.

    ``is_final``: they refuse, and will go on to.
    """
    said = reason.lower()
    if "certificate" in said:
        reason = certificate_fault(brokers, str(properties.get("ssl.ca.location", ""))) or reason
    remedy = next((remedy for word, remedy in _REMEDIES if word in _without_address(said)), _OTHERWISE)
    kind = LogRefused if is_final else LogUnavailable
    return kind(f"Kafka at {brokers} does not answer ({reason}); {remedy}")


def certificate_fault(brokers: str, ca_file: str) -> str | None:
    """Return what is wrong with the certificate of the first broker; None where that cannot be told.

    librdkafka only says that there is something.
    """
    host, _, port = brokers.partition(",")[0].strip().rpartition(":")
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        with (
            socket.create_connection((host, int(port)), _HANDSHAKE_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return f"the broker's certificate is refused: {error.verify_message}"
    except (OSError, ValueError):
        return None


def _without_address(said: str) -> str:
    """Every complaint begins with the protocol and address of its broker: ``sasl_ssl://…: ``."""
    return said.partition("bootstrap: ")[2] or said
