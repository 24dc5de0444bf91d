"""What settings must not say together.

A contradiction names both settings. It is left out while one of them is broken in itself: so all
problems of a configuration are found at once, and none that only follows from another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from pydantic import SecretStr

from runner.config.fixed import MAX_IN_FLIGHT, MAX_IN_FLIGHT_NAMES
from runner.config.model import Config
from runner.config.schema_tree import Path
from runner.config.sections import DEFAULT_REDIS_URL, MetaValue

_OF_ONE_TASK: Final = ("ProceedTask", "TimeoutTask")
_SIZES: Final = (("producer", "message.max.bytes", 0), ("consumer", "receive.message.max.bytes", 1024))
"""Client, property, and what comes round the largest event: a fetch comes whole, or never."""

_NODES: Final = "list host:port of some of them"
_TOPOLOGY_OR_NODES: Final = "set redis.topology to sentinel or cluster, or name the server in redis.url"


class BrokenRule(NamedTuple):
    """The setting to change, the one it contradicts, what is wrong, and the way out."""

    path: Path
    other: Path
    what: str
    remedy: str


def broken_rules(config: Config, broken: Iterable[Path]) -> list[BrokenRule]:
    """Everything the settings contradict each other in, but for settings at or below ``broken``."""
    unreliable = tuple(broken)
    return [
        found
        for rule in _RULES
        for found in rule(config)
        if not any(_at_or_below(found.path, path) or _at_or_below(found.other, path) for path in unreliable)
    ]


def _at_or_below(path: Path, above: Path) -> bool:
    return path[: len(above)] == above


def _distinct_topics(config: Config) -> Iterator[BrokenRule]:
    taken: dict[str, str] = {}
    topics = config.topics
    for key, name in (
        ("requests", topics.requests),
        ("responses", topics.responses),
        ("deadLetters", topics.dead_letters),
        ("tasks", topics.tasks),
    ):
        if name is None:
            continue
        if name in taken:
            yield BrokenRule(
                ("topics", key),
                ("topics", taken[name]),
                f"is {name}, as is topics.{taken[name]}",
                "give each its own topic",
            )
        taken.setdefault(name, key)


def _streams(config: Config) -> Iterator[BrokenRule]:
    topics = config.topics
    for key, name in (
        ("requests", topics.requests),
        ("deadLetters", topics.dead_letters),
        ("tasks", topics.tasks),
    ):
        if name in config.responses.streams:
            yield BrokenRule(
                ("responses", "streams"),
                ("topics", key),
                f"lists {name}, which is topics.{key}",
                "remove it from the list: a response there would be taken for something else",
            )


def _input_topics(config: Config) -> Iterator[BrokenRule]:
    topics = config.topics
    taken: dict[str, Path] = dict.fromkeys(config.responses.streams, ("responses", "streams"))
    taken |= {
        topics.requests: ("topics", "requests"),
        topics.responses: ("topics", "responses"),
        topics.dead_letters: ("topics", "deadLetters"),
    }
    if topics.tasks is not None:
        taken[topics.tasks] = ("topics", "tasks")
    for name, topic in config.input_topics().items():
        if topic in taken:
            yield BrokenRule(
                ("inputs", name, "topic"),
                taken[topic],
                f"is {topic}, as is {'.'.join(taken[topic])}",
                "give the payloads a topic of their own",
            )
        taken.setdefault(topic, ("inputs", name, "topic"))


def _input_domains(config: Config) -> Iterator[BrokenRule]:
    given = {"domain"} & config.meta.defaults().keys() | {"domain"} & config.meta.overrides().keys()
    for name, each in config.inputs.items():
        where = ("inputs", name, "domain")
        if each.domain is not None and each.domain not in config.domains:
            known = ", ".join(config.domains)
            yield BrokenRule(where, ("domains",), f"is {each.domain}, not one of domains", f"use {known}")
        if each.domain is None and not given and each.action in _OF_ONE_TASK:
            yield BrokenRule(where, ("meta",), f"is missing: {each.action} needs one", "set it")


def _input_streams(config: Config) -> Iterator[BrokenRule]:
    allowed = {config.topics.responses, *config.responses.streams}
    for name, each in config.inputs.items():
        if each.response_stream is not None and each.response_stream not in allowed:
            yield BrokenRule(
                ("inputs", name, "responseStream"),
                ("responses", "streams"),
                f"is {each.response_stream}, which is not listed under responses.streams",
                "list it there",
            )


def _input_ids(config: Config) -> Iterator[BrokenRule]:
    for name, each in config.inputs.items():
        if each.request_id_header is not None and each.request_id_path is not None:
            yield BrokenRule(
                ("inputs", name, "requestIdPath"),
                ("inputs", name, "requestIdHeader"),
                "is set, while requestIdHeader is as well",
                "keep one of them",
            )


def _input_callers(config: Config) -> Iterator[BrokenRule]:
    """The caller of an input is written where events usually have it: it must be looked for there."""
    if not any(each.action == "ProceedTask" for each in config.inputs.values()):
        return
    event = {"requestMeta": {"claims": {"sub": "user", "roles": ["role"]}}}
    for key, expressions, expected in (
        ("user", config.caller.user, "user"),
        ("roles", config.caller.roles, ["role"]),
    ):
        with suppress(JMESPathError):  # What only the runner's own functions tell is left to them.
            if _first_found(expressions, event) == expected:
                continue
            place = "requestMeta.claims." + ("sub" if key == "user" else "roles")
            yield BrokenRule(
                ("caller", key),
                ("inputs",),
                f"does not look at {place}, where the caller of an input is",
                f"add {place} at its end, or remove the input",
            )


def _first_found(expressions: Iterable[str], event: Mapping[str, Any]) -> Any:
    for expression in expressions:
        with suppress(JMESPathTypeError):  # One that fails says nothing, here as in an event.
            found = jmespath.search(expression, event)
            if found is not None:
                return found
    return None


def _encoded_topics(config: Config) -> Iterator[BrokenRule]:
    topics = config.topics
    chosen = {topics.requests, topics.responses, *config.responses.streams}
    for name in config.encoding.topics:
        if name not in chosen:
            dead = "keeps the bytes of its messages as they came" if name == topics.dead_letters else None
            yield BrokenRule(
                ("encoding", "topics", name),
                ("topics",),
                dead or "is no topic whose encoding can be chosen",
                "name topics.requests, topics.responses or one of responses.streams, or remove it",
            )


def _registry_named(config: Config) -> Iterator[BrokenRule]:
    encoding = config.encoding
    settings: list[tuple[Path, str]] = [(("encoding", "default"), encoding.default)]
    settings += [(("encoding", "topics", name), used) for name, used in encoding.topics.items()]
    for path, used in settings:
        if used == "confluent-avro" and config.schema_registry.url is None:
            yield BrokenRule(
                path,
                ("schemaRegistry", "url"),
                "is confluent-avro, but there is no registry",
                "set schemaRegistry.url, or use avro, which needs none",
            )


def _empty_or_restored(config: Config) -> Iterator[BrokenRule]:
    if config.topics.are_tasks_given and config.restores and config.redis.start_empty:
        yield BrokenRule(
            ("redis", "startEmpty"),
            ("topics", "tasks"),
            "is true, while topics.tasks is set",
            "remove it: the tasks that Redis has lost are restored from that topic",
        )


def _password_once(config: Config) -> Iterator[BrokenRule]:
    redis = config.redis
    url = urlsplit(redis.url.get_secret_value())
    for key, value, in_url in (
        ("username", redis.username, url.username),
        ("password", redis.password, url.password),
    ):
        if value is not None and in_url:
            yield BrokenRule(
                ("redis", key),
                ("redis", "url"),
                "is set, while redis.url has one of its own",
                "keep one of them",
            )


def _topology(config: Config) -> Iterator[BrokenRule]:
    """Where the nodes are is said once, in the setting that belongs to the topology."""
    redis = config.redis
    other = ("redis", "topology")
    if redis.topology == "standalone":
        if redis.nodes:
            yield BrokenRule(
                ("redis", "nodes"), other, "is set, while redis.topology is standalone", _TOPOLOGY_OR_NODES
            )
    else:
        if not redis.nodes:
            yield BrokenRule(
                ("redis", "nodes"), other, f"is empty, while redis.topology is {redis.topology}", _NODES
            )
        if redis.url.get_secret_value() != DEFAULT_REDIS_URL:
            yield BrokenRule(
                ("redis", "url"),
                other,
                f"is set, while redis.topology is {redis.topology}",
                "remove it, and list redis.nodes",
            )
    if (redis.topology == "sentinel") != (redis.sentinel.master is not None):
        yield BrokenRule(
            ("redis", "sentinel", "master"),
            other,
            f"is {'not ' if redis.sentinel.master is None else ''}set, "
            f"while redis.topology is {redis.topology}",
            "set it to the name in the Sentinels' configuration"
            if redis.sentinel.master is None
            else "remove it, or set redis.topology to sentinel",
        )


def _tls(config: Config) -> Iterator[BrokenRule]:
    """What is only for TLS needs TLS, and a certificate needs its key."""
    tls, scheme = config.redis.tls, urlsplit(config.redis.url.get_secret_value()).scheme
    files = {"caFile": tls.ca_file, "certFile": tls.cert_file, "keyFile": tls.key_file}
    if not tls.enabled and scheme != "rediss":
        for key, value in files.items():
            if value is not None:
                yield BrokenRule(
                    ("redis", "tls", key),
                    ("redis", "tls", "enabled"),
                    "is set, while TLS is off",
                    "set redis.tls.enabled to true",
                )
    if tls.enabled and scheme == "unix":
        yield BrokenRule(
            ("redis", "tls", "enabled"), ("redis", "url"), "is true, while redis.url is a socket", "remove it"
        )
    for key, other in (("certFile", "keyFile"), ("keyFile", "certFile")):
        if files[key] is not None and files[other] is None:
            yield BrokenRule(
                ("redis", "tls", other),
                ("redis", "tls", key),
                f"is not set, while redis.tls.{key} is",
                "set both or none",
            )


def _in_flight(config: Config) -> Iterator[BrokenRule]:
    kafka = config.kafka
    for key, properties in (("properties", kafka.properties), ("producer", kafka.producer)):
        for name in MAX_IN_FLIGHT_NAMES:
            if _whole_number(properties.get(name), MAX_IN_FLIGHT) > MAX_IN_FLIGHT:
                yield BrokenRule(
                    ("kafka", key, name),
                    ("kafka", key, name),
                    f"is more than {MAX_IN_FLIGHT}, where the broker no longer keeps the order",
                    f"set it to {MAX_IN_FLIGHT} or less",
                )


def _event_fits(config: Config) -> Iterator[BrokenRule]:
    largest = config.limits.event_bytes
    if config.worker.batch_bytes < largest:
        yield BrokenRule(
            ("worker", "batchBytes"),
            ("limits", "eventBytes"),
            f"is less than limits.eventBytes ({largest})",
            "raise it to that",
        )


def _clients_fit(config: Config) -> Iterator[BrokenRule]:
    largest, kafka = config.limits.event_bytes, config.kafka
    of_clients = {"properties": kafka.properties, "producer": kafka.producer, "consumer": kafka.consumer}
    for client, name, more in _SIZES:
        least = largest + more
        for key in ("properties", client):
            if _whole_number(of_clients[key].get(name), least) < least:
                extra = f" with the {more} bytes that come with it" if more else ""
                yield BrokenRule(
                    ("kafka", key, name),
                    ("limits", "eventBytes"),
                    f"is less than limits.eventBytes ({largest}){extra}",
                    "lower limits.eventBytes as well, or remove it",
                )


def _whole_number(value: str | SecretStr | None, otherwise: int) -> int:
    """What is no number is left to librdkafka, which knows the range as well."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value) else otherwise


