"""The components of a loop, and the Protocol of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runner.actions.decision import OutgoingMessage
from runner.errors import TransientError
from runner.kafka.message import Message
from runner.kafka.offsets import KnownOffsets
from runner.worker.assignment import Batch
from runner.worker.delivery import DeliveryMode
from runner.worker.event_log import EventLog
from runner.worker.overlap import Step
from runner.worker.result import BatchResult, PhaseEnded, Send


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

    def phase_ended(self, part: str) -> object: ...

    def processed(self, batch: Batch, result: BatchResult, timers: int, seconds: float) -> None:
        """A batch and its timers were committed; ``seconds`` is the time of the delivery."""

    def delivered(self) -> None: ...

    def aborted(self, error: TransientError) -> None:
        """A batch was aborted; its events are redelivered."""

    def recovered(self) -> None:
        """The store answers again, and reading goes on."""

    def homes(self, opened: Collection[int], paused: Collection[int]) -> None:
        """The set of open homes, or of paused ones, changed."""

    def paused(self, home: int, reason: str) -> None: ...


class BatchProcessor(Protocol):
    """Steps 2 to 5 of the loop: a batch is decoded, decided and applied."""

    def run(
        self, batch: Batch, poison_runs: Mapping[int, int], phase_ended: PhaseEnded, send: Send
    ) -> BatchResult:
        """Return the result to deliver besides what was sent; TransientError: nothing may be delivered."""

    def prefetch(self, messages: Sequence[Message]) -> Step:
        """Return the step that decodes these messages ahead of their batch; it has no effects."""


class Positions(KnownOffsets, Protocol):
    """Committed offsets as the store keeps them, besides those of the group."""

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None: ...

    def note_timeout(self, domains: Sequence[str], to_ms: int) -> None:
        """Raise the end of the last TimeoutBetween pass of these domains, epoch ms."""


class RequestsTopic(Protocol):
    """Partitions of the requests topic, as last known; never waits for the broker."""

    def has_home(self, partition: int) -> bool:
        """Whether the topic that was opened, and no later one of its name, has this partition.

        Where that is not known it is found out; ask again.
        """


@dataclass(frozen=True, slots=True)
class Round:
    """A round of the loop, as its duties see it: nothing is applied that is not committed."""

    positions: Mapping[int, int]
    """Committed offset of every open home."""
    is_caught_up: bool
    """Whether the log of the open homes was read to its end."""
    commit: Callable[[Sequence[OutgoingMessage], Collection[int]], None]
    """Commits messages by themselves, fenced by the positions of these homes."""


class Duty(Protocol):
    """What a worker does for its homes besides handling events; TransientError aborts the round."""

    @property
    def phase(self) -> str: ...

    def assign(self, homes: Collection[int], paused: Collection[int]) -> None:
        """Own exactly these homes; the paused ones among them decide nothing."""

    def wait_ms(self) -> int | None:
        """Return the ms until something is due; None: the loop need not wake up for it."""

    def due(self, now: Round) -> Sequence[OutgoingMessage]:
        """Do what is due between two batches; return messages to be committed with the next one."""

    def committed(self, result: BatchResult) -> None:
        """A batch was committed, and the messages of ``due`` with it."""

    def aborted(self) -> None:
        """Messages of ``due`` may not have been committed."""


class Guard(Protocol):
    """Sees to it that the store is complete before a home is read."""

    @property
    def is_busy(self) -> bool: ...

    def verify(self, positions: Mapping[int, int]) -> bool:
        """Whether the store holds all that was committed of these homes; if not, restore one step of it."""

    def cancel(self) -> None:
        """Restore nothing more of what ``verify`` has begun; no effect if nothing is being restored."""

    def renewed(self) -> bool:
        """Whether the store was replaced or restored since the last call."""


@dataclass(frozen=True, slots=True)
class Components:
    """The components of one loop."""

    log: EventLog
    topic: RequestsTopic
    store: Positions
    processor: BatchProcessor
    delivery: DeliveryMode
    incarnation: int
    duties: Sequence[Duty] = ()
    """In the order in which they are done, before the batch of a round."""
    guards: Sequence[Guard] = ()
    before_opening: Sequence[Callable[[], object]] = ()
    """Called before homes are opened. May raise FatalError."""
    pings: Sequence[Callable[[], object]] = ()
    """Ask every server that a batch may have failed for; TransientError if one does not answer yet."""
