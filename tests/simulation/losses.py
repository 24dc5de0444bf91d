"""What Redis may lose: everything, one shard, or its last writes; with or without another server."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from runner.testing.memory_store import MemoryStore

_PARTS: Final = (
    "_tasks",
    "_homes",
    "_indexes",
    "_owner",
    "_incarnations",
    "_committed",
    "_timeouts",
    "_verified",
)


@dataclass(frozen=True, slots=True)
class Lost:
    """A loss: the state that is left (None: nothing), of which shard (None: of all)."""

    left: dict[str, Any] | None
    shard: int | None
    replaced: bool
    """Whether another server has taken over: it has been verified by nobody."""

    def from_store(self, store: MemoryStore) -> None:
        """Let the store lose it."""
        if self.shard is not None:
            _empty_shard(store, self.shard)
        elif self.left is None:
            for part in _PARTS:
                setattr(store, part, None if part == "_owner" else {})
        else:
            for part in _PARTS:
                setattr(store, part, deepcopy(self.left[part]))
        if self.replaced:
            store._verified = {}


def state_of(store: MemoryStore) -> dict[str, Any]:
    """Return a copy of all that is in a store."""
    return {part: deepcopy(getattr(store, part)) for part in _PARTS}


def some_loss(rng: Random, store: MemoryStore, before: dict[str, Any] | None) -> Lost:
    """Draw a loss; ``before`` is an earlier state, where there is one to fall back to."""
    match rng.choice(("all", "restart", "tail", "tail", "shard")):
        case "all":
            return Lost(None, None, replaced=False)
        case "restart":
            return Lost(None, None, replaced=True)
        case "tail" if before is not None:
            return Lost(before, None, replaced=True)
        case _:
            return Lost(None, rng.randrange(store.shards), replaced=bool(rng.randrange(2)))


def _empty_shard(store: MemoryStore, shard: int) -> None:
    """Lose one node of a Cluster, with all that lies on it."""
    store._tasks = {key: parts for key, parts in store._tasks.items() if store.shard(key.id) != shard}
    store._homes = {at: home for at, home in store._homes.items() if at[0] != shard}
    store._indexes = {index: found for index, found in store._indexes.items() if index.shard != shard}
    store._verified.pop(shard, None)
