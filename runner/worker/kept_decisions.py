"""Kept decisions win over a lowered limit: an event that was decided under a higher one keeps its answer.

Costs a round trip in a batch that has an event over a limit, and nothing in any other (docs/design.md,
"Limits that may change").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Protocol

from runner.actions.plan import TaskPlan
from runner.store.calls import Completeness, Loaded
from runner.tasks.record import TaskKey
from runner.tasks.source import Source
from runner.worker.decoder import ProcessingSettings, decode_message
from runner.worker.in_flight import InFlight


class Decisions(Protocol):
    """The store of kept decisions, each in the shard of its task."""

    @property
    def shards(self) -> int:
        """Number of shards."""
        ...

    def shard(self, task_id: str) -> int:
        """Return the shard of an id."""
        ...

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
    ) -> Loaded:
        """Return records and kept decisions of events."""
        ...


def honour_kept_decisions(
    items: Iterable[InFlight],
    settings: ProcessingSettings,
    store: Decisions,
    completeness: Completeness | None,
) -> None:
    """Decode events over a limit again, within the widest limits, if they have a kept decision.

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


def _key_of_each_shard(store: Decisions) -> list[TaskKey]:
    """Return one key in every shard; the task need not exist."""
    keys: dict[int, TaskKey] = {}
    numbers = count()
    while len(keys) < store.shards:
        key = TaskKey("", str(next(numbers)))
        keys.setdefault(store.shard(key.id), key)
    return list(keys.values())
