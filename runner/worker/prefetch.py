"""Messages that wait for the next batch, decoded while the brokers confirm this one.

Decoding only: nothing is changed by it, and nobody is asked, but for the registry where a schema is new.
What is read of the store, or written to it, waits until this batch is committed. A message that is
dropped (its home revoked, its batch abandoned) comes again as another object, and is decoded again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from runner.clock import Ticker
from runner.errors import TransientError
from runner.worker.budget import BatchBudget
from runner.worker.decoder import InFlight, ProcessingSettings, charge_to, decode_message
from runner.worker.event_log import Message
from runner.worker.overlap import Step, no_step

STEP_SECONDS: Final = 0.001
"""How long it decodes between two looks whether the brokers have answered; one event may take longer."""


class Prefetch:
    """Decodes what waits, within the bounds of a batch, and hands it over once; for one thread."""

    def __init__(self, settings: ProcessingSettings, ticker: Ticker) -> None:
        self._settings = settings
        self._ticker = ticker
        self._items: dict[tuple[int, int], InFlight] = {}

    def start(self, waiting: Sequence[Message]) -> Step:
        """Return what decodes these messages, a step at a time. What was not handed over is forgotten."""
        self._items.clear()
        if not waiting:
            return no_step
        left, budget = (
            iter(waiting),
            BatchBudget(self._ticker, self._settings.batch_seconds, self._settings.batch_bytes),
        )
        return lambda: self._step(left, budget)

    def take(self, message: Message) -> InFlight | None:
        """Return the item of this very message, if it was decoded already."""
        item = self._items.pop((message.partition, message.offset), None)
        return item if item is not None and item.message is message else None

    def _step(self, left: Iterator[Message], budget: BatchBudget) -> bool:
        until = self._ticker() + STEP_SECONDS
        for message in left:
            try:
                item = decode_message(message, self._settings)
            except TransientError:
                # What cannot be looked up now is asked for again where it is needed.
                return False
            self._items[message.partition, message.offset] = item
            charge_to(item, budget)
            if budget.is_exhausted:
                return False
            if self._ticker() >= until:
                return True
        return False
