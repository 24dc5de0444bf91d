"""The schemas of an event: its sections, and what ``result`` may hold."""

from __future__ import annotations

from typing import Final

from runner import errors
from runner.cli.asyncapi.building import MOMENT, TEXT, Node, fields, nullable, shared
from runner.envelope.avro_schema import SECTIONS
from runner.tasks.parts import Status

CODES: Final = sorted(
    value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)
)
"""Codes of ``result.error``."""

STATUSES: Final = (
    "UNASSIGNED",
    "ASSIGNED",
    "DONE",
    *(status.value for status in Status if status not in {Status.OPEN, Status.PROCEEDED}),
)
"""States of a task as people see them."""

_ID: Final[Node] = {
    "type": ["string", "number"],
    "minLength": 1,
    "description": "Unique for the whole system: the key of the reply. A number is read as its text.",
}
_ROLES: Final[Node] = {"type": "array", "items": TEXT}
_WHO: Final[Node] = {"type": "object", "description": "User and roles."}


def _section(name: str, *kinds: str) -> Node:
    return {"type": list(kinds) if len(kinds) > 1 else kinds[0], "description": SECTIONS[name]}


_REQUEST_META: Final[Node] = {**_section("requestMeta", "object"), **fields({"id": _ID})}
_SAGA_META: Final[Node] = {
    **_section("sagaMeta", "array", "null"),
    "items": {
        "type": "object",
        "properties": {
            "sagaId": {"description": "Id of the saga; a number is read as its text."},
            "stepId": {"description": "Id of its step."},
        },
    },
}
_TASK: Final[Node] = fields(
    {
        "id": TEXT,
        "domain": TEXT,
        "partition": {"type": "integer", "minimum": 0, "description": "The home of the task."},
        "version": {**TEXT, "description": "What ifVersion is compared with."},
        "status": {"enum": list(STATUSES)},
        "owner": nullable("string", "Who has it."),
        "user": nullable("string", "Its preferred user."),
        "roles": _ROLES,
        "name": nullable("string"),
        "spec": nullable("string"),
        "specVersion": nullable("integer", "Version of the definition that it is pinned to."),
        "action": nullable("string"),
        "createdOn": MOMENT,
        "timeout": nullable("integer", "Its deadline, epoch ms."),
        "dueOn": nullable("integer", "Epoch ms."),
        "followUpOn": nullable("integer", "Epoch ms."),
        "priority": {"type": "integer", "minimum": 0, "maximum": 100},
        "comments": {"type": "integer", "minimum": 0, "description": "How many, without deleted ones."},
        "level": {"type": "integer", "minimum": 0, "description": "Levels of escalation that were reached."},
    },
    description="A task as it is now.",
)
_SHOWN: Final[Node] = {
    "description": "A task as it is now; the reply to GetTask shows all of it.",
    "allOf": [shared("task")],
    "properties": {
        "data": {"description": "The data of the task, as its StartTask gave it."},
        "draft": {"description": "The answers saved so far; null: none."},
        "notes": nullable("string"),
        "commentList": {
            "type": "array",
            "items": fields(
                {
                    "id": {"type": "integer", "minimum": 1},
                    "by": TEXT,
                    "at": MOMENT,
                    "text": nullable("string", "null: deleted."),
                    "editedAt": nullable("integer", "Epoch ms."),
                }
            ),
        },
        "history": {
            "type": "array",
            "description": "Oldest first.",
            "items": fields(
                {
                    "revision": {"type": "integer", "minimum": 1},
                    "at": MOMENT,
                    "event": TEXT,
                    "source": TEXT,
                    "actor": TEXT,
                    "from": _WHO,
                    "to": _WHO,
                    "data": {"type": "object"},
                },
                required=["revision", "at", "event", "source"],
            ),
        },
    },
}
_ACCEPTED: Final[Node] = fields(
    {
        "id": TEXT,
        "domain": TEXT,
        "partition": {"type": "integer", "minimum": 0, "description": "The home of the task."},
        "timeout": nullable("integer", "Its deadline, epoch ms."),
    }
)
_DECISION: Final[Node] = fields(
    {
        "id": TEXT,
        "domain": TEXT,
        "outcome": nullable("string", "The named answer; null: none."),
        "by": nullable("string", "Who ended the task; null: nobody is named, or its deadline."),
        "for": {**TEXT, "description": "The firm owner, where another finished the task."},
        "at": MOMENT,
    },
    required=["id", "domain", "outcome", "by", "at"],
    description="How the task was decided; only where people have worked on it, or it has a definition.",
)
_ERROR: Final[Node] = fields(
    {
        "code": {"enum": CODES, "description": "Programs branch on it."},
        "message": {**TEXT, "description": "For people."},
        "http": {"type": "integer", "description": "HTTP status that a gateway may show."},
        "violations": {
            "type": "array",
            "minItems": 1,
            "items": fields({"pointer": TEXT, "rule": TEXT, "message": TEXT}),
            "description": f"What is wrong with answers; with code {errors.ANSWERS_REFUSED}.",
        },
    },
    required=["code", "message", "http"],
)
_CANCELLATION: Final[Node] = fields(
    {
        "code": {"const": errors.TASK_CANCELLED},
        "message": nullable("string", "Why the task was cancelled."),
        "name": {**TEXT, "description": "The parameter onCancel of the StartTask."},
    },
    required=["code", "message"],
)

SCHEMAS: Final[Node] = {
    "requestMeta": _REQUEST_META,
    "sagaMeta": _SAGA_META,
    "payload": _section("payload", "object"),
    "payloadOrNull": _section("payload", "object", "null"),
    "earlierResult": _section("result", "object", "null"),
    "task": _TASK,
    "shownTask": _SHOWN,
    "acceptedTask": _ACCEPTED,
    "decision": _DECISION,
    "error": _ERROR,
    "cancellation": _CANCELLATION,
}
"""The schemas that messages share, by name."""


def event(event_meta: Node, *, needs_payload: bool = True, result: Node | None = None) -> Node:
    """Return the schema of an event; ``result`` None: of one that was sent to the runner."""
    properties: Node = {
        "requestMeta": shared("requestMeta"),
        "sagaMeta": shared("sagaMeta"),
        "eventMeta": event_meta,
        "payload": shared("payload") if needs_payload else shared("payloadOrNull"),
        "result": shared("earlierResult") if result is None else result,
    }
    required = ["requestMeta", "eventMeta"]
    if needs_payload:
        required.append("payload")
    if result is not None:
        required.append("result")
    return fields(properties, required)


def result(status: Node, properties: Node | None = None, required: tuple[str, ...] = ()) -> Node:
    """Return the schema of ``result`` as the runner writes it; fields of others may stand in it too."""
    own: Node = {"status": status, "receiveTime": MOMENT, "endTime": MOMENT}
    return fields(own | (properties or {}), (*own, *required))
