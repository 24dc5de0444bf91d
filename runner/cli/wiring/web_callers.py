"""From the configuration to whom the HTTP API believes; and what it refuses to start with.

The worker decides by what an event says of its sender. A metadata rule of the topic ``requests``, or another
place of the caller in events, would make another command of what somebody asked for over HTTP, or have it
sent by somebody else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from runner.clock import monotonic_seconds
from runner.config import Config, ConfigError, Problem
from runner.envelope.patterns import search
from runner.errors import EventError
from runner.web.bearer_tokens import Expected
from runner.web.callers import Authenticator, DomainRules, NamedCallers
from runner.web.claims import ClaimRules
from runner.web.discovery import IssuerConnection
from runner.web.key_sets import HttpKeySource, KeySet
from runner.web.token_callers import TokenCallers, TrustedIssuer

_ALWAYS_SENT: Final = frozenset({"action", "domain", "handler", "requestTime", "responseStream"})
"""Fields of eventMeta that every command has: a default for one changes nothing."""
_SENT_OR_MEANT: Final = _ALWAYS_SENT | {"deployments", "inputElement", "outputElement", "version"}
"""Fields of eventMeta that the runner reads."""
OF_NEW_TASKS: Final = frozenset(
    {
        *("decisionElement", "hooks", "hooksPath", "onCancel", "taskAction", "taskName", "taskRoles"),
        *("taskRolesPath", "taskSpecVersion", "taskSpecVersionPath", "taskUser", "taskUserPath"),
    }
)
"""Parameters that StartTask alone reads: a default says what a task is like whose starter does not say."""
_CLAIMS: Final[dict[str, Any]] = {"sub": "somebody", "roles": ["role"], "tenant": "tenant"}
"""What the API says of a caller, in its form."""
_REMEDY: Final = "remove it, and set it in the events of your sagas instead"


def build_authenticator(config: Config) -> Authenticator:
    """Return what says who sends a request, for one event loop. Asks nobody yet."""
    rules = domain_rules(config)
    if config.web.auth == "none":
        return NamedCallers({name: frozenset(roles) for name, roles in config.web.users.items()}, rules)
    issuers = [trusted_issuer(name, config) for name in config.web.issuers]
    return TokenCallers(issuers, rules, time.time)


def check_web_settings(config: Config) -> None:
    """Raise ConfigError with every setting with which the HTTP API cannot do what it is asked for."""
    problems = [*_missing(config), *_rules(config), *_callers(config)]
    if problems:
        raise ConfigError(problems)


def domain_rules(config: Config) -> DomainRules:
    """Return what the domains are to whoever looks at tasks."""
    return DomainRules(
        admin_roles={name: domain.admin_role for name, domain in config.domains.items()},
        starters_see=frozenset(name for name, domain in config.domains.items() if domain.starter_sees),
    )


def trusted_issuer(name: str, config: Config) -> TrustedIssuer:
    """Return one of the issuers; asks it nothing yet."""
    issuer = config.web.issuers[name]
    domains = frozenset(issuer.domains)
    others = [each for each in config.web.issuers.values() if not domains.isdisjoint(each.domains)]
    longer = {each.user_prefix for each in others if len(each.user_prefix) > len(issuer.user_prefix)}
    reading = ClaimRules(
        name=name,
        domains=domains,
        user=issuer.user_claim,
        roles=issuer.roles_claim,
        user_prefix=issuer.user_prefix,
        other_prefixes=frozenset(each for each in longer if each.startswith(issuer.user_prefix)),
        tenant=issuer.tenant or name,
        tenant_claim=issuer.tenant_claim,
        tenants={tenant: frozenset(named) for tenant, named in config.web.tenants.items()},
    )
    source = HttpKeySource(IssuerConnection(issuer.issuer), issuer.jwks_url)
    expected = Expected(issuer.issuer, issuer.audience, issuer.algorithms)
    return TrustedIssuer(expected, reading, KeySet(name, source, monotonic_seconds))


def _missing(config: Config) -> Iterator[Problem]:
    if config.web.auth == "oidc" and not config.web.issuers:
        what, remedy = "is empty", "name who says who callers are; docs/api.md shows how"
        yield Problem(config.source, "web.issuers", what, remedy)
    if config.topics.replies is None:
        what = "is null, but answers to commands come from there"
        yield Problem(config.source, "topics.replies", what, "name a topic")
    if config.topics.tasks is None:
        yield Problem(config.source, "topics.tasks", "is null, but lists are made of it", "name a topic")


def _rules(config: Config) -> Iterator[Problem]:
    """Give every metadata rule that would make another command of one that came over HTTP."""
    overrides, defaults = config.meta.overrides(), config.meta.defaults()
    wrong = [f"{name}.override" for name in overrides if name in _SENT_OR_MEANT]
    wrong += [f"{name}.default" for name in defaults if name in _SENT_OR_MEANT - _ALWAYS_SENT]
    wrong += [f"parameters.{name}.override" for name in overrides.get("parameters", ())]
    wrong += [
        f"parameters.{name}.default" for name in defaults.get("parameters", ()) if name not in OF_NEW_TASKS
    ]
    for name in wrong:
        what = "would change what is asked for over HTTP, whatever a caller says"
        yield Problem(config.source, f"meta.{name}", what, _REMEDY)


def _callers(config: Config) -> Iterator[Problem]:
    """Give an error where the worker would not find the caller where the API says who it is."""
    event = {"requestMeta": {"id": "web-0", "channel": "http", "claims": _CLAIMS}}
    expressions = {"user": config.caller.user, "roles": config.caller.roles}
    for key, claim in (("user", "sub"), ("roles", "roles")):
        found = next(
            (each for each in (_found(text, event) for text in expressions[key]) if each is not None), None
        )
        if found != _CLAIMS[claim]:
            what = f"does not give requestMeta.claims.{claim}, where the API says who a caller is"
            yield Problem(config.source, f"caller.{key}", what, f"name requestMeta.claims.{claim} first")


def _found(expression: str, event: dict[str, Any]) -> Any:
    try:
        return search(expression, event)
    except EventError:
        return None
