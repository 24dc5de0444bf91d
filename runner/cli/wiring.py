"""From the configuration to the parts that use it: plain data for the actions, clients for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka.admin import AdminClient

from runner.actions.policy import DomainPolicy, Policy
from runner.config import Config, DomainRules, redis_arguments
from runner.config.clients import client_properties
from runner.envelope.event import MetaRules
from runner.store.redis_store import RedisStore, connect


def build_policy(config: Config) -> Policy:
    """Return what the actions are told."""
    return Policy(
        domains={name: _domain(rules) for name, rules in config.domain_rules().items()},
        handler=config.handler,
        deployment=config.deployment,
        proceeded_status=config.responses.proceeded_status,
        partition_width=config.task.partition_width,
        caller_user=tuple(config.caller.user),
        caller_roles=tuple(config.caller.roles),
        requests=config.topics.requests,
        responses=config.topics.responses,
        allowed_streams=frozenset(config.responses.streams),
        period_chunk=config.timers.chunk,
    )


def build_rules(config: Config) -> MetaRules:
    """Return the metadata defaults and overrides of the requests topic."""
    defaults, parameter_defaults = _split(config.meta.defaults())
    overrides, parameter_overrides = _split(config.meta.overrides())
    return MetaRules(defaults, overrides, parameter_defaults, parameter_overrides)


def connect_store(config: Config) -> RedisStore:
    """Return the store; nothing is sent before its first use."""
    arguments = redis_arguments(config)
    timeout_seconds = config.redis.timeout_ms / 1000
    for name in ("socket_timeout", "socket_connect_timeout"):
        arguments.pop(name)
    client = connect(arguments.pop("url"), timeout_seconds, **arguments)
    return RedisStore(client, config.redis.prefix, config.redis.shards)


def connect_admin(config: Config) -> AdminClient:
    """Return an admin client; raises ConfigError if no broker is named."""
    config.require_brokers()
    # It would write to standard error by itself; of an outage the other clients tell as well.
    return AdminClient({"log_level": 2, **client_properties(config)})


def topic_names(config: Config) -> tuple[str, ...]:
    """Return every topic the runner reads or writes."""
    topics = config.topics
    others = (*config.responses.streams, *config.input_topics().values())
    return (topics.requests, topics.responses, topics.dead_letters, *others)


def _domain(rules: DomainRules) -> DomainPolicy:
    kept = rules.retention_seconds if rules.on_proceed == "update" else 0
    return DomainPolicy(kept * 1000, rules.check_roles, rules.trust_payload)


def _split(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return fields of eventMeta, and those of its parameters."""
    return {n: v for n, v in fields.items() if n != "parameters"}, dict(fields.get("parameters", {}))
