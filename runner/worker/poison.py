"""Poison in a row: too many messages of a home that cannot be handled pause it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.kafka.event_log import Message
from runner.worker.batch_state import BatchState
from runner.worker.in_flight import InFlight
from runner.worker.result import BatchResult


def limit_poison(
    items: Sequence[InFlight], batch_state: BatchState, counts: dict[int, int], limit: int
) -> None:
    """Pause a home after ``limit`` poison messages in a row; 0: never.

    ``counts`` are the poison messages in a row before these items, by home; updated.
    """
    for item in items:
        home = item.message.partition
        if item.poison is None:
            counts[home] = 0
            continue
        counts[home] = counts.get(home, 0) + 1
        if counts[home] >= limit > 0:
            batch_state.pause(home, item.message.offset + 1, f"{limit} poison messages in a row")


def collect_leftovers(
    messages: Sequence[Message],
    items: Sequence[InFlight],
    batch_state: BatchState,
    runs: Mapping[int, int],
    limit: int,
    result: BatchResult,
) -> None:
    """Add paused homes, poison counts and deferred messages to the result of a batch.

    ``items`` are the messages that were decoded.
    """
    result.poison_runs = poison_runs(items, batch_state, runs)
    result.paused = batch_state.paused
    result.poisoned = {home for home in result.paused if limit and result.poison_runs[home] >= limit}
    result.deferred = [
        message
        for message in messages
        if batch_state.is_deferred(message) and message.partition not in result.paused
    ]


def poison_runs(
    items: Sequence[InFlight], batch_state: BatchState, before: Mapping[int, int]
) -> dict[int, int]:
    """Return the consecutive poison messages at the end of this batch, by home."""
    runs = {home: before.get(home, 0) for home in batch_state.base_offsets}
    for item in items:
        if not batch_state.is_deferred(item.message):
            home = item.message.partition
            runs[home] = runs[home] + 1 if item.poison is not None else 0
    return runs
