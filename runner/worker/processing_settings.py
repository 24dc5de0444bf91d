"""Settings of batch processing, and the budget of time and bytes that they give a batch."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.clock import Ticker
from runner.envelope.codec import Codec
from runner.envelope.event import MetaRules
from runner.limits import WIDEST
from runner.worker.in_flight import InFlight

SLICE_EVENTS: Final = 500


@dataclass(frozen=True, slots=True)
class ProcessingSettings:
    """The settings of batch processing; plain data and pure look-ups only."""

    policy: Policy
    codec: Codec
    """Of the requests topic."""
    rules: MetaRules
    incarnation: int
    poison_limit: int
    """Consecutive poison messages after which a home is paused; 0: never."""
    slice_events: int = SLICE_EVENTS
    """Events of a batch that are decided together; messages of the slice before are being sent meanwhile."""
    batch_seconds: float = inf
    """Time for decoding, and again for deciding, after which the rest of the batch is deferred."""
    batch_bytes: int = 8 * 1_048_576
    """Bytes that patterns may produce in a batch before the rest is deferred; four times as much is sent."""

    @property
    def widest(self) -> ProcessingSettings:
        """The same settings within the widest limits: for events that were decided under other limits."""
        return replace(self, policy=self.policy.within(WIDEST))

    def budget(self, ticker: Ticker, times: int = 1) -> BatchBudget:
        """Return a full budget, with so many times the bytes."""
        return BatchBudget(ticker, self.batch_seconds, times * self.batch_bytes)


class BatchBudget:
    """The time and bytes that a batch has left before the rest of it is deferred.

    A pattern may take a second, and a record may be a thousand times as large as the event that names it. A
    thousand such events in one batch would end the worker, and then the worker that takes over. Where a
    batch is deferred makes no difference to what is decided (``BatchState.defer``), so a clock may be read.
    """

    def __init__(self, ticker: Ticker, seconds: float, size_bytes: int) -> None:
        self._ticker = ticker
        self._until = ticker() + seconds
        self._bytes_left = size_bytes

    def charge(self, size_bytes: int) -> None:
        self._bytes_left -= size_bytes

    def charge_patterns(self, item: InFlight) -> None:
        """Take the bytes that the patterns of an event have produced from the budget."""
        if isinstance(item.plan, TaskPlan) and item.plan.task_input.encoded is not None:
            self.charge(len(item.plan.task_input.encoded))

    def copy(self) -> BatchBudget:
        """Return a budget of what is left."""
        return copy(self)

    @property
    def is_exhausted(self) -> bool:
        """Whether the next event has to be deferred."""
        return self._bytes_left < 0 or self._ticker() > self._until
