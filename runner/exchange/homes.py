"""Where an event goes: straight to the home of its task where that is known, else by its key.

Only a convenience: the runner forwards an event that arrives elsewhere, at the price of a hop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from runner.actions.incoming import Incoming
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import is_addressed, plan
from runner.errors import StoreUnavailable
from runner.exchange.event_lines import EventLine
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source

# A generated id ends in the partition the event is read from, which nobody knows yet.
_UNREAD: Final = Source(incarnation=0, partition=-1, offset=-1)

CHUNK: Final = 500
"""Records looked up in one round trip."""


class Records(Protocol):
    """Where records are looked up."""

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return the records; StoreUnavailable if there is no answer."""


class Homes:
    """Looks homes up, until the store does not answer; ``unavailable`` then says why."""

    def __init__(self, records: Records, policy: Policy) -> None:
        self._records = records
        self._policy = policy
        self.unavailable: str | None = None

    def of(self, lines: Sequence[EventLine]) -> Iterator[int | None]:
        """Give for each event the home partition of its task; None where it is not known."""
        for start in range(0, len(lines), CHUNK):
            chunk = lines[start : start + CHUNK]
            keys = [self._key(line) for line in chunk]
            known = self._homes([key for key in keys if key is not None])
            yield from (None if key is None else known.get(key) for key in keys)

    def _key(self, line: EventLine) -> TaskKey | None:
        """Return the task an event is about; None where it is about none, or its id is not in the event."""
        if not is_addressed(line.event, self._policy):
            return None
        work = plan(Incoming(line.event, _UNREAD, None, line.value), self._policy)
        return work.key if isinstance(work, TaskPlan) else None

    def _homes(self, keys: Sequence[TaskKey]) -> dict[TaskKey, int]:
        if self.unavailable is not None or not keys:
            return {}
        try:
            records = self._records.records_of(keys)
        except StoreUnavailable as error:
            self.unavailable = str(error)
            return {}
        return {record.key: record.state.home for record in records if record is not None}
