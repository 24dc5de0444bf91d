"""Prefetch: messages of the next batch are decoded while the brokers confirm the present one.

Decoding has no effects, and no server is asked but the registry where a schema is new. The store is read
and written only after the present batch is committed. A message that is dropped (its home revoked, its
batch aborted) is polled again as another object, and decoded again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from runner.clock import Ticker
from runner.errors import TransientError
from runner.kafka.event_log import Message
from runner.worker.budget import BatchBudget
from runner.worker.decoder import ProcessingSettings, charge_to, decode_message
from runner.worker.in_flight import InFlight
from runner.worker.overlap import Step, no_step

STEP_SECONDS: Final = 0.001
"""Length of a step, after which the commit is checked for its end; one event may take longer."""


class Prefetch:
    """Decodes messages within the budget of a batch and returns each once; for one thread."""

    def __init__(self, settings: ProcessingSettings, ticker: Ticker) -> None:
        self._settings = settings
        self._ticker = ticker
        self._items: dict[tuple[int, int], InFlight] = {}

    def start(self, waiting: Sequence[Message]) -> Step:
        """Return the step that decodes these messages; events prefetched before are dropped."""
        self._items.clear()
        if not waiting:
            return no_step
        remaining = iter(waiting)
        budget = self._settings.budget(self._ticker)
        return lambda: self._step(remaining, budget)

    def take(self, message: Message) -> InFlight | None:
        """Return the decoded event of this very message object; None if it was not prefetched."""
        item = self._items.pop((message.partition, message.offset), None)
        return item if item is not None and item.message is message else None

    def _step(self, remaining: Iterator[Message], budget: BatchBudget) -> bool:
        until = self._ticker() + STEP_SECONDS
        for message in remaining:
            try:
                item = decode_message(message, self._settings)
            except TransientError:
                # A schema that cannot be looked up now is looked up again when the slice is taken.
                return False
            self._items[message.partition, message.offset] = item
            charge_to(item, budget)
            if budget.is_exhausted:
                return False
            if self._ticker() >= until:
                return True
        return False
