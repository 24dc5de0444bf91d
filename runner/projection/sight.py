"""Sight: the one rule that says who sees a task, for lists, single reads, events and pages.

What a task shows itself to, and what a viewer looks as, are both sets of *principals*: a user, a role, a user
who took part, everybody. A viewer sees a task where the sets meet, in a domain that the viewer reaches; the
admin of the domain sees all of it. Lists ask the same of the table ``grants``, which holds the principals of
every task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

ANYONE: Final = "*"
"""Principal of a task that is open to everybody of its domain."""
USER: Final = "u:"
ROLE: Final = "r:"
_PART: Final = "p:"
_STARTER: Final = "s:"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks at tasks."""

    user: str | None
    """User id as tasks have it; None: nobody by name."""
    roles: frozenset[str]
    domains: frozenset[str]
    """The domains that can be reached at all."""
    admin_of: frozenset[str] = frozenset()
    """Those of them whose admin role the viewer has."""
    starter_in: frozenset[str] = frozenset()
    """Those of them in which whoever started a task sees it."""


class Sight(msgspec.Struct, frozen=True, omit_defaults=True):
    """What says who sees a task."""

    domain: str
    owner: str | None = None
    user: str | None = None
    """Preferred user."""
    roles: tuple[str, ...] = ()
    took_part: tuple[str, ...] = ()
    """Users who decided, voted or commented."""
    starter: str | None = None
    """User who sent the StartTask."""


def sees(viewer: Viewer, sight: Sight) -> bool:
    """Whether a viewer sees a task."""
    domain = sight.domain
    if domain not in viewer.domains:
        return False
    return domain in viewer.admin_of or not looks_as(viewer, domain).isdisjoint(shows_to(sight))


def shows_to(sight: Sight) -> frozenset[str]:
    """Return the principals that see a task, admins aside."""
    return acts_on(sight) | {
        *(_PART + user for user in sight.took_part),
        *(_STARTER + user for user in (sight.starter,) if user is not None),
    }


def acts_on(sight: Sight) -> frozenset[str]:
    """Return the principals for whom a task is there to be done."""
    named = {USER + user for user in (sight.owner, sight.user) if user is not None}
    named |= {ROLE + role for role in sight.roles}
    return frozenset(named) if sight.user is not None or sight.roles else frozenset({*named, ANYONE})


def looks_as(viewer: Viewer, domain: str) -> frozenset[str]:
    """Return the principals that a viewer is in a domain."""
    found = works_as(viewer)
    if viewer.user is None:
        return found
    own = {_PART + viewer.user}
    if domain in viewer.starter_in:
        own.add(_STARTER + viewer.user)
    return found | own


def works_as(viewer: Viewer) -> frozenset[str]:
    """Return the principals as which a viewer has tasks to do, the same in every domain."""
    own = () if viewer.user is None else (USER + viewer.user,)
    return frozenset({ANYONE, *own, *(ROLE + role for role in viewer.roles)})
