"""Views: the lists that people work with, and what each of them is a list of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from runner.projection.filters import Filters
from runner.projection.indexing import OPEN_STATUSES, STATUSES
from runner.web.pages.languages import later


@dataclass(frozen=True, slots=True)
class View:
    """One list."""

    name: str
    """In addresses."""
    title: str
    """To be looked up."""
    nothing: str
    """What is said where it is empty; to be looked up."""
    usual: frozenset[str]
    """States that it shows where none is asked for."""
    states: frozenset[str]
    """States that can be asked for."""
    order: str = "-created"
    mine: bool = False
    for_me: bool = False
    is_of_admins: bool = False

    def filters(self, asked: Filters) -> Filters:
        """Return what is listed where somebody filters it; a state that it has not counts as none."""
        return replace(
            asked,
            statuses=(asked.statuses & self.states) or self.usual,
            mine=self.mine,
            for_me=self.for_me,
        )

    @property
    def choices(self) -> list[str]:
        """States to choose from; none where there is one only."""
        return [state for state in STATES if state in self.states] if len(self.states) > 1 else []


STATES: Final[Mapping[str, str]] = {
    "UNASSIGNED": later("Available"),
    "ASSIGNED": later("In work"),
    "DONE": later("Finished"),
    "TIMED_OUT": later("Timed out"),
    "CANCELLED": later("Cancelled"),
}
"""What each state is called, to be looked up, in the order to choose from."""

_VIEWS: Final = (
    View(
        "mine",
        later("My tasks"),
        later("You have no tasks at the moment."),
        frozenset({"ASSIGNED"}),
        frozenset({"ASSIGNED"}),
        mine=True,
    ),
    View(
        "available",
        later("Available"),
        later("Nothing is waiting to be taken."),
        frozenset({"UNASSIGNED"}),
        frozenset({"UNASSIGNED"}),
        for_me=True,
    ),
    View(
        "all",
        later("All"),
        later("There are no open tasks."),
        OPEN_STATUSES,
        STATUSES,
        is_of_admins=True,
    ),
    View(
        "finished",
        later("Finished"),
        later("No finished tasks are listed."),
        STATUSES - OPEN_STATUSES,
        STATUSES - OPEN_STATUSES,
        order="-finished",
    ),
)
VIEWS: Final[Mapping[str, View]] = {each.name: each for each in _VIEWS}
