"""Decoding, before any I/O: a message becomes an event in flight with a plan, or poison.

A message that can never be answered is poison and will be dead-lettered. An event for another runner is
ignored: it gets no reply and has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Final

from msgspec import structs

from runner.actions.incoming import Incoming
from runner.actions.plan import Plan, TaskPlan
from runner.actions.registry import is_addressed, plan
from runner.clock import Ticker
from runner.envelope.codec import JsonCodec
from runner.envelope.event import read_event, require_answerable
from runner.errors import PoisonError, TransientError
from runner.kafka.message import Message
from runner.store.calls import Completeness, Store
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.worker.in_flight import InFlight
from runner.worker.overlap import Step, no_step
from runner.worker.processing_settings import BatchBudget, ProcessingSettings

STEP_SECONDS: Final = 0.001
"""Length of a step, after which the commit is checked for its end; one event may take longer."""

_JSON: Final = JsonCodec()


class Prefetch:
    """Decodes messages before they are asked for, while Redis or Kafka works; for one thread.

    Decoding has no effects, and no server is asked but the registry where a schema is new. A message that is
    dropped (its home revoked, its batch aborted) is polled again as another object, and decoded again.
    """

    def __init__(self, settings: ProcessingSettings, ticker: Ticker) -> None:
        self._settings = settings
        self._ticker = ticker
        self._items: dict[int, InFlight] = {}
        """By the identity of the message."""

    def start(self, waiting: Sequence[Message]) -> Step:
        """Return the step that decodes the next batch; events prefetched before are dropped."""
        self._items.clear()
        if not waiting:
            return no_step
        remaining = iter(waiting)
        budget = self._settings.budget(self._ticker)

        def step() -> bool:
            until = self._ticker() + STEP_SECONDS
            return self.decode(remaining, budget, lambda: self._ticker() >= until)

        return step

    def decode(
        self, messages: Iterable[Message], budget: BatchBudget, is_over: Callable[[], bool] = lambda: False
    ) -> bool:
        """Decode messages while the budget lasts and time is not over; return whether more may be left."""
        for message in messages:
            if id(message) in self._items:
                continue
            try:
                item = decode_message(message, self._settings)
            except TransientError:
                # A schema that cannot be looked up now is looked up again when the event is taken.
                return False
            self._items[id(message)] = item
            budget.charge_patterns(item)
            if budget.is_exhausted:
                return False
            if is_over():
                return True
        return False

    def take(self, message: Message) -> InFlight | None:
        """Return the decoded event of this very message object, once; None if it was not prefetched."""
        return self._items.pop(id(message), None)


class BatchDecoder:
    """Decodes the messages of a batch by slices; the next slice is decoded while the store works."""

    def __init__(
        self,
        messages: Sequence[Message],
        settings: ProcessingSettings,
        budget: BatchBudget,
        prefetch: Prefetch,
    ) -> None:
        """``budget``: events beyond it are left for the next batch, but never the first one."""
        self._messages = messages
        self._settings = settings
        self._budget = budget
        self._prefetch = prefetch
        self._position = 0
        self._next = 0
        self._next_budget = budget
        self._is_full = False

    @property
    def is_over(self) -> bool:
        """Whether all messages are taken, or the budget is exhausted."""
        return self._is_full or self._position == len(self._messages)

    @property
    def remaining(self) -> Sequence[Message]:
        return self._messages[self._position :]

    def take(self) -> list[InFlight]:
        """Return the next slice, decoded; TransientError where a schema cannot be looked up for now."""
        items: list[InFlight] = []
        for message in self._messages[self._position : self._position + self._settings.slice_events]:
            item = self._prefetch.take(message)
            if item is None:
                if self._budget.is_exhausted and (items or self._position):
                    self._is_full = True
                    break
                item = decode_message(message, self._settings)
            self._budget.charge_patterns(item)
            items.append(item)
        self._position += len(items)
        self._next, self._next_budget = self._position, self._budget.copy()
        return items

    def prefetch(self) -> None:
        """Decode half of the next slice, as far as no schema has to be looked up."""
        size = self._settings.slice_events
        first, self._next = self._next, min(self._next + (size + 1) // 2, self._position + size)
        if not (self._is_full or self._next_budget.is_exhausted):
            self._prefetch.decode(self._messages[first : self._next], self._next_budget)


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


def honour_kept_decisions(
    items: Iterable[InFlight], settings: ProcessingSettings, store: Store, completeness: Completeness | None
) -> None:
    """Decode events over a limit again, within the widest limits, if they have a kept decision.

    A kept decision wins over a lowered limit: an event that was decided under a higher one keeps its answer.
    Costs a round trip in a batch that has an event over a limit, and nothing in any other
    (docs/design.md, "Limits that may change").
    The task of such an event is not known before it is decoded, so every shard is asked.
    StoreUnavailable if the store does not answer.
    """
    refused = [item for item in items if not isinstance(item.plan, TaskPlan) and item.is_over_limit]
    if not refused:
        return
    keys = _key_of_each_shard(store)
    kept = store.load(
        settings.incarnation, [(key, item.source) for item in refused for key in keys], completeness
    ).kept
    for item in refused:
        if item.source in kept:
            replanned = decode_message(item.message, settings.widest)
            item.plan, item.poison = replanned.plan, replanned.poison


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


def _key_of_each_shard(store: Store) -> list[TaskKey]:
    """Return one key in every shard; the task need not exist."""
    keys: dict[int, TaskKey] = {}
    numbers = count()
    while len(keys) < store.shards:
        key = TaskKey("", str(next(numbers)))
        keys.setdefault(store.shard(key.id), key)
    return list(keys.values())
