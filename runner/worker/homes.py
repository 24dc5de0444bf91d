"""The homes of a worker: opened, paused and rewound, in log, duties and observer alike.

A home is assigned inside ``poll``, and opened outside of it: its start offset is found out, and nothing is
read of it before the store holds all that was committed of it. The other homes go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from runner.clock import Ticker
from runner.kafka.offsets import start_offsets
from runner.worker.assignment import Assignment
from runner.worker.components import Components, LoopObserver


class OwnedHomes:
    """The homes of one worker; revoked ones are dropped at once."""

    def __init__(self, parts: Components, observer: LoopObserver, ticker: Ticker) -> None:
        self.assignment = Assignment()
        self._parts = parts
        self._observer = observer
        self._ticker = ticker
        self._start_offsets: dict[int, int] = {}
        """Of the homes that wait for the store."""
        self._resume_at: dict[int, float] = {}

    def revoked(self, homes: Collection[int]) -> None:
        """Drop homes with their backlog; applied changes stay."""
        self.assignment.revoked(homes)
        for home in homes:
            self._start_offsets.pop(home, None)
            self._resume_at.pop(home, None)
        self.assign_duties()

    # -- opening ---------------------------------------------------------------------------------

    def openable(self) -> set[int]:
        """Return the homes that may be opened: all pending ones, or none yet.

        A partition that was just added to the topic is confirmed first; all wait for that together.
        """
        pending = set(self.assignment.pending)
        return pending if all(map(self._parts.topic.has_home, pending)) else set()

    def open(self) -> None:
        """Begin reading the assigned homes once the store holds all that was committed of them."""
        parts, openable = self._parts, self.openable()
        if not self._start_offsets:
            # Homes may have been revoked before they were opened; restoring them is not ours any more.
            for guard in parts.guards:
                guard.cancel()
        if not openable:
            return
        if not self.is_restoring or self._start_offsets.keys() != openable:
            for prepare in parts.before_opening:
                prepare()
            self._start_offsets = start_offsets(openable, parts.log, parts.store, parts.incarnation)
        if self._is_complete(self._start_offsets):
            began = parts.log.read_from(self._start_offsets)
            self._start_offsets = {}
            self.assignment.opened(began)
            self.assign_duties()

    # -- completeness of the store ---------------------------------------------------------------

    @property
    def is_restoring(self) -> bool:
        """Whether something of these homes is being restored."""
        return any(guard.is_busy for guard in self._parts.guards)

    def are_complete(self) -> bool:
        """Whether the store holds all that was committed of the homes, also of those that are not open yet.

        If not, one step of restoring was done; call it again. TransientError if a server does not answer.
        """
        if not self._is_complete({**self._start_offsets, **self.assignment.positions}):
            return False
        if any(guard.renewed() for guard in self._parts.guards):
            # The store was replaced or restored: its indexes may hold other entries.
            for duty in self._parts.duties:
                duty.assign((), ())
            self.assign_duties()
        return True

    def _is_complete(self, positions: Mapping[int, int]) -> bool:
        return all(guard.verify(positions) for guard in self._parts.guards)

    # -- pausing and rewinding -------------------------------------------------------------------

    def pause(self, home: int, reason: str, seconds: float | None) -> None:
        """Pause an open home for so many seconds; None: until it is assigned again."""
        if home not in self.assignment.positions:
            return
        self.assignment.paused[home] = reason
        if seconds is not None:
            self._resume_at[home] = self._ticker() + seconds
        self._observer.paused(home, reason)
        self.assign_duties()
        self._rewind({home})
        self._parts.log.pause({home})

    def resume_due(self) -> None:
        """Read on where the time of a pause is over."""
        now = self._ticker()
        due = {home for home, at in self._resume_at.items() if at <= now}
        for home in due:
            del self._resume_at[home]
            self.assignment.paused.pop(home, None)
        if due:
            self._parts.log.resume(due)
            self.assign_duties()

    def rewind_all(self) -> None:
        """Rewind every home to its committed offset, and read nothing until ``resume_all``."""
        homes = set(self.assignment.positions)
        self._rewind(homes)
        self._parts.log.pause(homes)

    def resume_all(self) -> None:
        """Read every home again that is not paused by itself."""
        self._parts.log.resume(set(self.assignment.positions) - set(self.assignment.paused))

    def _rewind(self, homes: set[int]) -> None:
        self._parts.log.rewind(self.assignment.rewound(homes))

    def assign_duties(self) -> None:
        """Tell duties and observer which homes are open, and which of them are paused."""
        homes, paused = set(self.assignment.positions), set(self.assignment.paused)
        for duty in self._parts.duties:
            duty.assign(homes, paused)
        self._observer.homes(homes, paused)
