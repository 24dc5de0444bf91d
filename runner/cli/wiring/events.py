"""From the configuration to policy, metadata rules and input topics: plain data, checked at the start.

Two mistakes are found here by the code that would meet them in an event. A metadata rule may give roles that
name nobody: every StartTask would be refused. An expression for the caller may fail on anything: no event
would have a caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from runner.actions.callers import required_roles, required_user
from runner.actions.policy import DomainPolicy, Policy
from runner.config import Config, ConfigError, Problem
from runner.config.sections.worker import Domain
from runner.envelope.event import MetaRules
from runner.envelope.patterns import fault_of
from runner.errors import EventError
from runner.kafka.preflight import dispensable_topics
from runner.worker.input_topics.normalise import InputTopic

_READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "taskRoles": required_roles,
    "taskUser": required_user,
}


def build_policy(config: Config) -> Policy:
    """Return the policy: every setting that can change an answer."""
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
        allowed_streams=frozenset({*config.responses.streams, *dispensable_topics(config)}),
        period_chunk=config.timers.chunk,
        limits=config.limits.of_event(),
        hook_ms=config.limits.hook_seconds * 1000,
        notifications=config.topics.notifications,
    )


def build_rules(config: Config) -> MetaRules:
    """Return the metadata defaults and overrides of the requests topic."""
    defaults, parameter_defaults = _split(config.meta.defaults())
    overrides, parameter_overrides = _split(config.meta.overrides())
    return MetaRules(defaults, overrides, parameter_defaults, parameter_overrides)


def build_inputs(config: Config) -> list[InputTopic]:
    """Return every input topic, with what is added to its payloads to make events of them."""
    addressed = {"handler": config.handler}
    if config.deployment is not None:
        addressed |= {"deployments": config.deployment}
    return [
        InputTopic(
            name=name,
            topic=config.input_topics()[name],
            meta=each.event_meta() | addressed,
            user=each.user or "",
            roles=each.roles,
            user_header=each.user_header,
            roles_header=each.roles_header,
            request_id_header=each.request_id_header,
            request_id_path=each.request_id_path,
        )
        for name, each in config.inputs.items()
    ]


def check_event_settings(config: Config) -> None:
    """Raise ConfigError with every metadata rule and every caller expression that cannot be used."""
    problems = [*_rules(config), *_callers(config)]
    if problems:
        raise ConfigError(problems)


def _rules(config: Config) -> Iterator[Problem]:
    for name, reader in _READERS.items():
        value = config.meta.parameters.get(name)
        for kind in ("default", "override"):
            try:
                reader(getattr(value, kind, None))
            except EventError:
                where = f"meta.parameters.{name}.{kind}"
                yield Problem(config.source, where, "names nobody", "name somebody, or remove it")


def _callers(config: Config) -> Iterator[Problem]:
    for key, expressions in (("user", config.caller.user), ("roles", config.caller.roles)):
        for at, expression in enumerate(expressions):
            fault = fault_of(expression)
            if fault is not None:
                yield Problem(config.source, f"caller.{key}[{at}]", fault, "correct the expression")


def _domain(rules: Domain) -> DomainPolicy:
    kept = rules.retention_seconds if rules.on_proceed == "update" else None
    return DomainPolicy(
        (kept or 0) * 1000,
        rules.check_roles,
        rules.trust_payload,
        rules.admin_role,
        rules.completion == "anyone-eligible",
        rules.require_definition,
        rules.require_owner,
        frozenset(rules.start_roles),
        frozenset(rules.timeout_roles),
        frozenset(rules.notify),
    )


def _split(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return fields of eventMeta, and those of its parameters."""
    return {n: v for n, v in fields.items() if n != "parameters"}, dict(fields.get("parameters", {}))
