"""Rules across sections: combinations of settings that are refused.

The rules of one section stand in the section. A broken rule names both settings. It is left out while one of
them is broken in itself: so all problems of a configuration are reported at once, and none that only follows
from another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError

from runner.config.model import Config
from runner.config.sections.kafka import whole_number
from runner.config.sections.section import BrokenRule, Path

_OF_ONE_TASK: Final = ("ProceedTask", "TimeoutTask")
_SIZES: Final = (("producer", "message.max.bytes", 0), ("consumer", "receive.message.max.bytes", 1024))
"""Client, property, and what comes round the largest event: a fetch comes whole, or never."""

_STREAMS: Final = ("responses", "streams")
_EVENT_BYTES: Final = ("limits", "eventBytes")


def broken_rules(config: Config, broken: Iterable[Path]) -> list[BrokenRule]:
    """Return every rule that the settings break, but for those about settings at or below ``broken``."""
    unreliable = tuple(broken)
    return [
        each
        for rule in (Config.broken_rules, *_RULES)
        for each in rule(config)
        if not any(path in (each.path[: len(path)], each.other[: len(path)]) for path in unreliable)
    ]


def _topics(config: Config) -> Iterator[BrokenRule]:
    named = config.topics.named()
    for key, name in named.items():
        if key != "responses" and name in config.responses.streams:
            what = f"lists {name}, which is topics.{key}"
            remedy = "remove it from the list: a response there would be taken for something else"
            if key == "replies":
                remedy = (
                    "remove it from the list, since it is always allowed; or name another, or null, there"
                )
            yield BrokenRule(_STREAMS, ("topics", key), what, remedy)
    taken: dict[str, Path] = dict.fromkeys(config.responses.streams, _STREAMS)
    taken |= {name: ("topics", key) for key, name in named.items()}
    for name, topic in config.input_topics().items():
        if topic in taken:
            what = f"is {topic}, as is {'.'.join(taken[topic])}"
            remedy = "give the payloads a topic of their own"
            yield BrokenRule(("inputs", name, "topic"), taken[topic], what, remedy)
        taken.setdefault(topic, ("inputs", name, "topic"))


def _notifications(config: Config) -> Iterator[BrokenRule]:
    for name, domain in config.domains.items():
        if domain.notify and config.topics.notifications is None:
            what = f"names {domain.notify[0]}, but topics.notifications is null"
            remedy = "name that topic as well, or remove it: nobody would be told"
            yield BrokenRule(("domains", name, "notify"), ("topics", "notifications"), what, remedy)


def _inputs(config: Config) -> Iterator[BrokenRule]:
    has_domain = "domain" in config.meta.defaults() or "domain" in config.meta.overrides()
    allowed = {config.topics.responses, *config.responses.streams}
    for name, each in config.inputs.items():
        where = ("inputs", name, "domain")
        if each.domain is not None and each.domain not in config.domains:
            what, remedy = f"is {each.domain}, not one of domains", f"use {', '.join(config.domains)}"
            yield BrokenRule(where, ("domains",), what, remedy)
        if each.domain is None and not has_domain and each.action in _OF_ONE_TASK:
            yield BrokenRule(where, ("meta",), f"is missing: {each.action} needs one", "set it")
        if each.response_stream is not None and each.response_stream not in allowed:
            what = f"is {each.response_stream}, which is not listed under responses.streams"
            yield BrokenRule(("inputs", name, "responseStream"), _STREAMS, what, "list it there")


def _input_callers(config: Config) -> Iterator[BrokenRule]:
    """Give an error where ``caller`` does not read requestMeta.claims, where the caller of an input is."""
    if not any(each.action == "ProceedTask" for each in config.inputs.values()):
        return
    event = {"requestMeta": {"claims": {"sub": "user", "roles": ["role"]}}}
    caller = config.caller
    for key, claim, expressions in (("user", "sub", caller.user), ("roles", "roles", caller.roles)):
        with suppress(JMESPathError):  # What only the runner's own functions tell is left to them.
            if _first_result(expressions, event) != event["requestMeta"]["claims"][claim]:
                place = f"requestMeta.claims.{claim}"
                what = f"does not look at {place}, where the caller of an input is"
                remedy = f"add {place} at its end, or remove the input"
                yield BrokenRule(("caller", key), ("inputs",), what, remedy)


def _first_result(expressions: Iterable[str], event: Mapping[str, Any]) -> Any:
    for expression in expressions:
        with suppress(JMESPathTypeError):  # One that fails says nothing, here as in an event.
            result = jmespath.search(expression, event)
            if result is not None:
                return result
    return None


def _encodings(config: Config) -> Iterator[BrokenRule]:
    topics, encoding = config.topics, config.encoding
    for name in encoding.topics:
        if name not in {topics.requests, topics.responses, topics.replies, *config.responses.streams}:
            what = "is no topic whose encoding can be chosen"
            if name == topics.dead_letters:
                what = "keeps the bytes of its messages as they came"
            remedy = (
                "name topics.requests, topics.responses, topics.replies or one of responses.streams, "
                "or remove it"
            )
            yield BrokenRule(("encoding", "topics", name), ("topics",), what, remedy)
    chosen: dict[Path, str] = {("default",): encoding.default}
    chosen |= {("topics", name): used for name, used in encoding.topics.items()}
    for path, used in chosen.items():
        if used == "confluent-avro" and config.schema_registry.url is None:
            yield BrokenRule(
                ("encoding", *path),
                ("schemaRegistry", "url"),
                "is confluent-avro, but there is no registry",
                "set schemaRegistry.url, or use avro, which needs none",
            )


def _sizes(config: Config) -> Iterator[BrokenRule]:
    largest, kafka = config.limits.event_bytes, config.kafka
    less = f"is less than limits.eventBytes ({largest})"
    if config.worker.batch_bytes < largest:
        yield BrokenRule(("worker", "batchBytes"), _EVENT_BYTES, less, "raise it to that")
    of_clients = {"properties": kafka.properties, "producer": kafka.producer, "consumer": kafka.consumer}
    for client, name, more in _SIZES:
        what = f"{less} with the {more} bytes that come with it" if more else less
        for key in ("properties", client):
            if whole_number(of_clients[key].get(name), largest + more) < largest + more:
                remedy = "lower limits.eventBytes as well, or remove it"
                yield BrokenRule(("kafka", key, name), _EVENT_BYTES, what, remedy)


def _reachable(config: Config) -> Iterator[BrokenRule]:
    """Give domains of issuers and tenants that there are not."""
    named: dict[Path, tuple[str, ...]] = {
        ("issuers", name, "domains"): issuer.domains for name, issuer in config.web.issuers.items()
    }
    named |= {("tenants", name): domains for name, domains in config.web.tenants.items()}
    for path, domains in named.items():
        for domain in domains:
            if domain not in config.domains:
                what, remedy = f"names {domain}, not one of domains", f"use {', '.join(config.domains)}"
                yield BrokenRule(("web", *path), ("domains",), what, remedy)


def _empty_or_restored(config: Config) -> Iterator[BrokenRule]:
    if config.topics.are_tasks_given and config.restores and config.redis.start_empty:
        yield BrokenRule(
            ("redis", "startEmpty"),
            ("topics", "tasks"),
            "is true, while topics.tasks is set",
            "remove it: the tasks that Redis has lost are restored from that topic",
        )


_RULES: Final = (
    *(_topics, _notifications, _inputs, _input_callers, _encodings, _sizes),
    *(_reachable, _empty_or_restored),
)
