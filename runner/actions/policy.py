"""What the actions are told besides record, event and time: settings as plain data.

``cli`` makes it from the configuration; nothing here knows of files or environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from runner.envelope.codec import Sections
from runner.envelope.limits import USUAL, EventLimits


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """How the tasks of one domain are treated."""

    retention_ms: int = 604_800_000
    """How long a closed record is kept; 0: only as long as redelivery may need it."""
    check_roles: bool = True
    trust_payload: bool = False
    """Read the caller from ``payload.user`` where requestMeta names none."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything configured that changes an answer."""

    domains: Mapping[str, DomainPolicy] = field(default_factory=lambda: {"default": DomainPolicy()})
    handler: str = "user-task"
    deployment: str | None = None
    proceeded_status: str = "PROCEEDED"
    partition_width: int = 1
    caller_user: tuple[str, ...] = ("requestMeta.claims.sub", "requestMeta.origin.id")
    caller_roles: tuple[str, ...] = ("requestMeta.claims.roles",)
    requests: str = "requests"
    responses: str = "responses"
    allowed_streams: frozenset[str] = frozenset()
    period_chunk: int = 1000
    """Tasks that one event of a TimeoutBetween pass tells to time out."""
    limits: EventLimits = USUAL

    def within(self, limits: EventLimits) -> Policy:
        """Return the same policy with other limits."""
        return replace(self, limits=limits)


class TopicCatalog(Protocol):
    """What the actions must know of the topics they write to. Pure look-ups, no I/O."""

    def encode(self, stream: str, sections: Sections) -> bytes:
        """Return the value of a message in the encoding of that topic."""
        ...

    def limit_bytes(self, stream: str) -> int | None:
        """Return the largest message that topic takes; None if there is no such topic."""
        ...

    def partition(self, stream: str, request_id: str) -> int | None:
        """Return the partition of a response; None leaves it to the hash of the key."""
        ...
