"""What the API tells of: tasks, their comments and history, and changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

OPEN: Final = frozenset({"UNASSIGNED", "ASSIGNED"})


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the API shows it; moments are epoch ms."""

    domain: str
    id: str
    key: str
    """The id as it stands in a path of the API."""
    status: str | None
    """UNASSIGNED, ASSIGNED, DONE, TIMED_OUT or CANCELLED; None: it is over, and its record gone."""
    version: str | None
    """For ``if_version`` of a command: it is refused if the task has another one by then."""
    fields: Mapping[str, Any] = field(repr=False)
    """All fields, as the API names them: ``owner``, ``roles``, ``name``, ``data`` and so on."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def owner(self) -> str | None:
        """Who has the task."""
        return self.fields.get("owner")

    @property
    def name(self) -> str | None:
        return self.fields.get("name")

    @property
    def data(self) -> Any:
        """What the task is about; None in a list, which does not show it."""
        return self.fields.get("data")

    @property
    def outcome(self) -> str | None:
        """Which of the answers of its definition it was given."""
        return self.fields.get("outcome")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a task."""

    id: int
    by: str
    at: int
    text: str | None
    """None: deleted."""
    edited_at: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of a task."""

    event: str
    """created, assigned, saved and so on."""
    at: int
    actor: str | None
    fields: Mapping[str, Any] = field(repr=False)
    """All fields, as the API names them: ``data``, ``from`` and ``to`` too."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something in a stream of events."""

    kind: str
    """``changed``; ``gone``: out of sight; ``reload``: what came before is not known, read lists again."""
    domain: str | None = None
    key: str | None = None
    version: str | None = None


def task_of(fields: Mapping[str, Any]) -> Task:
    """Return the task of an answer."""
    named = fields["domain"], fields["id"], fields["key"]
    return Task(*named, fields.get("status"), fields.get("version"), fields)


def comment_of(fields: Mapping[str, Any]) -> Comment:
    """Return the comment of an answer."""
    return Comment(fields["id"], fields["by"], fields["at"], fields.get("text"), fields.get("editedAt"))


def entry_of(fields: Mapping[str, Any]) -> HistoryEntry:
    """Return the history entry of an answer."""
    return HistoryEntry(fields["event"], fields["at"], fields.get("actor"), fields)
