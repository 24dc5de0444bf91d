"""What was sent, by marker: all that the checker knows beside what readers see."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """What was sent."""

    START = "StartTask"
    PROCEED = "ProceedTask"
    TIMEOUT = "TimeoutTask"
    BETWEEN = "TimeoutBetween"
    COMMENT = "CommentTask"
    CLAIM = "ClaimTask"
    RELEASE = "ReleaseTask"
    ASSIGN = "AssignTask"
    CANCEL = "CancelTask"
    SAVE = "SaveTask"
    UPDATE = "UpdateTask"
    GET = "GetTask"
    DEFINE = "DefineTask"
    POISON = "poison"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message of ours. ``marker`` is its own; ``identity`` is shared by repeats of it."""

    marker: str
    kind: Kind
    identity: str
    partition: int
    value: bytes | None
    domain: str = ""
    task_id: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    timeout_ms: int | None = None
    to_ms: int | None = None
    """Of TimeoutBetween: the end of its period; None: when it was handled."""
    draws: bool = False
    """Whether its patterns draw; of a DefineTask, whether answers need a draft before them."""
    offset: int = -1
    at_ms: int = 0

    @property
    def request_id(self) -> str:
        """The request's id: the same in every repeat."""
        return f"r-{self.identity}"


class Violation(Exception):
    """A guarantee was broken; the text says which, and for what."""
