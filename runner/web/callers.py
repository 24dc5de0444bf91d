"""Callers: who sends a request, and what they may reach.

``of`` is the one way in, and nothing falls back to anything: who cannot be told is nobody. Which domains a
caller reaches comes from the configuration alone; roles come from whoever vouches for the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.datastructures import Headers

from runner.projection.sight import Viewer

_HEADER: Final = "authorization"
_SCHEME: Final = "bearer"
_CHALLENGE: Final = 'Bearer realm="runner"'


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who sends requests."""

    user: str
    """User id as tasks have it, with the prefix of its issuer."""
    name: str
    """What people call them; the user id where nobody says."""
    roles: frozenset[str]
    domains: frozenset[str]
    """The domains that can be reached; never none."""
    tenant: str
    issuer: str
    """The issuer's name in ``web.issuers``; it and the tenant are empty where there are no tokens."""
    viewer: Viewer
    """The same as somebody who looks at tasks."""
    expires_at: float | None = None
    """When what says so ends, in seconds of the epoch; None: it does not."""
    session: str | None = None
    """Where a browser has signed in: what its session is called, which may end before."""


class Unauthenticated(Exception):
    """Who sends a request is not known, or reaches nothing; ``detail`` is for the sender.

    ``status`` and ``headers`` are those of the answer: 401 with a challenge; 403 where the token is good, but
    of no use here; 503 with Retry-After where it cannot be checked now.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class Authenticator(Protocol):
    """Says who sends a request."""

    async def of(self, headers: Headers, method: str = "POST") -> Caller:
        """Return the caller; Unauthenticated otherwise. May wait for the keys of an issuer, some seconds.

        ``method``: that of the request; one that changes something is taken from fewer senders.
        """


def refused(detail: str) -> Unauthenticated:
    """Return 401 for what was sent and is no token, or none that counts."""
    return Unauthenticated(
        401,
        f"the token is not accepted: {detail}",
        {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token", error_description="{detail}"'},
    )


def bearer_of(headers: Headers) -> str:
    """Return what follows ``Bearer`` in the one header Authorization; Unauthenticated where there is none."""
    given = headers.getlist(_HEADER)
    scheme, _, credentials = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    credentials = credentials.strip(" ")
    if scheme.lower() != _SCHEME or not credentials:
        detail = "say who you are: one header Authorization, with Bearer and a token"
        raise Unauthenticated(401, detail, {"WWW-Authenticate": _CHALLENGE})
    return credentials


@dataclass(frozen=True, slots=True)
class DomainRules:
    """What the configuration says of the domains that matters to whoever looks at tasks."""

    admin_roles: Mapping[str, str | None]
    """The admin role of every domain there is."""
    starters_see: frozenset[str] = frozenset()

    def viewer(self, user: str, roles: frozenset[str], domains: Iterable[str]) -> Viewer:
        """Return somebody who reaches some of the domains."""
        reached = frozenset(domains)
        return Viewer(
            user=user,
            roles=roles,
            domains=reached,
            admin_of=frozenset(each for each in reached if self.admin_roles[each] in roles),
            starter_in=reached & self.starters_see,
        )


class NamedCallers:
    """Callers who say themselves who of some users they are: only where nobody else can ask."""

    def __init__(self, users: Mapping[str, frozenset[str]], rules: DomainRules) -> None:
        """``users``: the roles of every user there is; all of them reach every domain."""
        self._callers = {name: _without_issuer(name, roles, rules) for name, roles in users.items()}

    async def of(self, headers: Headers, method: str = "POST") -> Caller:  # noqa: ARG002 - as the Protocol has it
        """Return the user whose name follows ``Bearer``; Unauthenticated where there is none."""
        caller = self.named(_as_sent(bearer_of(headers)))
        if caller is None:
            raise refused("it is not the name of one of web.users")
        return caller

    def __len__(self) -> int:
        return len(self._callers)

    def named(self, name: str) -> Caller | None:
        """Return the user of that name, if there is one."""
        return self._callers.get(name)


def _without_issuer(name: str, roles: frozenset[str], rules: DomainRules) -> Caller:
    viewer = rules.viewer(name, roles, rules.admin_roles)
    return Caller(name, name, roles, viewer.domains, tenant="", issuer="", viewer=viewer)


def _as_sent(text: str) -> str:
    """Return a header's text as its sender wrote it: headers are read as Latin-1, but are UTF-8 as a rule."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
