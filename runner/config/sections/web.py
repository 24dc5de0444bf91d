"""Sections about people: the projection, and the HTTP API."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field

from runner.config.sections.section import BrokenRule, Section
from runner.config.values import Expression, Frozen, Host, KeyPart, Secret, Text, Texts
from runner.config.web_values import (
    Algorithms,
    AttributeName,
    DatabaseUrl,
    Domains,
    IssuerUrl,
    KeysUrl,
    PublicUrl,
    Scopes,
    is_loopback,
)

PROJECTION_URL: Final = "sqlite:///projection.db"
_NAMED: Final[dict[str, Any]] = {"additionalProperties": False}


class Projection(Section):
    """Where lists are kept; a worker does not look at it."""

    url: DatabaseUrl | None = None
    """sqlite:///path of a file, or postgresql://user:password@host/database; null: sqlite:///projection.db."""
    url_file: Text | None = None
    """File that holds the URL, instead of url."""
    attributes: Frozen[AttributeName, Text] = Field(default={}, json_schema_extra=_NAMED)
    """Business data to filter and order lists by: a name of your own, and its path in the task's data."""
    keep_days: int = Field(default=0, ge=0, le=36_500)
    """How long finished tasks are listed after their record was removed, in days; 0: not at all. They cannot
    be made again from the changelog.
    """


class Issuer(Section):
    """Who says who people and programs are: an OpenID Connect provider, or another issuer of tokens."""

    issuer: IssuerUrl
    """The iss of its tokens, exactly, as https://login.example.com/realms/acme."""
    audience: Text
    """The aud that tokens for this runner have."""
    jwks_url: KeysUrl | None = None
    """Where its keys are; null: where its .well-known/openid-configuration says."""
    algorithms: Algorithms = ("RS256", "ES256")
    """Algorithms of signatures that are accepted."""
    domains: Domains
    """Domains that its callers may reach; nothing in a token widens them."""
    tenant: Text | None = None
    """Name of the tenant all its callers belong to; null: the issuer's own name."""
    tenant_claim: Expression | None = None
    """JMESPath on the claims: the name of one of web.tenants, to whose domains the caller is narrowed; a
    token without it reaches nothing. null: nobody is narrowed.
    """
    user_prefix: str = ""
    """What stands before its user ids, so that those of two issuers never meet; another one for each that
    has a domain in common.
    """
    user_claim: Expression = "sub"
    """JMESPath on the claims: the user id."""
    roles_claim: Expression = "roles"
    """JMESPath on the claims: the roles, as a list or comma-separated; null: none."""

    def _broken_rules(self) -> Iterator[BrokenRule]:
        if self.tenant is not None and self.tenant_claim is not None:
            what = "is set, and tenantClaim as well"
            yield BrokenRule(("tenant",), ("tenantClaim",), what, "keep one of them")


class SignIn(Section):
    """How people sign in with one issuer: OpenID Connect's authorization code flow with PKCE."""

    client_id: Text
    """The client that the issuer knows this runner by; its redirect URI is publicUrl + /sign-in/callback."""
    client_secret: Secret | None = None
    """Secret of that client; null: a public client. Better in the environment or a file."""
    client_secret_file: Text | None = None
    """File that holds the secret, instead of clientSecret."""
    scopes: Scopes = ("openid", "profile")
    """What is asked for; openid must be among it. Some issuers give a refresh token for offline_access
    alone.
    """
    title: Text | None = None
    """What people read where they choose among several issuers; null: the issuer's name."""
    claims_from: Literal["access_token", "id_token"] = "access_token"
    """Which token the user id, the roles and the tenant are read from. id_token is for issuers whose access
    tokens are no JWT for this runner's audience.
    """


