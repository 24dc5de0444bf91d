"""Policy: the settings that actions depend on, as plain data.

``cli`` makes the policy from the configuration; this module knows neither files nor environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from runner.envelope.codec import Sections
from runner.limits import USUAL, EventLimits


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """Settings of one domain."""

    retention_ms: int = 604_800_000
    """Retention of a closed record, ms; 0: only as long as redelivery may need the record."""
    check_roles: bool = True
    trust_payload: bool = False
    """Read the caller from ``payload.user`` where requestMeta names none."""
    admin_role: str | None = None
    """Role of those who may assign tasks and change those of others; None: nobody is admin."""
    anyone_eligible_completes: bool = False
    """Whether whoever is eligible may finish a task that another has firmly."""
    requires_definition: bool = False
    """Whether a task needs a ``taskSpec`` that has a definition."""
    requires_owner: bool = False
    """Whether a task needs a user or roles from its start."""
    start_roles: frozenset[str] = frozenset()
    """Roles of which one is needed to start a task; none: anyone may."""
    timeout_roles: frozenset[str] = frozenset()
    """Roles of which one is needed to time a task out; none: anyone may. Timers need none."""
    notify: frozenset[str] = frozenset()
    """Events of the history that people have to hear of."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Every setting that changes an answer."""

    domains: Mapping[str, DomainPolicy] = field(default_factory=lambda: {"default": DomainPolicy()})
    handler: str = "user-task"
    deployment: str | None = None
    proceeded_status: str = "PROCEEDED"
    partition_width: int = 1
    partitions: int = 1
    """Partitions of ``requests``, among which definitions find their homes."""
    caller_user: tuple[str, ...] = ("requestMeta.claims.sub", "requestMeta.origin.id")
    caller_roles: tuple[str, ...] = ("requestMeta.claims.roles",)
    requests: str = "requests"
    responses: str = "responses"
    allowed_streams: frozenset[str] = frozenset()
    period_chunk: int = 1000
    """Number of TimeoutTask events that one chunk of a TimeoutBetween sends at most."""
    limits: EventLimits = USUAL
    hook_ms: int = 60_000
    """Least distance of two reminders, ms."""
    notifications: str | None = None
    """Topic of what people have to hear; None: nothing is sent."""

    def within(self, limits: EventLimits) -> Policy:
        return replace(self, limits=limits)


class TopicCatalog(Protocol):
    """Topic catalog: encoding, size limit and partitions of topics that actions write to; no I/O."""

    def encode(self, stream: str, sections: Sections) -> bytes:
        """Return the value of a message in the encoding of a topic."""

    def limit_bytes(self, stream: str) -> int | None:
        """Return the largest message that a topic takes, in bytes; None where there is no such topic."""

    def partition(self, stream: str, request_id: str) -> int | None:
        """Return the partition of a response; None leaves it to the hash of the key."""
