"""A desk where boxes are counted: one task with a form, and what tests of its pages do to it."""

from __future__ import annotations

from typing import Any, Final

from tests.unit.web.desk import Inquirer

TASK: Final = "/inbox/mine/orders/t-1"
HOSTILE: Final = "<script>alert(1)</script>\"'><b>{{ 7 * 7 }}"
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["sum"],
    "properties": {
        "sum": {"type": "integer", "minimum": 1, "title": "Sum"},
        "note": {"type": "string", "title": "Note"},
        "parts": {"type": "array", "title": "WebComponents", "items": {"type": "string", "title": "Part"}},
    },
}


def counting_desk() -> Inquirer:
    """Return a desk at which managers may count the boxes."""
    made = Inquirer()
    body = {"schema": _SCHEMA, "description": "Count it.", "outcomes": ["right", "wrong"]}
    assert made.ask("root", "PUT", "/definitions/orders/count", json=body).status_code == 200
    made.start("t-1", taskRoles="manager", taskName="Count the boxes", taskSpec="count", notes="call first")
    return made


def note(desk: Inquirer) -> None:
    """Let the lists have the task as it is now."""
    desk.lists.note(next(iter(desk.lists._rows)))


def claimed(desk: Inquirer) -> None:
    """Let ann have the task."""
    assert desk.post("ann", "/tasks/orders/t-1/claim").status_code == 200
