"""Connectivity: why Kafka cannot be reached, and what a person can do about it.

A call of librdkafka fails with no more than that no broker answered; the reason comes in an error callback.
The last error is kept here, and named together with its remedy.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException

from runner.clock import monotonic_seconds
from runner.errors import LogRefused, LogUnavailable
from runner.kafka.errors import LASTING

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

Answer = TypeVar("Answer")


class Polled(Protocol):
    """A client of librdkafka; its error callback runs inside ``poll``."""

    def poll(self, timeout: float) -> Any: ...


class LastError:
    """The last error of a client; passed to it as ``error_cb``."""

    def __init__(self) -> None:
        self.last = ""
        self.is_final = False

    def __call__(self, error: KafkaError) -> None:
        """Keep an error that names a reason."""
        if error.name() != _NOT_A_REASON:
            self.last = error.str()
            self.is_final = error.code() in LASTING


def first_answer(
    ask: Callable[[float], Answer], client: Polled, last_error: LastError, seconds: float
) -> Answer:
    """Return the answer of ``ask``, repeated until the time is over or the broker has refused.

    ``ask`` takes its time-out in seconds. Raises the KafkaException of the last try.
    """
    deadline = monotonic_seconds() + seconds
    while True:
        try:
            return ask(min(_SLICE_SECONDS, seconds))
        except KafkaException:
            client.poll(0)
            if last_error.is_final or monotonic_seconds() > deadline:
                raise


def unreachable(
    brokers: str, reason: str, properties: Mapping[str, Any], *, is_final: bool = False
) -> LogUnavailable:
    """Return the error for brokers that do not answer: the reason, and the way out.

    ``is_final``: the brokers refuse, which does not pass by itself.
    """
    text = reason.lower()
    if "certificate" in text:
        reason = certificate_fault(brokers, str(properties.get("ssl.ca.location", ""))) or reason
    remedy = next((remedy for word, remedy in _REMEDIES if word in _without_address(text)), _OTHERWISE)
    kind = LogRefused if is_final else LogUnavailable
    return kind(f"Kafka at {brokers} does not answer ({reason}); {remedy}")


def certificate_fault(brokers: str, ca_file: str) -> str | None:
    """Return the fault in the certificate of the first broker; None where it is not known.

    librdkafka reports only that there is one.
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


def _without_address(text: str) -> str:
    """Return an error text without the protocol and address that begin it: ``sasl_ssl://…: ``."""
    return text.partition("bootstrap: ")[2] or text
