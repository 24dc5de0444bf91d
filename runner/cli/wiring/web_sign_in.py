"""From the configuration to how people sign in: their issuers, their sessions, their cookies."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from runner.cli.wiring.store import connect_redis
from runner.cli.wiring.web_callers import build_authenticator, domain_rules, trusted_issuer
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.web.callers import Authenticator, NamedCallers
from runner.web.discovery import IssuerConnection
from runner.web.sign_in.identity import Identities
from runner.web.sign_in.origin import OwnOrigin
from runner.web.sign_in.parts import SignInParts
from runner.web.sign_in.provider import Client, Provider
from runner.web.sign_in.session_callers import EitherCallers, SessionCallers, SignInIssuer, Times
from runner.web.sign_in.session_watch import SessionWatch
from runner.web.sign_in.sessions import Sessions
from runner.web.sign_in.signing_in import SigningIn


@dataclass(frozen=True, slots=True)
class WebPeople:
    """Who sends requests, and how people sign in."""

    authenticator: Authenticator
    sign_in: SignInParts | None = None
    """None: nobody signs in, programs send tokens."""
    sessions: Sessions | None = None

    def close(self) -> None:
        """End the connections to Redis."""
        if self.sessions is not None:
            self.sessions.close()


def build_people(config: Config) -> WebPeople:
    """Return who sends requests, for one event loop. Asks nobody yet."""
    tokens, web = build_authenticator(config), config.web
    people: Mapping[str, SignInIssuer] | NamedCallers = (
        tokens
        if isinstance(tokens, NamedCallers)
        else {name: _sign_in_issuer(name, config) for name in web.sign_in}
    )
    if not people:
        return WebPeople(tokens)
    sessions = Sessions(lambda: connect_redis(config), config.redis.prefix, web.session_idle_seconds)
    own, rules = OwnOrigin(web.public_url), domain_rules(config)
    times = Times(time.time, web.session_seconds, web.roles_every_seconds)
    callers = SessionCallers(sessions, people, rules, own, times)
    sign_in = SignInParts(
        SigningIn(sessions, people, rules, times),
        callers,
        own,
        SessionWatch(sessions),
        targets=tuple(sorted({_origin(web.issuers[name].issuer) for name in web.sign_in})),
        users={name: sorted(roles) for name, roles in web.users.items()},
    )
    return WebPeople(EitherCallers(tokens, callers), sign_in, sessions)


def _sign_in_issuer(name: str, config: Config) -> SignInIssuer:
    trusted, settings = trusted_issuer(name, config), config.web.sign_in[name]
    secret = settings.client_secret
    client = Client(
        settings.client_id,
        settings.scopes,
        settings.title or name,
        None if secret is None else secret.get_secret_value(),
        settings.claims_from,
    )
    issuer = trusted.expected.issuer
    provider = Provider(client, issuer, IssuerConnection(issuer), monotonic_seconds)
    return SignInIssuer(provider, Identities(trusted, client.id), trusted.reading)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
