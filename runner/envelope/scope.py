"""What a pattern may know of its event beside the data: when it was given, and a seed for chance.

Made by the actions for each search, used by the functions ``now``, ``uuid``, ``guid`` and ``rand``. An event
that comes again has the same scope, and every pattern has its own: what one of them draws does not
depend on whether another was evaluated before.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Origin(Protocol):
    """An event as its patterns see it; found out only when a function asks."""

    @property
    def given_ms(self) -> int | None:
        """When the event was given, epoch ms; None where that is not known."""

    @property
    def seed(self) -> str:
        """What no other event has, and this one has again when it comes again."""


class Scope(NamedTuple):
    """One pattern of one event."""

    origin: Origin
    pattern: str
    """Name of the parameter: inputPattern, outputPattern …"""
