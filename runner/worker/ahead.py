"""Messages that wait for the next batch, decoded while the brokers confirm this one.

Decoding only: it needs nobody, and changes nothing. What is read of the store, or written to it, waits
until this batch is committed. A message that is dropped (its home revoked, its batch abandoned) comes
again as another object, and is decoded again.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from runner.errors import TransientError
from runner.worker.beside import More, nothing_more
from runner.worker.event_log import Message
from runner.worker.intake import Item, Terms, take_in

STEP_EVENTS: Final = 16
"""Decoded between two looks whether the brokers have answered: about a millisecond."""


class Ahead:
    """Decodes what waits, and hands it over once; for one thread."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._items: dict[tuple[int, int], Item] = {}

    def begin(self, waiting: Iterable[Message]) -> More:
        """Return what decodes these messages, a step at a time. What was not handed over is forgotten."""
        self._items.clear()
        left = iter(waiting)
        return lambda: self._step(left)

    def hand_over(self, message: Message) -> Item | None:
        """Return the item of this very message, if it was decoded already."""
        item = self._items.pop((message.partition, message.offset), None)
        return item if item is not None and item.message is message else None

    def _step(self, left: Iterable[Message]) -> bool:
        step = tuple(islice(left, STEP_EVENTS))
        try:
            for message in step:
                self._items[message.partition, message.offset] = take_in(message, self._terms)
        except TransientError:
            # What cannot be looked up now is asked for again where it is needed.
            return nothing_more()
        return len(step) == STEP_EVENTS
