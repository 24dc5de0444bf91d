"""What a loop is made of, and what it asks of each part."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from runner.errors import TransientError
from runner.worker.assignment import Batch
from runner.worker.changelog import Changelog
from runner.worker.delivery import DeliveryMode
from runner.worker.event_log import EventLog
from runner.worker.prefetch import Prefetch
from runner.worker.process import Lap, Send
from runner.worker.restorer import Restorer
from runner.worker.result import BatchResult
from runner.worker.retention import Retention
from runner.worker.start_offsets import KnownOffsets
from runner.worker.store_clock import StoreClock
from runner.worker.timers import Timers


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the loop takes at once, and how long it waits."""

    batch_events: int = 2000
    batch_bytes: int = 8 * 1024 * 1024
    poll_seconds: float = 0.1
    retry_seconds: float = 0.25
    """Between two tries while something does not answer."""
    verify_seconds: float = 5.0
    """Between two looks whether the store still holds what it must."""
    paused_seconds: float = 5.0
    """Until a home that could not go on is tried again; poison stays paused."""
    poison_per_minute: int = 0
    """Dead letters of one home in a minute, after which it waits for the next; 0: no bound."""


class Observer(Protocol):
    """Is told what the loop does: metrics, health and log. Must not raise."""

    def phase_ended(self, part: str) -> object:
        """A part of the loop ended."""
        ...

    def processed(self, batch: Batch, done: BatchResult, timers: int, seconds: float) -> None:
        """A batch and its timers were committed; ``seconds`` is what the delivery took."""
        ...

    def delivered(self) -> None:
        """Kafka has taken what was sent."""
        ...

    def aborted(self, error: TransientError) -> None:
        """A batch was abandoned; it comes again."""
        ...

    def recovered(self) -> None:
        """The store answers again, and reading goes on."""
        ...

    def homes(self, opened: Collection[int], paused: Collection[int]) -> None:
        """The open homes, and those that are paused."""
        ...

    def paused(self, home: int, reason: str) -> None:
        """A home cannot go on."""
        ...

    def removed(self, records: int) -> None:
        """Records were removed after their retention."""
        ...


class BatchProcessor(Protocol):
    """Steps 2 to 5: what a batch comes to, applied."""

    def run(self, batch: Batch, runs: Mapping[int, int], phase_ended: Lap, send: Send) -> BatchResult:
        """Return what is to be delivered besides what was sent; a TransientError if nothing of it may be."""
        ...


class Positions(KnownOffsets, Protocol):
    """Where it is kept how far this loop has come, besides the group's offsets."""

    def ping(self) -> None:
        """Return if what the batches need answers."""
        ...

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Note what was committed."""
        ...


def nobody_else() -> None:
    """Ask or tell nobody: log and store are all that is needed."""


class RequestsTopic(Protocol):
    """What is known of the requests topic; never waits for the broker."""

    def has_home(self, partition: int) -> bool:
        """Whether the topic that was opened, and no later one of its name, has this partition.

        Where that is not known it is found out; ask again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Components:
    """What a loop is made of."""

    log: EventLog
    topic: RequestsTopic
    store: Positions
    process: BatchProcessor
    delivery: DeliveryMode
    timers: Timers
    retention: Retention
    time: StoreClock
    incarnation: int
    prefetch: Prefetch | None = None
    """Decodes what waits while a batch is confirmed; None: nobody does."""
    changelog: Changelog | None = None
    ping: Callable[[], object] = nobody_else
    """Asks whoever else a batch failed for; TransientError if there is still no answer."""
    assigned: Callable[[], object] = nobody_else
    """Is told of homes that were assigned, before the first of them is read. May raise FatalError."""
    restorer: Restorer | None = None
    """Verifies what the store holds before it is relied on; None: nobody does."""
