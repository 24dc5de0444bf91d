"""Routes: which notices go where, and with which text.

Every route that fits counts, in the order of the configuration. A recipient that several of them name gets
the notice once, with the text of the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from runner.notify.notice import Notice

RECIPIENTS: Final = "recipients"
"""As ``to`` of a route: the people the notice is for, at their own addresses."""


@dataclass(frozen=True, slots=True)
class Route:
    """Notices that fit every condition go to ``to``; an empty condition fits all."""

    to: tuple[str, ...]
    """Names of channels, or RECIPIENTS."""
    domains: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    language: str | None = None
    """None: that of the recipient, else the usual one."""
    template: str | None = None
    """None: the template of the event."""

    def fits(self, notice: Notice) -> bool:
        return (
            (not self.domains or notice.domain in self.domains)
            and (not self.events or notice.event in self.events)
            and (not self.users or notice.user in self.users)
            and (not self.roles or not self.roles.isdisjoint(notice.roles))
        )


def destinations(notice: Notice, routes: Iterable[Route]) -> dict[str, Route]:
    """Return where a notice goes: each ``to`` once, with the first route that names it."""
    found: dict[str, Route] = {}
    for route in routes:
        if route.fits(notice):
            for to in route.to:
                found.setdefault(to, route)
    return found
