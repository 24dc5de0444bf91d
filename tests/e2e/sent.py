"""What a load has sent, message by message."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that was sent: where to, and the event as it was."""

    partition: int
    event: dict[str, Any]
    task_id: str
    """Empty for what is about no task."""
    at_ms: int

    @property
    def request_id(self) -> str:
        return str(self.event["requestMeta"]["id"])

    @property
    def action(self) -> str:
        return str(self.event["eventMeta"]["action"])
