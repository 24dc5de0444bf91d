"""Visitors: who looks at a page. Whoever knows sessions says it; pages only ask."""

from __future__ import annotations

from typing import Protocol

from starlette.datastructures import Headers

from runner.web.callers import Caller


class PageVisitor(Protocol):
    """Somebody in front of a page."""

    @property
    def caller(self) -> Caller: ...

    @property
    def csrf(self) -> str:
        """What forms of their session carry: pages of others do not know it."""


class Visitors(Protocol):
    """Says who looks at a page, from the cookies of a browser."""

    async def visitor(self, headers: Headers) -> PageVisitor | None:
        """Return who it is; None where nobody has signed in. Unauthenticated where it cannot be told now."""

    def require_own(self, headers: Headers, method: str) -> None:
        """Unauthenticated where a page of another site has caused a request."""
