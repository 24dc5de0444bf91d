"""Audience: who of those that listen sees a task, found by sets instead of by asking each.

A thousand listeners and a thousand changes a second are a million questions; what meets here is what a task
shows itself to and what listeners look as (``runner/projection/sight.py``). The answer is that of ``sees``
for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from runner.projection.sight import Sight, Viewer, looks_as, shows_to, works_as

Listener = TypeVar("Listener", bound=Hashable)
_Key = TypeVar("_Key")


class Audience(Generic[Listener]):
    """Those who listen, each with what it looks as."""

    def __init__(self) -> None:
        self._reach: dict[str, set[Listener]] = defaultdict(set)
        self._admins: dict[str, set[Listener]] = defaultdict(set)
        self._everywhere: dict[str, set[Listener]] = defaultdict(set)
        self._within: dict[tuple[str, str], set[Listener]] = defaultdict(set)
        """By domain and principal: what a viewer looks as in that domain only."""

    def join(self, listener: Listener, viewer: Viewer) -> None:
        """Let a listener be found."""
        _add(self._reach, viewer.domains, listener)
        _add(self._admins, viewer.admin_of & viewer.domains, listener)
        _add(self._everywhere, works_as(viewer), listener)
        _add(self._within, _within(viewer), listener)

    def leave(self, listener: Listener, viewer: Viewer) -> None:
        """Take back ``join``; who has not joined is not there anyway."""
        _take(self._reach, viewer.domains, listener)
        _take(self._admins, viewer.admin_of & viewer.domains, listener)
        _take(self._everywhere, works_as(viewer), listener)
        _take(self._within, _within(viewer), listener)

    def seers(self, sight: Sight) -> set[Listener]:
        """Return those who see a task."""
        reach = self._reach.get(sight.domain)
        if not reach:
            return set()
        shown = shows_to(sight)
        found = set[Listener]().union(*(self._everywhere.get(principal, ()) for principal in shown))
        found &= reach
        return found.union(
            self._admins.get(sight.domain, ()),
            *(self._within.get((sight.domain, principal), ()) for principal in shown),
        )


def _within(viewer: Viewer) -> Iterable[tuple[str, str]]:
    everywhere = works_as(viewer)
    return [
        (domain, principal)
        for domain in viewer.domains
        for principal in looks_as(viewer, domain) - everywhere
    ]


def _add(found: dict[_Key, set[Listener]], keys: Iterable[_Key], listener: Listener) -> None:
    for key in keys:
        found[key].add(listener)


def _take(found: dict[_Key, set[Listener]], keys: Iterable[_Key], listener: Listener) -> None:
    for key in keys:
        if (there := found.get(key)) is not None:
            there.discard(listener)
            if not there:
                del found[key]
