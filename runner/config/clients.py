"""Properties and arguments of the clients, from the configuration. They hold real secrets: never log them.

For librdkafka: chosen (the operator may say otherwise) < ``kafka.properties`` < ``kafka.consumer`` or
``kafka.producer`` < fixed (``fixed`` says why).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer
from pydantic import SecretStr

from runner.config.fixed import MAX_IN_FLIGHT, MAX_IN_FLIGHT_NAMES
from runner.config.model import Config
from runner.config.problems import ConfigError, Problem

Properties = dict[str, str | int | float | bool]

TRANSACTION_TIMEOUT_MS: Final = 10_000

_CLIENT_ID: Final = "saga-task-runner"
# Any dead letter must go out, and it is as large as what came in; topics have limits of their own.
_LARGEST_DEAD_LETTER_BYTES: Final = 64 * 1_048_576
# How soon partitions that were added are noticed: five minutes by default.
_REFRESH_MS: Final = 10_000
_CHOSEN_CONSUMER: Final[Mapping[str, str | int | bool]] = {
    "client.id": _CLIENT_ID,
    "topic.metadata.refresh.interval.ms": _REFRESH_MS,
    # A broker answers as soon as there is one byte; the wait only bounds an idle fetch.
    "fetch.min.bytes": 1,
    "fetch.wait.max.ms": 100,
    # A second by default: as long as a full local queue would then stand still after it was emptied.
    "fetch.queue.backoff.ms": 10,
    # What is read ahead is thrown away by every rewind.
    "queued.min.messages": 10_000,
}
_CHOSEN_PRODUCER: Final[Mapping[str, str | int | bool]] = {
    "client.id": _CLIENT_ID,
    "topic.metadata.refresh.interval.ms": _REFRESH_MS,
    # A batch is flushed at its end whatever this says; it only lets requests fill up meanwhile.
    "linger.ms": 2,
    # A broker that still writes the markers of the last transaction puts the next one off; with the
    # client's usual 100 ms the small batches of a quiet worker wait ten times as long as they work.
    "retry.backoff.ms": 5,
    "retry.backoff.max.ms": 50,
    "message.max.bytes": _LARGEST_DEAD_LETTER_BYTES,
}


def consumer_properties(config: Config) -> Properties:
    """Return the properties of the worker's consumer; ``bootstrap.servers`` is there even if empty."""
    chosen, fixed = _group(config)
    return (
        dict(_CHOSEN_CONSUMER)
        | chosen
        | _operators(config.kafka.properties, config.kafka.consumer)
        | fixed
        | {
            "bootstrap.servers": config.kafka.brokers,
            "group.id": config.kafka.group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": False,
            "auto.offset.reset": "error",
        }
    )


