"""A due task: an entry of a deadline index has all that a timer needs, without the record."""

from __future__ import annotations

from dataclasses import dataclass

from runner.errors import EventError, StoreUnreadable
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source, parse_source


@dataclass(frozen=True, slots=True)
class DueTask:
    """One entry of an index of deadlines or of hooks."""

    key: TaskKey
    home: int
    started_by: Source
    deadline_ms: int
    """Of hooks, any moment: their number says which they are."""
    epoch: int = 0
    """Of hooks, the number of the task."""
    is_hook: bool = False

    @property
    def member(self) -> str:
        """The entry's text in the index: ``source;epoch;id``. The id comes last: it may hold anything."""
        return f"{self.started_by};{self.epoch};{self.key.id}"


def parse_member(member: str, domain: str, home: int, deadline_ms: int) -> DueTask:
    """Return the task of an index entry and its score. Raises StoreUnreadable for any other text."""
    source, _, rest = member.partition(";")
    epoch, _, task_id = rest.partition(";")
    try:
        return DueTask(TaskKey(domain, task_id), home, parse_source(source), deadline_ms, int(epoch))
    except (EventError, ValueError):
        raise unreadable_entry(member, domain, home) from None


def unreadable_entry(member: str, domain: str, home: int) -> StoreUnreadable:
    """Return the error for an index entry that no runner has written."""
    return StoreUnreadable(
        f"Redis holds {member[:100]!r} in an index of domain {domain!r} on home {home}; "
        "take it out (ZREM), or restore Redis"
    )


@dataclass(frozen=True, slots=True)
class DuePage:
    """A page of the due tasks of a period; ``cursor`` leads to the next page, None: the end."""

    tasks: tuple[DueTask, ...]
    cursor: str | None
