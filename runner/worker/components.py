"""The components of a loop, and the Protocol of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from runner.changelog.restorer import Restorer
from runner.changelog.writer import Changelog
from runner.errors import TransientError
from runner.kafka.event_log import EventLog
from runner.kafka.start_offsets import KnownOffsets
from runner.worker.assignment import Batch
from runner.worker.delivery import DeliveryMode
from runner.worker.prefetch import Prefetch
from runner.worker.result import BatchResult, PhaseEnded, Send
from runner.worker.retention import Retention
from runner.worker.store_clock import StoreClock
from runner.worker.timers import Timers


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """Sizes of a batch, and times the loop waits."""

    batch_events: int = 2000
    batch_bytes: int = 8 * 1024 * 1024
    poll_seconds: float = 0.1
    retry_seconds: float = 0.25
    """Between two attempts to recover from an outage."""
    verify_seconds: float = 5.0
    """Between two checks that the store is complete."""
    paused_seconds: float = 5.0
    """Until a paused home is tried again; one paused for poison in a row is not."""


class LoopObserver(Protocol):
    """Receives what the loop does, for metrics, health and log; must not raise."""

    def phase_ended(self, part: str) -> object:
        """A phase of the loop ended."""
        ...

    def processed(self, batch: Batch, result: BatchResult, timers: int, seconds: float) -> None:
        """A batch and its timers were committed; ``seconds`` is the time of the delivery."""
        ...

    def delivered(self) -> None:
        """Kafka has committed a transaction."""
        ...

    def aborted(self, error: TransientError) -> None:
        """A batch was aborted; its events are redelivered."""
        ...

    def recovered(self) -> None:
        """The store answers again, and reading goes on."""
        ...

    def homes(self, opened: Collection[int], paused: Collection[int]) -> None:
        """The set of open homes, or of paused ones, changed."""
        ...

    def paused(self, home: int, reason: str) -> None:
        """A home was paused."""
        ...

    def removed(self, records: int) -> None:
        """Records were removed after their retention."""
        ...


class BatchProcessor(Protocol):
    """Steps 2 to 5 of the loop: a batch is decoded, decided and applied."""

    def run(self, batch: Batch, runs: Mapping[int, int], phase_ended: PhaseEnded, send: Send) -> BatchResult:
        """Return the result to deliver besides what was sent; TransientError: nothing may be delivered."""
        ...


class Positions(KnownOffsets, Protocol):
    """Committed offsets as the store keeps them, besides those of the group."""

    def ping(self) -> None:
        """Return if the store answers; StoreUnavailable otherwise."""
        ...

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        """Store committed offsets."""
        ...


def nobody_else() -> None:
    """Do nothing: the loop needs log and store only."""


class RequestsTopic(Protocol):
    """Partitions of the requests topic, as last known; never waits for the broker."""

    def has_home(self, partition: int) -> bool:
        """Whether the topic that was opened, and no later one of its name, has this partition.

        Where that is not known it is found out; ask again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Components:
    """The components of one loop."""

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
    """Decodes the backlog while a batch is committed; None: no prefetch."""
    changelog: Changelog | None = None
    ping: Callable[[], object] = nobody_else
    """Asks other servers a batch may have failed for; TransientError if one still does not answer."""
    assigned: Callable[[], object] = nobody_else
    """Called when homes are assigned, before the first of them is read. May raise FatalError."""
    restorer: Restorer | None = None
    """Verifies that the store is complete before a home is read; None: not verified."""