def producer_properties(config: Config) -> Properties:
    """Return the properties of the worker's producer, but for ``transactional.id``.

    With exactly_once the worker adds that, new for every process. With at_least_once nothing in here
    needs a broker that knows transactions or idempotence.
    """
    operators = _operators(config.kafka.properties, config.kafka.producer)
    common = (
        dict(_CHOSEN_PRODUCER)
        | operators
        | {"bootstrap.servers": config.kafka.brokers, "acks": "all", "partitioner": "murmur2_random"}
    )
    if config.delivery == "exactly_once":
        return common | {"enable.idempotence": True, "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS}
    if not any(name in operators for name in MAX_IN_FLIGHT_NAMES):
        common["max.in.flight"] = MAX_IN_FLIGHT
    return common | {"enable.idempotence": False}


def client_properties(config: Config) -> Properties:
    """Return the properties of a client of a command: address and security, and no more."""
    return (
        {"client.id": _CLIENT_ID}
        | _operators(config.kafka.properties)
        | {"bootstrap.servers": config.kafka.brokers}
    )


def registry_settings(config: Config) -> Properties:
    """Return the settings of the schema registry's client, which is made only where there is a URL.

    It never asks twice by itself: the loop does, and must poll in between.
    """
    registry = config.schema_registry
    return _operators(registry.properties) | {
        "url": "" if registry.url is None else registry.url.get_secret_value(),
        "timeout": registry.timeout_ms / 1000,
        "max.retries": 0,
    }


def check_properties(config: Config) -> None:
    """Return if librdkafka accepts the properties; otherwise raise ConfigError with the reason it gives.

    Makes both clients without a broker's address and drops them: no connection, but files named by
    the properties (certificates) are read.
    """
    quiet: Properties = {"log_level": 2}
    problems = []
    for client, properties in (
        (Consumer, consumer_properties(config)),
        (Producer, producer_properties(config)),
    ):
        unconnected = {name: value for name, value in properties.items() if name != "bootstrap.servers"}
        try:
            client(unconnected | quiet)
        except (KafkaException, TypeError) as error:
            problems.append(_refused(config, client.__name__.lower(), error))
    if problems:
        raise ConfigError(problems)


def _refused(config: Config, client: str, error: Exception) -> Problem:
    reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    return Problem(
        config.source,
        f"kafka.{client}",
        f"is refused by librdkafka: {reason}",
        "correct or remove the property",
    )


def _group(config: Config) -> tuple[Properties, Properties]:
    """Return the properties of the group membership: those an operator may override, and the fixed ones.

    In the consumer protocol the broker sets the times, and librdkafka refuses to be told any.
    """
    if config.kafka.assignment == "consumer":
        return {}, {"group.protocol": "consumer"}
    session_timeout_ms = config.worker.session_timeout_ms
    return {"heartbeat.interval.ms": min(3000, session_timeout_ms // 3)}, {
        "session.timeout.ms": session_timeout_ms,
        "partition.assignment.strategy": config.kafka.assignment,
    }


def _operators(*layers: Mapping[str, str | SecretStr]) -> Properties:
    merged: Properties = {}
    for layer in layers:
        for name, value in layer.items():
            merged[name] = value.get_secret_value() if isinstance(value, SecretStr) else value
    return merged


def redis_arguments(config: Config) -> dict[str, Any]:
    """Return the arguments of redis-py for every data node: user, password and TLS."""
    redis = config.redis
    return _who(redis.username, redis.password) | _tls(config)


def sentinel_arguments(config: Config) -> dict[str, Any]:
    """Return the arguments of redis-py for every Sentinel: user, password and TLS."""
    sentinel = config.redis.sentinel
    return _who(sentinel.username, sentinel.password) | _tls(config)


def redis_url(config: Config) -> str:
    """Return the URL of the standalone server; its scheme says whether TLS is used."""
    url = config.redis.url.get_secret_value()
    return (
        f"rediss{url.removeprefix('redis')}" if config.redis.tls.enabled and url.startswith("redis:") else url
    )


def redis_nodes(config: Config) -> list[tuple[str, int]]:
    """Return host and port of every node in redis.nodes; an IPv6 host without its brackets."""
    named = [node.rpartition(":") for node in config.redis.nodes]
    return [(host.strip("[]"), int(port)) for host, _, port in named]


def _who(username: str | None, password: SecretStr | None) -> dict[str, Any]:
    named = {"username": username, "password": None if password is None else password.get_secret_value()}
    return {name: value for name, value in named.items() if value is not None}


def _tls(config: Config) -> dict[str, Any]:
    tls = config.redis.tls
    by_url = config.redis.url.get_secret_value().startswith("rediss:")
    if not (tls.enabled or by_url):
        return {}
    files = {"ssl_ca_certs": tls.ca_file, "ssl_certfile": tls.cert_file, "ssl_keyfile": tls.key_file}
    # A URL says so in its scheme, and takes no second word.
    ssl_on = {} if config.redis.topology == "standalone" else {"ssl": True}
    return (
        ssl_on
        | {"ssl_check_hostname": tls.check_hostname}
        | {k: v for k, v in files.items() if v is not None}
    )


def check_tls_files(config: Config) -> None:
    """Return if the TLS files of Redis can be used; otherwise raise ConfigError naming each that cannot."""
    tls = config.redis.tls
    context = ssl.create_default_context()
    problems = []
    if tls.ca_file is not None:
        problems += _unusable(
            config, "caFile", tls.ca_file, lambda: context.load_verify_locations(tls.ca_file)
        )
    if tls.cert_file is not None:
        pair = f"{tls.cert_file} (key {tls.key_file})"
        problems += _unusable(
            config,
            "certFile",
            pair,
            # Without a password a key that has one would be asked for at a terminal.
            lambda: context.load_cert_chain(tls.cert_file or "", tls.key_file, password=""),
        )
    if problems:
        raise ConfigError(problems)


def _unusable(config: Config, key: str, named: str, read: Callable[[], None]) -> list[Problem]:
    try:
        read()
    except (OSError, ssl.SSLError) as error:
        what = f"names {named}, which cannot be used: {error.strerror or error}"
        return [Problem(config.source, f"redis.tls.{key}", what, "correct the path, or the file (PEM)")]
    return []
