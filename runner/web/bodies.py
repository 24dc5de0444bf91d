"""Bodies: what requests may say. Unknown fields are refused; free-form JSON keeps its digits.

The home of a task checks the values again, and more closely: these models say what can be said at all.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from runner.actions.comment_task import MAX_CHARACTERS
from runner.actions.definitions import MAX_DESCRIPTION_CHARACTERS, MAX_OUTCOME_CHARACTERS, MAX_OUTCOMES
from runner.actions.details import MAX_NOTES_CHARACTERS, MAX_PRIORITY
from runner.actions.inputs import MAX_ID_BYTES, MAX_TIME_MS

MAX_BULK: Final = 500
"""Tasks of one bulk request at most."""

LONGEST_NAME: Final = 200


def _no_text(value: Any) -> Any:
    """Return a value; ValueError where a number is meant and a text or a truth stands."""
    if isinstance(value, str | bool):
        raise ValueError("must be a number")  # noqa: TRY004 - what pydantic turns into a violation
    return value


WholeNumber: TypeAlias = Annotated[int, BeforeValidator(_no_text)]
"""A whole number, as JSON has it: 43.0 is one, "43" is none."""

Moment: TypeAlias = Annotated[WholeNumber, Field(ge=0, le=MAX_TIME_MS)]
Span: TypeAlias = Annotated[WholeNumber, Field(ge=-MAX_TIME_MS, le=MAX_TIME_MS)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=r"\S")]
UserName: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]
Roles: TypeAlias = Annotated[list[UserName], Field(max_length=200)]


class Body(BaseModel):
    """A body of JSON in camel case."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)

    def parameters(self) -> dict[str, Any]:
        """Return the values of the verb: what was sent, null included."""
        return self.model_dump(exclude_unset=True, by_alias=True)

    def payload(self) -> dict[str, Any]:
        """Return the payload of the event."""
        return {}


class Nothing(Body):
    """Nothing has to be said."""


class Assignment(Body):
    """Whom a task is given to: what is left out stays, null clears."""

    user: UserName | None = Field(default=None, description="Who has it from now on.")
    roles: Roles | None = Field(default=None, description="Whose holders may take it.")
    override: Flag = Field(default=False, description="Also where somebody has it firmly.")


class Draft(Body):
    """Answers so far; merged into what was saved before."""

    data: dict[str, Any] = Field(description="A field for each answer.")
    ignore_claim: Flag = Field(default=False, description="Also where another has the task firmly.")


class Completion(Body):
    """How a task is finished."""

    answers: dict[str, Any] | None = Field(
        default=None, description="The answers; merged over the draft, and into the data of the saga."
    )
    outcome: Name | None = Field(default=None, description="Which of the outcomes of its definition.")

    def parameters(self) -> dict[str, Any]:
        named = {} if self.outcome is None else {"outcome": self.outcome}
        return named if self.answers is None else {**named, "enrichPath": "answers"}

    def payload(self) -> dict[str, Any]:
        return {} if self.answers is None else {"answers": self.answers}


class Cancellation(Body):
    """Why a task is cancelled."""

    reason: str = Field(min_length=1, max_length=1000, pattern=r"\S", description="The saga hears it.")


class CommentText(Body):
    """What is said about a task."""

    text: str = Field(min_length=1, max_length=MAX_CHARACTERS, pattern=r"\S")


class Update(Body):
    """What changes about a task: what is left out stays, null clears."""

    timeout: Span | None = Field(default=None, description="New deadline, so many ms from now.")
    timeout_on: Moment | None = Field(default=None, description="New deadline, epoch ms.")
    due_on: Moment | None = Field(default=None, description="By when it should be done, epoch ms.")
    follow_up_on: Moment | None = Field(default=None, description="When to look at it again, epoch ms.")
    priority: Annotated[WholeNumber, Field(ge=0, le=MAX_PRIORITY)] | None = Field(
        default=None, description="0 to 100; null: 50."
    )
    notes: Annotated[str, Field(max_length=MAX_NOTES_CHARACTERS, pattern=r"\S")] | None = None


class StartedTask(Body):
    """A task that starts."""

    domain: Name
    task_id: Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES, pattern=r"\S")] | None = Field(
        default=None, description="Its id; left out: one is made, the same for the same Idempotency-Key."
    )
    data: Any = Field(default_factory=dict, description="What it is about; any JSON.")
    name: Name | None = None
    spec: Name | None = Field(default=None, description="Its definition, or any name of a kind of tasks.")
    spec_version: Annotated[WholeNumber, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="Version of the definition; left out: the newest."
    )
    action: Name | None = None
    user: UserName | None = Field(default=None, description="Who should do it.")
    roles: Roles | None = Field(default=None, description="Whose holders may; neither: anyone of the domain.")
    timeout: Span | None = Field(default=None, description="Its deadline, so many ms from now.")
    timeout_on: Moment | None = Field(default=None, description="Its deadline, epoch ms.")
    due_on: Moment | None = None
    follow_up_on: Moment | None = None
    priority: Annotated[WholeNumber, Field(ge=0, le=MAX_PRIORITY)] | None = None
    notes: Annotated[str, Field(max_length=MAX_NOTES_CHARACTERS)] | None = None
    hooks: list[dict[str, Any]] | None = Field(
        default=None, description="What is done to it by itself; docs/protocol.md says what they have."
    )

    _PARAMETERS: ClassVar = {
        "name": "taskName",
        "spec": "taskSpec",
        "specVersion": "taskSpecVersion",
        "action": "taskAction",
        "user": "taskUser",
        "roles": "taskRoles",
    }

    def parameters(self) -> dict[str, Any]:
        sent = self.model_dump(exclude_none=True, by_alias=True, exclude={"domain", "task_id", "data"})
        return {self._PARAMETERS.get(name, name): value for name, value in sent.items()}


class Definition(Body):
    """A definition: which answers the tasks of a taskSpec take."""

    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARACTERS)] | None = None
    form: dict[str, Any] = Field(alias="schema", description="JSON Schema (2020-12) of the answers.")
    ui_order: list[str] | None = None
    ui_widgets: dict[str, Any] | None = None
    outcomes: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=MAX_OUTCOME_CHARACTERS)]],
            Field(max_length=MAX_OUTCOMES),
        ]
        | None
    ) = None

    def parameters(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True, by_alias=True)


class Named(Body):
    """One task of a bulk request."""

    domain: Name
    key: Annotated[str, Field(min_length=1, max_length=4 * MAX_ID_BYTES)] = Field(
        description="Its key, as lists give it."
    )
    if_version: str | None = Field(default=None, description="As If-Match, without the quotes.")


class Bulk(Body):
    """One verb on many tasks."""

    verb: Literal["claim", "release", "assign", "draft", "proceed", "cancel", "timeout", "comments", "update"]
    tasks: list[Named] = Field(min_length=1, max_length=MAX_BULK)
    values: dict[str, Any] = Field(
        default_factory=dict, description="The body of the verb, as if it were sent for each task."
    )
