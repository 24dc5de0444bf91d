"""The story of the demo: an excavator is to be bought, and somebody has to say yes.

A saga of two steps. The manager has two seconds; when they have passed, the condition on the first
step's status leads to the second, where a director decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

SAGA_ID: Final = "buy-7"
DOMAIN: Final = "default"
DEADLINE_MS: Final = 2000

PURCHASE: Final = {"item": "excavator", "price": 48000}
DECISION: Final = {"approved": True, "note": "we need it on Monday"}

APPROVE: Final = "approve"
ESCALATE: Final = "escalate"


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step of the saga: the task it starts, and where each status leads (nowhere: the saga ends)."""

    parameters: dict[str, Any]
    leads_to: dict[str, str]


STEPS: Final = {
    APPROVE: StoryStep(
        {"taskName": "Approve the purchase", "taskRoles": "manager", "timeout": DEADLINE_MS},
        {"TIMEOUT": ESCALATE},
    ),
    ESCALATE: StoryStep({"taskName": "Approve it instead", "taskRoles": "director"}, {}),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one role, as the gateway vouches for them."""

    name: str
    role: str

    @property
    def request_id(self) -> str:
        """Id of the one request this person makes."""
        return f"by-{self.name}"


CLERK: Final = Person("carl", "clerk")
DIRECTOR: Final = Person("dora", "director")

TITLE: Final = (
    f"A purchase of {PURCHASE['price']} waits for a manager, for {DEADLINE_MS // 1000} seconds. Nobody acts."
)
ENTERED: Final = {ESCALATE: "The deadline has passed: the condition step turns to a director."}
ACTS: Final = {
    CLERK: f"{CLERK.name}, a {CLERK.role}, says yes ...",
    DIRECTOR: f"... and may not. {DIRECTOR.name}, a {DIRECTOR.role}, says yes ...",
}
ENDED: Final = "... and the saga goes on, with the decision in its event:"
