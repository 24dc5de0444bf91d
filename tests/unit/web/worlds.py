"""A changelog and its projections, made of lists: what the hub reads in tests, and what is true of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from runner.projection.changes import Change, Positions
from runner.projection.sight import Sight, Viewer, sees

DOMAIN: Final = "orders"
TOPIC: Final = "topic-1"
SHARDS: Final = 2


@dataclass
class World:
    """All that ever happened to tasks."""

    changes: list[Change] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(SHARDS), 0))

    def change(self, number: int, after: Sight | None, gap: int = 0) -> None:
        """Let a message change a task; ``gap``: messages before it that change none."""
        shard = number % SHARDS
        place = self.ends[shard] + gap
        before = self.sight(f"task-{number}", self.ends)
        version = None if after is None else f"{place};{shard}"
        self.changes.append(Change(shard, place, DOMAIN, f"task-{number}", version, before, after))
        self.ends[shard] = place + 1

    def forget_old(self) -> None:
        """Forget all but the newest change of each task, as nobody will ask for it."""
        self.changes = list({each.key: each for each in self.changes}.values())

    def sight(self, key: str, until: Mapping[int, int]) -> Sight | None:
        found = [each.after for each in self.changes if each.key == key and each.place < until[each.shard]]
        return found[-1] if found else None

    def seen(self, viewer: Viewer, until: Mapping[int, int]) -> dict[str, str]:
        """Return the versions of all tasks that a viewer sees at a place."""
        last = {each.key: each for each in self.changes if each.place < until[each.shard]}
        return {
            key: each.version
            for key, each in last.items()
            if each.after is not None and each.version is not None and sees(viewer, each.after)
        }


class Replica:
    """A projection of a world, as the hub asks it; it is as far as it is told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.build = 1
        self.topic = TOPIC
        self.next = dict.fromkeys(range(SHARDS), 0)
        self.kept_from = dict.fromkeys(range(SHARDS), 0)
        self.asked = 0

    def advance(self) -> None:
        self.next = dict(self.world.ends)

    def trim(self) -> None:
        """Keep no change of all that was read."""
        self.kept_from = dict(self.next)

    def positions(self) -> Positions | None:
        self.asked += 1
        return Positions(self.build, self.topic, dict(self.next), dict(self.kept_from))

    def changes(
        self, build: int, since: Mapping[int, int], until: Mapping[int, int], most: int
    ) -> list[Change] | None:
        spans = {shard: (since.get(shard, 0), end) for shard, end in until.items()}
        if build != self.build or any(
            start < end and start < self.kept_from[shard] for shard, (start, end) in spans.items()
        ):
            return None
        found = [
            each
            for each in self.world.changes
            if each.shard in spans and spans[each.shard][0] <= each.place < spans[each.shard][1]
        ]
        return sorted(found, key=lambda each: (each.shard, each.place))[:most]
