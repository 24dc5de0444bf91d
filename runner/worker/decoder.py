"""Decoding, before any I/O: a message becomes an event in flight with a plan, or poison.

A message that can never be answered is poison and will be dead-lettered. An event for another runner is
ignored: it gets no reply and has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Final, TypeAlias

from msgspec import structs

from runner.actions.incoming import Incoming
from runner.actions.plan import Plan, TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import is_addressed, plan
from runner.clock import Ticker
from runner.envelope.codec import Codec, JsonCodec
from runner.envelope.event import MetaRules, read_event, require_answerable
from runner.errors import PoisonError, TransientError
from runner.kafka.event_log import Message
from runner.limits import WIDEST
from runner.tasks.source import Source
from runner.worker.budget import BatchBudget
from runner.worker.in_flight import InFlight

SLICE_EVENTS: Final = 500

_JSON: Final = JsonCodec()


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


TakePrefetched: TypeAlias = Callable[[Message], InFlight | None]


class BatchDecoder:
    """Decodes the messages of a batch by slices; the next slice is decoded while the store works."""

    def __init__(
        self,
        messages: Sequence[Message],
        settings: ProcessingSettings,
        budget: BatchBudget,
        take_prefetched: TakePrefetched = lambda _: None,
    ) -> None:
        """``budget``: events beyond it are left for the next batch, but never the first one.

        ``take_prefetched`` returns the event of a message that was prefetched.
        """
        self._take_prefetched = take_prefetched
        self._messages = messages
        self._settings = settings
        self._budget = budget
        self._position = 0
        self._prefetched: list[InFlight] = []
        self._is_full = False

    @property
    def is_over(self) -> bool:
        """Whether all messages are taken, or the budget is exhausted."""
        return self._is_full or self._position == len(self._messages)

    @property
    def remaining(self) -> Sequence[Message]:
        """The messages that were not taken."""
        return self._messages[self._position :]

    def take(self) -> list[InFlight]:
        """Return the next slice, decoded; TransientError where a schema cannot be looked up for now."""
        self._is_full = not self._decode(self._settings.slice_events)
        items, self._prefetched = self._prefetched, []
        self._position += len(items)
        return items

    def prefetch(self) -> None:
        """Decode half of the next slice, as far as no schema has to be looked up."""
        half = len(self._prefetched) + (self._settings.slice_events + 1) // 2
        # A schema that cannot be looked up now is looked up again when the slice is taken.
        with suppress(TransientError):
            self._decode(min(half, self._settings.slice_events))

    def _decode(self, count: int) -> bool:
        """Decode until so many are prefetched; return whether the budget sufficed."""
        prefetched = self._prefetched
        for message in self._messages[self._position + len(prefetched) : self._position + count]:
            if self._budget.is_exhausted and (prefetched or self._position):
                return False
            item = self._take_prefetched(message) or decode_message(message, self._settings)
            charge_to(item, self._budget)
            prefetched.append(item)
        return True


def decode_message(message: Message, settings: ProcessingSettings) -> InFlight:
    """Return the event of a message: planned, ignored, or poison.

    Raises TransientError where a schema cannot be looked up for now, and nothing else.
    """
    source = Source(settings.incarnation, message.partition, message.offset)
    item = InFlight(message, source)
    try:
        item.plan = _plan_of(message, source, settings)
    except PoisonError as error:
        item.poison = error
    return item


def charge_to(item: InFlight, budget: BatchBudget) -> None:
    """Charge the bytes that the patterns of an event have produced to the budget."""
    if isinstance(item.plan, TaskPlan) and item.plan.task_input.encoded is not None:
        budget.charge(len(item.plan.task_input.encoded))


def require_size(value: bytes, limit_bytes: int) -> None:
    """PoisonError TOO_LARGE for a value that is larger than an event may be."""
    if len(value) > limit_bytes:
        raise PoisonError(
            "TOO_LARGE", f"{len(value)} bytes; limits.eventBytes is {limit_bytes}", over_limit=True
        )


def _plan_of(message: Message, source: Source, settings: ProcessingSettings) -> Plan | None:
    value = message.value
    if value is None:
        raise PoisonError("TOMBSTONE", "the message has no value")
    require_size(value, settings.policy.limits.event_bytes)
    if message.unreadable:
        raise PoisonError("BAD_HEADERS", message.unreadable)
    text = settings.codec.to_json(value)
    sections = _JSON.decode(text)
    event = read_event(sections, text, settings.rules)
    incoming = Incoming(event, source, message.key, value, message.headers, message.timestamp_ms)
    if settings.rules and incoming.is_timer:
        # Metadata rules are for events from outside; a timer is complete as the worker sent it.
        incoming = structs.replace(incoming, event=read_event(sections, text))
    if not is_addressed(incoming.event, settings.policy):
        return None
    require_answerable(incoming.event)
    return plan(incoming, settings.policy)
