"""A task of a list, wherever the list comes from: Redis, or the projection where one is configured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from runner.actions.task_result import status_of
from runner.store.listing import Row
from runner.tasks.parts import Status

_ENDED: Final = {"DONE": Status.PROCEEDED, "TIMED_OUT": Status.TIMED_OUT, "CANCELLED": Status.CANCELLED}


@dataclass(frozen=True, slots=True)
class Listed:
    """One task; moments are epoch ms."""

    id: str
    domain: str
    status: Status
    shown_status: str
    """Of an open task, whether somebody has it."""
    home: int
    started_ms: int
    deadline_ms: int | None
    ended_ms: int | None
    level: int
    owner: str | None
    user: str | None
    roles: Sequence[str]
    name: str | None
    cursor: str | None = None
    """What a list is asked with that goes on after this task; None: only a page has one."""

    @classmethod
    def of_record(cls, row: Row) -> Self:
        """Return a task of a list from Redis."""
        record, state, ownership = row.record, row.record.state, row.record.ownership
        return cls(
            id=record.key.id,
            domain=record.key.domain,
            status=state.status,
            shown_status=status_of(record) if record.is_open else state.status.value,
            home=state.home,
            started_ms=state.created_ms,
            deadline_ms=record.deadline_ms,
            ended_ms=None if state.closing is None else state.closing.at_ms,
            level=0 if record.life is None else record.life.level,
            owner=ownership.owner,
            user=ownership.user,
            roles=ownership.roles,
            name=record.start.name,
            cursor=row.cursor,
        )

    @classmethod
    def of_row(cls, text: str) -> Self:
        """Return a task of a list from the projection."""
        row: dict[str, Any] = json.loads(text)
        status = _ENDED.get(row["status"], Status.OPEN)
        return cls(
            id=row["id"],
            domain=row["domain"],
            status=status,
            shown_status=row["status"] if status is Status.OPEN else status.value,
            home=row["partition"],
            started_ms=row["createdOn"],
            deadline_ms=row["timeout"],
            ended_ms=row["finishedOn"],
            level=row["level"],
            owner=row["owner"],
            user=row["user"],
            roles=row["roles"],
            name=row["name"],
        )

    def described(self) -> dict[str, Any]:
        """Return the task for programs."""
        return {
            "id": self.id,
            "domain": self.domain,
            "status": self.status.value,
            "home": self.home,
            "startedMs": self.started_ms,
            "deadlineMs": self.deadline_ms,
            "endedMs": self.ended_ms,
            "level": self.level,
            "owner": self.owner,
            "user": self.user,
            "roles": list(self.roles),
            "name": self.name,
            "cursor": self.cursor,
        }


class ListedPage(NamedTuple):
    """Part of a list."""

    tasks: list[Listed]
    cursor: str | None
    """Leads to the next page; None: this is the last."""
