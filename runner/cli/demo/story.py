"""The stories of the demo: what happens in each act, and what is said about it.

In the first an excavator is to be bought. The manager has two seconds; when they have passed, the condition
on the first step's status leads to the second, where a director decides. In the second an account is to be
opened, and somebody fills in a form that a definition describes. In the third nobody looks at a refund, until
it goes up to a lead; then it is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DOMAIN: Final = "default"


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step of a saga: the task it starts, and where each status leads (nowhere: the saga ends)."""

    parameters: dict[str, Any]
    output: str
    """Where in the payload the answers go."""
    leads_to: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saga:
    """A saga: its id, which is that of its request too, what it knows at first, and its steps."""

    id: str
    payload: dict[str, Any]
    steps: Mapping[str, StoryStep]
    """The first is where it begins."""

    @property
    def first_step(self) -> str:
        """The step in which it begins."""
        return next(iter(self.steps))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one role, as the gateway vouches for them."""

    name: str
    role: str


# -- the purchase ----------------------------------------------------------------------------------

DEADLINE_MS: Final = 2000

PURCHASE: Final = {"item": "excavator", "price": 48000}
DECISION: Final = {"approved": True, "note": "we need it on Monday"}

APPROVE: Final = "approve"
ESCALATE: Final = "escalate"

BUYING: Final = Saga(
    "buy-7",
    {"purchase": PURCHASE},
    {
        APPROVE: StoryStep(
            {"taskName": "Approve the purchase", "taskRoles": "manager", "timeout": DEADLINE_MS},
            "$.decision",
            {"TIMEOUT": ESCALATE},
        ),
        ESCALATE: StoryStep({"taskName": "Approve it instead", "taskRoles": "director"}, "$.decision"),
    },
)

CLERK: Final = Person("carl", "clerk")
DIRECTOR: Final = Person("dora", "director")

# Ids of requests; each is the key of its row.
BY_CLERK: Final = "by-carl"
BY_DIRECTOR: Final = "by-dora"

BOUGHT_TITLE: Final = (
    f"A purchase of {PURCHASE['price']} waits for a manager, for {DEADLINE_MS // 1000} seconds. Nobody acts."
)
ESCALATED: Final = "The deadline has passed: the condition step turns to a director."
CLERK_TRIES: Final = f"{CLERK.name}, a {CLERK.role}, says yes ..."
DIRECTOR_ACTS: Final = f"... and may not. {DIRECTOR.name}, a {DIRECTOR.role}, says yes ..."
BOUGHT: Final = "... and the saga goes on, with the decision in its event:"

# -- the account -----------------------------------------------------------------------------------

SPEC: Final = "demo-kyc"
FORM: Final[dict[str, Any]] = {
    "taskSpec": SPEC,
    "description": "Know your customer: a form of the demo",
    "schema": {
        "type": "object",
        "required": ["name", "born", "risk"],
        "properties": {
            "name": {"type": "string", "title": "Full name"},
            "born": {"type": "string", "format": "date", "title": "Date of birth"},
            "risk": {"enum": ["low", "high"], "title": "Risk"},
        },
    },
    "outcomes": ["accept", "decline"],
}
DRAFT: Final = {"name": "Ada Lovelace"}
WRONG: Final = {"born": "10 December", "risk": "none"}
RIGHT: Final = {"born": "1995-12-10", "risk": "low"}
OUTCOME: Final = "accept"

CHECK: Final = "check"
ACCOUNT: Final = {"customer": 4711}

OPENING: Final = Saga(
    "open-9",
    {"account": ACCOUNT},
    {
        CHECK: StoryStep(
            {
                "taskName": "Know your customer",
                "taskSpec": SPEC,
                "taskRoles": "compliance",
                "decisionElement": "$.decided",
            },
            "$.answers",
        )
    },
)

OFFICER: Final = Person("kim", "compliance")

# Ids of requests; each is the key of its row.
DEFINES: Final = "define-form"
CLAIMS: Final = "kim-claims"
SAVES: Final = "kim-saves"
ERRS: Final = "kim-errs"
ANSWERS: Final = "kim-answers"

OPENED_TITLE: Final = (
    "An account is to be opened. First an admin defines the form that has to be filled in ..."
)
FORM_DEFINED: Final = f"... and the saga waits for somebody of {OFFICER.role}."
OFFICER_CLAIMS: Final = f"{OFFICER.name} claims the task, so that nobody else works on it ..."
OFFICER_SAVES: Final = "... saves the name, which is all there is as yet ..."
OFFICER_ERRS: Final = "... answers the rest, not as the form wants it ..."
OFFICER_ANSWERS: Final = "... is told what is wrong, and answers again ..."
OPENED: Final = "... and the saga goes on, with draft and answers in its event, and who decided:"
NO_ADMIN: Final = (
    "The second act, about a form, and the third, about a task nobody looks at, are left out: they take an "
    f"admin, and the configuration names no domains.{DOMAIN}.adminRole."
)
NOBODY_IS_TOLD: Final = (
    "The third act, about a task nobody looks at, is left out: it takes topics.notifications, and reminded "
    f"and escalated among domains.{DOMAIN}.notify."
)

# -- the refund ------------------------------------------------------------------------------------

REMIND_MS: Final = 400
ESCALATE_MS: Final = 1000

REFUNDED: Final = {"order": 4711, "amount": 120}
REFUND: Final = "refund"
FILE: Final = "file"
WITHDRAWN: Final = "withdrawn"
REASON: Final = "the customer keeps the parcel"
NOTE: Final = {"text": "nothing is paid"}

REFUNDING: Final = Saga(
    "refund-3",
    {"refund": REFUNDED},
    {
        REFUND: StoryStep(
            {
                "taskName": "Pay it back?",
                "taskRoles": "support",
                "onCancel": WITHDRAWN,
                "hooks": [
                    {"on": "arrival", "after": REMIND_MS, "do": "remind"},
                    {"on": "arrival", "after": ESCALATE_MS, "do": "reassign", "roles": ["lead"]},
                ],
            },
            "$.answer",
            {"CANCELLED": FILE},
        ),
        FILE: StoryStep({"taskName": "File it", "taskRoles": "support"}, "$.note"),
    },
)

SUPPORTER: Final = Person("sam", "support")
LEAD: Final = Person("lena", "lead")

# Ids of requests; each is the key of its row.
LEAD_CLAIMS: Final = "lena-claims"
ADMIN_CANCELS: Final = "olga-cancels"
CLERK_FILES: Final = "sam-files"

REFUND_TITLE: Final = f"A refund of {REFUNDED['amount']} waits for {SUPPORTER.role}. Nobody looks at it ..."
REMINDED: Final = f"... so {SUPPORTER.role} is reminded. Still nobody ..."
GOES_UP: Final = f"... so it goes a level up, to a {LEAD.role}, and {LEAD.name} claims it there."
ADMIN_ACTS: Final = "Then the customer changes their mind, and an admin cancels the task, with the reason ..."
BRANCHES: Final = "... for which the condition step has a branch: the refund is to be filed."
SUPPORTER_ACTS: Final = f"{SUPPORTER.name} of {SUPPORTER.role} does so ..."
REFUND_ENDED: Final = "... and the saga ends:"
