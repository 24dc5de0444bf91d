"""A second look at events that a limit refuses: what was decided while the limit was higher stands.

Costs a round trip in a batch that has such an event, and nothing in any other (docs/design.md, "Limits that
may change").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Protocol

from runner.actions.plan import TaskPlan
from runner.store.calls import Completeness, Loaded
from runner.tasks.record import TaskKey
from runner.tasks.source import Source
from runner.worker.decoder import InFlight, ProcessingSettings, decode_message


class Decisions(Protocol):
    """Where decisions are kept, each in the shard of its task."""

    @property
    def shards(self) -> int:
        """Number of shards."""
        ...

    def shard(self, task_id: str) -> int:
        """Return the shard of an id."""
        ...

    def load(
        self, incarnation: int, reads: Sequence[tuple[TaskKey, Source]], whole: Completeness | None = None
    ) -> Loaded:
        """Return records and kept decisions of events."""
        ...


def honour_kept_decisions(
    items: Iterable[InFlight], settings: ProcessingSettings, store: Decisions, whole: Completeness | None
) -> None:
    """Take in anew, within the widest limits, those that were decided before.

    Which task such an event is about cannot be told before it is read, so every shard is asked.
    StoreUnavailable if the store does not answer.
    """
    refused = [item for item in items if not isinstance(item.plan, TaskPlan) and item.is_over_limit]
    if not refused:
        return
    keys = _key_of_each_shard(store)
    kept = store.load(
        settings.incarnation, [(key, item.source) for item in refused for key in keys], whole
    ).kept
    for item in refused:
        if item.source in kept:
            again = decode_message(item.message, settings.widest)
            item.plan, item.poison = again.plan, again.poison


def _key_of_each_shard(store: Decisions) -> list[TaskKey]:
    """Return a key in every shard; whether there is such a task does not matter."""
    found: dict[int, TaskKey] = {}
    numbers = count()
    while len(found) < store.shards:
        key = TaskKey("", str(next(numbers)))
        found.setdefault(store.shard(key.id), key)
    return list(found.values())