def _trust(config: Config) -> Iterator[BrokenRule]:
    for name, domain in config.domains.items():
        if domain.trust_payload and not domain.check_roles:
            yield BrokenRule(
                ("domains", name, "trustPayload"),
                ("domains", name, "checkRoles"),
                "has no effect while checkRoles is false",
                "set one of them the other way",
            )


def _default_or_override(config: Config) -> Iterator[BrokenRule]:
    values: list[tuple[Path, MetaValue]] = [
        (("meta", name), value) for name, value in (config.meta.__pydantic_extra__ or {}).items()
    ]
    values += [(("meta", "parameters", name), value) for name, value in config.meta.parameters.items()]
    for path, value in values:
        if {"default", "override"} <= value.model_fields_set:
            yield BrokenRule(
                (*path, "default"),
                (*path, "override"),
                "is never used, for override always wins",
                "keep one of them",
            )


_RULES: Final[tuple[Callable[[Config], Iterator[BrokenRule]], ...]] = (
    _distinct_topics,
    _streams,
    _input_topics,
    _input_domains,
    _input_streams,
    _input_ids,
    _input_callers,
    _empty_or_restored,
    _encoded_topics,
    _registry_named,
    _password_once,
    _topology,
    _tls,
    _in_flight,
    _event_fits,
    _clients_fit,
    _trust,
    _default_or_override,
)
