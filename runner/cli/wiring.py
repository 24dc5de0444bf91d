"""From the configuration to the parts that use it: plain data for the actions, clients for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka.admin import AdminClient

from runner.actions.policy import DomainPolicy, Policy
from runner.config import Config, DomainRules
from runner.config.clients import (
    check_tls_files,
    client_properties,
    redis_arguments,
    redis_nodes,
    redis_url,
    sentinel_arguments,
)
from runner.envelope.event import MetaRules
from runner.errors import SchemasUnavailable, StoreRefused, StoreUnavailable, TransientError
from runner.kafka.connectivity import LastError
from runner.store.connection.cluster import connect_cluster
from runner.store.connection.command import Connection
from runner.store.connection.single import connect, connect_sentinel
from runner.store.connection.slots import Address
from runner.store.redis_store import RedisStore


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
        limits=config.limits.of_event(),
    )


def build_rules(config: Config) -> MetaRules:
    """Return the metadata defaults and overrides of the requests topic."""
    defaults, parameter_defaults = _split(config.meta.defaults())
    overrides, parameter_overrides = _split(config.meta.overrides())
    return MetaRules(defaults, overrides, parameter_defaults, parameter_overrides)


def connect_store(config: Config) -> RedisStore:
    """Return the store; nothing is sent before its first use. ConfigError if a file for TLS is no use."""
    check_tls_files(config)
    return RedisStore(connect_redis(config), config.redis.prefix, config.redis.shards)


def connect_redis(config: Config) -> Connection:
    """Return the way to Redis that the configuration names."""
    redis = config.redis
    seconds, arguments = redis.timeout_ms / 1000, redis_arguments(config)
    nodes = [Address(host, port) for host, port in redis_nodes(config)]
    match redis.topology:
        case "cluster":
            return connect_cluster(nodes, seconds, **arguments)
        case "sentinel":
            master = redis.sentinel.master or ""
            return connect_sentinel(nodes, master, seconds, sentinel_arguments(config), **arguments)
        case "standalone":
            return connect(redis_url(config), seconds, **arguments)


def said_with_remedy(error: TransientError, config: Config) -> str:
    """Return what to say of who cannot be reached, to somebody who does not wait for it any longer."""
    if isinstance(error, SchemasUnavailable):
        return f"{error}; check schemaRegistry.url, or start the registry"
    if isinstance(error, StoreRefused) or not isinstance(error, StoreUnavailable):
        return str(error)
    where = "redis.url" if config.redis.topology == "standalone" else "redis.nodes"
    return f"{error}; check {where}, or start Redis"


def connect_admin(config: Config, complaints: LastError) -> AdminClient:
    """Return an admin client; raises ConfigError if no broker is named."""
    config.require_brokers()
    # It would write to standard error by itself; of an outage the other clients tell as well.
    properties: dict[str, Any] = {"log_level": 2, **client_properties(config), "error_cb": complaints}
    return AdminClient(properties)


def _domain(rules: DomainRules) -> DomainPolicy:
    kept = rules.retention_seconds if rules.on_proceed == "update" else 0
    return DomainPolicy(kept * 1000, rules.check_roles, rules.trust_payload)


def _split(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return fields of eventMeta, and those of its parameters."""
    return {n: v for n, v in fields.items() if n != "parameters"}, dict(fields.get("parameters", {}))
