"""Steps before any I/O: a message is decoded, and what its event asks for is found out.

What cannot be answered is poison and will be dead-lettered; what is not for this runner is left
without reply or effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Final, TypeAlias

from msgspec import structs

from runner.actions.decision import Decision, OutgoingMessage
from runner.actions.incoming import Incoming
from runner.actions.plan import ImmediateAnswer, Plan, TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import is_addressed, plan
from runner.envelope.codec import Codec, JsonCodec
from runner.envelope.event import MetaRules, read_event, require_answerable
from runner.envelope.limits import WIDEST
from runner.errors import PoisonError, TransientError
from runner.tasks.source import Source
from runner.worker.batch_state import BatchState
from runner.worker.budget import BatchBudget
from runner.worker.event_log import Message
from runner.worker.result import BatchResult

SLICE_EVENTS: Final = 500

_JSON: Final = JsonCodec()


@dataclass(frozen=True, slots=True)
class ProcessingSettings:
    """What a process is set up with; all of it plain data or pure look-ups."""

    policy: Policy
    codec: Codec
    """Of the requests topic."""
    rules: MetaRules
    incarnation: int
    poison_limit: int
    """Consecutive poison messages after which a home is paused; 0: never."""
    slice_events: int = SLICE_EVENTS
    """How much of a batch is decided at once. What was decided is on its way to the brokers meanwhile."""
    batch_seconds: float = inf
    """How long events may be decoded, and again decided, before the others wait for the next batch."""
    batch_bytes: int = 8 * 1_048_576
    """What their patterns may give together before the others wait; four times as much is sent of it."""

    @property
    def widest(self) -> ProcessingSettings:
        """The same, within the widest limits: for what was decided under others."""
        return replace(self, policy=self.policy.within(WIDEST))


@dataclass(slots=True)
class InFlight:
    """One message on its way through a batch."""

    message: Message
    source: Source
    plan: Plan | None = None
    """None: ignored, or poison."""
    poison: PoisonError | None = None
    decision: Decision | None = None
    change: OutgoingMessage | None = None
    """The message of the changelog: the task as this event left it; None if it changed none."""
    redelivered: bool = False

    @property
    def is_over_limit(self) -> bool:
        """Whether a limit refuses it that may have been another one when it was read before."""
        if self.poison is not None:
            return self.poison.over_limit
        plan = self.plan
        return isinstance(plan, ImmediateAnswer) and plan.error is not None and plan.error.over_limit


Decoded: TypeAlias = Callable[[Message], InFlight | None]


class BatchDecoder:
    """The messages of a batch, a slice at a time; the next is decoded while somebody else works."""

    def __init__(
        self,
        messages: Sequence[Message],
        settings: ProcessingSettings,
        budget: BatchBudget,
        decoded: Decoded = lambda _: None,
    ) -> None:
        """``budget``: what does not fit waits for the next batch, but for the first message.

        ``decoded`` gives the items of messages that were decoded before.
        """
        self._decoded = decoded
        self._messages = messages
        self._settings = settings
        self._budget = budget
        self._taken = 0
        self._ahead: list[InFlight] = []
        self._is_full = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be taken."""
        return self._is_full or self._taken == len(self._messages)

    @property
    def left(self) -> Sequence[Message]:
        """What was not taken."""
        return self._messages[self._taken :]

    def take(self) -> list[InFlight]:
        """Return the next slice; a TransientError where its encoding cannot be looked up for now."""
        self._is_full = not self._decode(self._settings.slice_events)
        taken, self._ahead = self._ahead, []
        self._taken += len(taken)
        return taken

    def prefetch(self) -> None:
        """Decode half of the next slice, as far as that needs nobody else."""
        half = len(self._ahead) + (self._settings.slice_events + 1) // 2
        # What cannot be looked up now is asked for again where it is needed.
        with suppress(TransientError):
            self._decode(min(half, self._settings.slice_events))

    def _decode(self, count: int) -> bool:
        """Decode until so many are ahead; whether there was room for them."""
        prefetch = self._ahead
        for message in self._messages[self._taken + len(prefetch) : self._taken + count]:
            if self._budget.is_exhausted and (prefetch or self._taken):
                return False
            item = self._decoded(message) or decode_message(message, self._settings)
            charge_to(item, self._budget)
            prefetch.append(item)
        return True


def decode_message(message: Message, settings: ProcessingSettings) -> InFlight:
    """Return the item of a message: planned, ignored, or poison.

    Raises TransientError where its encoding cannot be looked up for now, and nothing else.
    """
    source = Source(settings.incarnation, message.partition, message.offset)
    item = InFlight(message, source)
    try:
        item.plan = _planned(message, source, settings)
    except PoisonError as error:
        item.poison = error
    return item


def charge_to(item: InFlight, budget: BatchBudget) -> None:
    """Note what the patterns of an event have given."""
    if isinstance(item.plan, TaskPlan) and item.plan.task_input.encoded is not None:
        budget.charge(len(item.plan.task_input.encoded))


def limit_poison(
    items: Sequence[InFlight], progress: BatchState, counted: dict[int, int], limit: int
) -> None:
    """Block a home after the poison message that makes ``limit`` in a row; 0: never.

    ``counted`` are those before these items, by home; they are counted on.
    """
    for item in items:
        home = item.message.partition
        if item.poison is None:
            counted[home] = 0
            continue
        counted[home] = counted.get(home, 0) + 1
        if counted[home] >= limit > 0:
            progress.pause(home, item.message.offset + 1, f"{limit} poison messages in a row")


def note_leftovers(
    messages: Sequence[Message],
    items: Sequence[InFlight],
    progress: BatchState,
    runs: Mapping[int, int],
    limit: int,
    done: BatchResult,
) -> None:
    """Note what a batch leaves behind: homes that cannot go on, and messages that wait for the next.

    ``items`` are those of the messages that were looked at.
    """
    done.poison_runs = poison_runs(items, progress, runs)
    done.paused = progress.paused
    done.poisoned = {home for home in done.paused if limit and done.poison_runs[home] >= limit}
    done.held = [
        message
        for message in messages
        if progress.is_deferred(message) and message.partition not in done.paused
    ]


def poison_runs(items: Sequence[InFlight], progress: BatchState, before: Mapping[int, int]) -> dict[int, int]:
    """Return the consecutive poison messages at the end of this batch, by home."""
    runs = {home: before.get(home, 0) for home in progress.base_offsets}
    for item in items:
        if not progress.is_deferred(item.message):
            home = item.message.partition
            runs[home] = runs[home] + 1 if item.poison is not None else 0
    return runs


def require_size(value: bytes, limit_bytes: int) -> None:
    """PoisonError TOO_LARGE for a value that is larger than an event may be."""
    if len(value) > limit_bytes:
        raise PoisonError(
            "TOO_LARGE", f"{len(value)} bytes; limits.eventBytes is {limit_bytes}", over_limit=True
        )


def _planned(message: Message, source: Source, settings: ProcessingSettings) -> Plan | None:
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
        # Our own timers are complete: rules are for what comes from outside.
        incoming = structs.replace(incoming, event=read_event(sections, text))
    if not is_addressed(incoming.event, settings.policy):
        return None
    require_answerable(incoming.event)
    return plan(incoming, settings.policy)
