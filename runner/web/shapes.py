"""Shapes: what answers look like, for the OpenAPI document and for whoever checks answers against it.

Answers are made as plain JSON, and rows of lists are passed on as they stand in the database: nothing is
checked against these models while a request is answered. Tests do that.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from runner.web.problems import Problem

Status: TypeAlias = Literal["UNASSIGNED", "ASSIGNED", "DONE", "TIMED_OUT", "CANCELLED"]
Moment: TypeAlias = Annotated[int, Field(description="Epoch ms.")]


class Answer(BaseModel):
    """An object of an answer."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class TaskFields(Answer):
    """A task, as every answer has it."""

    key: str = Field(description="The task in a path: its id, or `~` and the base64url of it.")
    domain: str
    id: str
    partition: int
    version: str = Field(description="Changes with every change of the task; its ETag, without the quotes.")
    status: Status
    owner: str | None
    user: str | None = Field(description="Who should do it.")
    roles: list[str]
    name: str | None
    spec: str | None
    spec_version: int | None
    action: str | None
    created_on: Moment
    timeout: Moment | None = Field(description="Its deadline, epoch ms.")
    due_on: Moment | None
    follow_up_on: Moment | None
    priority: int
    comments: int = Field(description="How many there are.")
    level: int = Field(description="Level of escalation.")


class TaskRow(TaskFields):
    """A task, as lists have it."""

    finished_on: Moment | None
    finished_by: str | None
    outcome: str | None
    has_draft: bool
    attributes: dict[str, Any] = Field(description="The business data that the configuration names.")


class TaskPage(Answer):
    """A page of tasks."""

    tasks: list[TaskRow]
    next: str | None = Field(description="Cursor of the next page; null: this is the last.")
    complete: bool = Field(description="False: `after` has not been reached in time.")


class Count(Answer):
    """Tasks with one value."""

    value: Any = Field(description="What they have in common; null: nothing.")
    count: int


class Counts(Answer):
    """Tasks by what they have in common."""

    counts: list[Count]
    complete: bool


class TaskDetail(TaskRow):
    """All of a task, but its comments and history."""

    data: Any = Field(description="What it is about.")
    draft: dict[str, Any] | None = Field(description="The answers so far.")
    notes: str | None


class Comment(Answer):
    """A comment; the text of one that was deleted is gone."""

    id: int
    by: str
    at: Moment
    text: str | None
    edited_at: Moment | None


class Comments(Answer):
    """The comments of a task, oldest first."""

    comments: list[Comment]


class HistoryEntry(Answer):
    """One change of a task."""

    at: Moment
    event: str
    actor: str | None = Field(description="Who made it; null: nobody is named.")
    source: str = Field(description="The event that made it, as incarnation/partition@offset.")
    from_: dict[str, Any] | None = Field(alias="from", description="User and roles before.")
    to: dict[str, Any] | None = Field(description="User and roles after.")
    data: Any = Field(description="What was changed; null: nothing more is known.")


class History(Answer):
    """The history of a task, oldest first."""

    history: list[HistoryEntry]
    left_out: int = Field(description="Entries in the middle that are not kept.")


class ChangedTask(Answer):
    """A task after a command; only what says which it is where its record is gone already."""

    key: str
    domain: str
    id: str
    partition: int | None = None
    version: str | None = None
    status: Status | None = None
    owner: str | None = None
    user: str | None = None
    roles: list[str] | None = None
    name: str | None = None
    spec: str | None = None
    spec_version: int | None = None
    action: str | None = None
    created_on: Moment | None = None
    timeout: Moment | None = None
    due_on: Moment | None = None
    follow_up_on: Moment | None = None
    priority: int | None = None
    comments: int | None = None
    level: int | None = None


class CommentId(Answer):
    """Which comment."""

    id: int


class Done(Answer):
    """What a command has done."""

    task: ChangedTask
    comment: CommentId | None = Field(
        default=None, description="The comment that was written; absent where the command was repeated."
    )
    after: str | None = Field(default=None, description="For `after` of lists: they wait until they have it.")


class DefinedVersion(Answer):
    """Which version of which definition."""

    domain: str
    task_spec: str
    version: int


class Defined(Answer):
    """What a PUT of a definition has come to: the same again is the version that was there."""

    definition: DefinedVersion


class DefinitionView(Answer):
    """One version of a definition."""

    domain: str
    task_spec: str
    version: int
    newest: int = Field(description="Number of the newest version.")
    defined_on: Moment
    by: str | None
    description: str | None = None
    form: dict[str, Any] = Field(alias="schema", description="JSON Schema of the answers.")
    ui_order: list[str] | None = None
    ui_widgets: dict[str, Any] | None = None
    outcomes: list[str] | None = None


class DefinitionRow(Answer):
    """A definition in a list: its newest version."""

    domain: str
    task_spec: str
    version: int
    defined_on: Moment
    by: str | None
    description: str | None


class Definitions(Answer):
    """The definitions of the domains that can be reached."""

    definitions: list[DefinitionRow]


class BulkResult(Answer):
    """What came of one task: what the verb answers, or a problem."""

    domain: str
    key: str
    status: int = Field(description="The status that the verb itself would have had.")
    done: Done | None = None
    problem: Problem | None = None


class BulkResults(Answer):
    """A result for each task, in their order."""

    results: list[BulkResult]


class DomainView(Answer):
    """A domain that can be reached, and what may be done there."""

    name: str
    is_admin: bool
    may_start: bool
    may_time_out: bool = Field(description="Whether tasks may be timed out before their deadline.")
    may_define: bool
    requires_definition: bool
    requires_owner: bool
    anyone_eligible_completes: bool = Field(description="Whether others than the owner may finish a task.")


class Domains(Answer):
    """The domains that can be reached."""

    domains: list[DomainView]


class Me(Answer):
    """Who sends the request, as the runner sees it."""

    user: str
    name: str
    roles: list[str]
    tenant: str
    issuer: str
    domains: list[DomainView]


class Liveness(Answer):
    """Whether the process lives."""

    live: bool


class ReadinessView(Answer):
    """Whether the process can answer everything."""

    ready: bool
    reasons: list[str]


PROBLEM_REF: Final = {"$ref": "#/components/schemas/Problem"}