class Web(Section):
    """The HTTP API, and how people sign in; no worker looks at it."""

    host: Host = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""
    port: int = Field(default=8090, ge=0, le=65_535)
    """Port to listen on; 0: any free one."""
    auth: Literal["oidc", "none"] = "oidc"
    """oidc: callers bring tokens of web.issuers. none: they name one of web.users themselves; only on
    loopback, to try things out.
    """
    issuers: Frozen[KeyPart, Issuer] = Field(default={}, json_schema_extra=_NAMED)
    """Who says who callers are, by names of your own."""
    tenants: Frozen[KeyPart, Domains] = Field(default={}, json_schema_extra=_NAMED)
    """Tenants, by the names that a tenantClaim gives: the domains of each."""
    public_url: PublicUrl | None = None
    """How browsers reach it, as https://tasks.example.com; null: by host and port, only on loopback."""
    sign_in: Frozen[KeyPart, SignIn] = Field(default={}, json_schema_extra=_NAMED)
    """Which of the issuers people sign in with in a browser, by their names in web.issuers; {}: none."""
    session_idle_seconds: int = Field(default=7200, ge=60, le=2_592_000)
    """A session ends when its browser has not asked for so long, in seconds."""
    session_seconds: int = Field(default=43_200, ge=60, le=31_536_000)
    """A session ends so long after the sign-in at the latest, in seconds."""
    roles_every_seconds: int = Field(default=300, ge=5, le=86_400)
    """How often the issuer is asked anew for the roles of who is signed in, in seconds."""
    users: Frozen[Text, Texts] = Field(default={})
    """Where auth is none: the users there are, and the roles of each; all reach every domain."""
    pages: Text | None = None
    """Folder of templates of your own, <taskSpec>.html or <domain>/<taskSpec>.html, in place of the forms
    that are made of definitions; null: none.
    """
    stylesheet: Text | None = None
    """File of CSS that browsers read after ours, to change colours and fonts; null: none."""
    command_seconds: int = Field(default=15, ge=1, le=300)
    """How long the reply to a command is waited for, in seconds; then 504."""
    body_bytes: int = Field(default=1_048_576, ge=1024, le=67_108_864)
    """Largest body of a request, in bytes."""
    requests_per_second: int = Field(default=50, ge=1, le=100_000)
    """Requests of one caller a second, on average; more are 429."""
    streams: int = Field(default=2000, ge=0, le=100_000)
    """Most event streams of a process."""
    streams_per_caller: int = Field(default=20, ge=1, le=100_000)
    """Most event streams of one caller."""
    shutdown_seconds: int = Field(default=20, ge=1, le=3600)
    """Time to finish what is being answered after SIGTERM, in seconds."""

    def _broken_rules(self) -> Iterator[BrokenRule]:
        yield from self._open_to_anybody() if self.auth == "none" else self._users_of_nobody()
        for name, issuer in self.issuers.items():
            if issuer.tenant_claim is not None and not self.tenants:
                what = "is set, but there are no tenants to choose from"
                yield BrokenRule(("issuers", name, "tenantClaim"), ("tenants",), what, "set web.tenants")
        for (one, first), (other, second) in combinations(self.issuers.items(), 2):
            yield from _mistaken_for(one, first, other, second)
        yield from self._signing_in()

    def _signing_in(self) -> Iterator[BrokenRule]:
        """Give what keeps people from signing in; sessions that would end before they are idle."""
        for name in self.sign_in:
            if name not in self.issuers:
                what = "names no issuer: nothing says whom to believe and what they reach"
                yield BrokenRule(
                    ("signIn", name), ("issuers",), what, f"set web.issuers.{name}, or remove it"
                )
        if self.sign_in and self.public_url is None and not is_loopback(self.host):
            what = f"is null, while web.host is {self.host}: browsers could not be sent back after sign-in"
            yield BrokenRule(("publicUrl",), ("signIn",), what, "set it to how browsers reach this")
        if self.session_idle_seconds > self.session_seconds:
            what = f"is more than web.sessionSeconds ({self.session_seconds})"
            yield BrokenRule(("sessionIdleSeconds",), ("sessionSeconds",), what, "lower it")

    def _open_to_anybody(self) -> Iterator[BrokenRule]:
        at = ("auth",)
        if not is_loopback(self.host):
            what = f"is none, while web.host is {self.host}: whoever reaches it could be anybody"
            yield BrokenRule(at, ("host",), what, "set web.host to 127.0.0.1, or web.issuers and oidc")
        if not self.users:
            what = "is none, but there are no users to choose from"
            yield BrokenRule(at, ("users",), what, "set web.users, as {ann: [clerk]}")
        if self.issuers:
            what = "is none, while web.issuers is set: nobody would ask for their tokens"
            yield BrokenRule(at, ("issuers",), what, "remove one of them")
        if self.public_url is not None and not is_loopback(urlsplit(self.public_url).hostname or ""):
            what = f"is none, while web.publicUrl is {self.public_url}: whoever reaches it could be anybody"
            yield BrokenRule(at, ("publicUrl",), what, "remove web.publicUrl, or set web.issuers and oidc")

    def _users_of_nobody(self) -> Iterator[BrokenRule]:
        if self.users:
            what = "is set, while web.auth is oidc: only tokens say who somebody is"
            yield BrokenRule(("users",), ("auth",), what, "remove it, or set web.auth to none")


def _mistaken_for(one: str, first: Issuer, other: str, second: Issuer) -> Iterator[BrokenRule]:
    """Give what makes two issuers, or two of their users, the same."""
    if first.issuer == second.issuer:
        what = f"is {second.issuer}, as is web.issuers.{one}.issuer"
        remedy = "remove one of them: a token would have two meanings"
        yield BrokenRule(("issuers", other, "issuer"), ("issuers", one, "issuer"), what, remedy)
    shared = sorted({*first.domains} & {*second.domains})
    if shared and first.user_prefix == second.user_prefix:
        what = (
            f"is {second.user_prefix!r}, as is web.issuers.{one}.userPrefix, and both reach domain "
            f"{shared[0]}: a user of one could act as a user of the other"
        )
        at = ("issuers", other, "userPrefix")
        yield BrokenRule(at, ("issuers", one, "userPrefix"), what, "give each a prefix of its own")
