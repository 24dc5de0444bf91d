"""Leads: the principals by whose rows in ``grants`` a list is read.

Whatever a viewer may see and has asked for has a row of one of them. Nothing else is read, so a list shows
nothing that the viewer does not see, and costs what the viewer sees at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.projection.filters import Filters
from runner.projection.indexing import ADMINS, grant
from runner.projection.sight import ROLE, USER, Viewer, looks_as, works_as


@dataclass(frozen=True, slots=True)
class Leads:
    """Where a list begins."""

    principals: tuple[str, ...]
    """As ``grants`` has them."""
    domains: frozenset[str]
    """The domains that are looked into."""
    roles_hold: bool
    """Whether every row of them has one of the roles that are asked for."""


def leads_of(viewer: Viewer, filters: Filters) -> Leads:
    """Return the leads of a list; none for who sees nothing of it."""
    domains = viewer.domains & filters.domains if filters.domains else viewer.domains
    principals = set[str]()
    roles_hold = True
    for domain in domains:
        found = _in_domain(viewer, filters, domain)
        roles_hold &= found <= {ROLE + role for role in filters.roles}
        principals |= {grant(domain, principal) for principal in found}
    return Leads(tuple(sorted(filter(_is_text, principals))), domains, roles_hold)


def _in_domain(viewer: Viewer, filters: Filters, domain: str) -> frozenset[str]:
    """Return the fewest principals that every task has which is visible and asked for."""
    is_admin = domain in viewer.admin_of
    if filters.mine:
        return frozenset() if viewer.user is None else frozenset({USER + viewer.user})
    if filters.roles and (filters.roles <= viewer.roles or (is_admin and not filters.for_me)):
        return frozenset(ROLE + role for role in filters.roles)
    if filters.for_me:
        return works_as(viewer)
    if is_admin:
        return frozenset(USER + owner for owner in filters.owners) or frozenset({ADMINS})
    return looks_as(viewer, domain)


def _is_text(principal: str) -> bool:
    """Whether a task can have a principal at all: half of a character pair is in no table."""
    return not any("\ud800" <= sign <= "\udfff" for sign in principal)
