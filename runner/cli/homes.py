"""Where an event goes: straight to the home of its task where that is known, else by its key.

Only a convenience: the runner forwards an event that arrives elsewhere, at the price of a hop.
"""

from __future__ import annotations

from typing import Final, Protocol

from runner.actions.incoming import Incoming
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import is_addressed, plan
from runner.cli.event_lines import EventLine
from runner.errors import StoreUnavailable
from runner.tasks.record import Record, TaskKey
from runner.tasks.source import Source

# A generated id ends in the partition the event is read from, which nobody knows yet.
_UNREAD: Final = Source(incarnation=0, partition=-1, offset=-1)


class Records(Protocol):
    """Where records are looked up."""

    def record(self, key: TaskKey) -> Record | None:
        """Return one record; StoreUnavailable if there is no answer."""
        ...


class Homes:
    """Looks homes up, until the store does not answer; ``unavailable`` then says why."""

    def __init__(self, records: Records, policy: Policy) -> None:
        self._records = records
        self._policy = policy
        self.unavailable: str | None = None

    def home(self, line: EventLine) -> int | None:
        """Return the home partition of the task an event is about; None where it is not known."""
        if self.unavailable is not None or not is_addressed(line.event, self._policy):
            return None
        asked = plan(Incoming(line.event, _UNREAD, None, line.value), self._policy)
        if not isinstance(asked, TaskPlan):
            return None
        try:
            record = self._records.record(asked.key)
        except StoreUnavailable as error:
            self.unavailable = str(error)
            return None
        return None if record is None else record.state.home
