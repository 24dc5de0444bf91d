"""Claims: what an issuer says of somebody becomes user id, roles and tenant; all by the configuration.

A claim that is there and is not what it should be is refused, not passed over: half a caller would be another
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.envelope.patterns import search
from runner.envelope.values import names_in
from runner.errors import EventError
from runner.web.callers import Caller, DomainRules, Unauthenticated, refused

LONGEST_NAME: Final = 256
"""Characters of a user id or a role."""
_SHOWN_NAMES: Final = ("name", "preferred_username")


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How the claims of one issuer are read."""

    name: str
    """The issuer's name in ``web.issuers``."""
    domains: frozenset[str]
    """All that its callers may reach."""
    user: str
    roles: str
    """JMESPath on the claims, as is ``tenant_claim``."""
    user_prefix: str
    other_prefixes: frozenset[str]
    """Longer prefixes of issuers with a domain in common: users with these are theirs."""
    tenant: str
    tenant_claim: str | None
    tenants: Mapping[str, frozenset[str]]
    """The domains of each tenant that the claim may name."""

    def caller(self, claims: Mapping[str, Any], expires_at: float, rules: DomainRules) -> Caller:
        """Return the caller; Unauthenticated where the claims do not tell one, or one who reaches nothing."""
        user, roles = self._user(claims), self._roles(claims)
        tenant, domains = self._reach(claims)
        return Caller(
            user=user,
            name=_shown_name(claims) or user,
            roles=roles,
            domains=domains,
            tenant=tenant,
            issuer=self.name,
            viewer=rules.viewer(user, roles, domains),
            expires_at=expires_at,
        )

    def _user(self, claims: Mapping[str, Any]) -> str:
        found = _found(self.user, claims)
        if not _is_name(found):
            raise refused("it names no user")
        user = f"{self.user_prefix}{found}"
        if any(user.startswith(prefix) for prefix in self.other_prefixes):
            raise Unauthenticated(403, "the user id of this token begins like those of another issuer")
        return user

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[str]:
        roles = names_in(_found(self.roles, claims))
        if not all(map(_is_name, roles)):
            raise refused("its roles are no list of names")
        return frozenset(roles)

    def _reach(self, claims: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
        """Return tenant and domains; a claim only ever takes domains away."""
        if self.tenant_claim is None:
            return self.tenant, self.domains
        tenant = _found(self.tenant_claim, claims)
        domains = self.domains & self.tenants.get(tenant, frozenset()) if isinstance(tenant, str) else None
        if not domains:
            raise Unauthenticated(403, "this token names no tenant that its issuer may speak for")
        return str(tenant), domains


def _found(expression: str, claims: Mapping[str, Any]) -> Any:
    try:
        return search(expression, dict(claims))
    except EventError:
        # Usually a claim is missing: the expression then finds nothing.
        return None


def _is_name(value: Any) -> bool:
    """Whether a value is text that can stand in a task, a database and a log."""
    return (
        isinstance(value, str) and len(value) <= LONGEST_NAME and value.isprintable() and bool(value.strip())
    )


def _shown_name(claims: Mapping[str, Any]) -> str | None:
    return next((claims[name] for name in _SHOWN_NAMES if _is_name(claims.get(name))), None)
