"""Ring: the changes of the last minutes, kept once for all streams."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from runner.projection.changes import Change, Positions
from runner.web.event_id import digest, place_text

MOST: Final = 50_000
"""The most changes that are kept; of more, the oldest of each partition go."""

_PLACE: Final = attrgetter("place")
_PART: Final = 10
"""What goes at once: one part in so many."""


class Ring:
    """All changes of a build between two places: ``floor`` and, without it, ``known``."""

    def __init__(self, start: Positions, most: int = MOST) -> None:
        self.build: Final = start.build
        self.topic: Final = digest(start.topic)
        self.known: Final = dict(start.next)
        self.floor: Final = dict(start.next)
        self._shelves: Final[dict[int, list[Change]]] = {}
        self._kept: Mapping[int, int] = start.since
        self._most: Final = most
        self.place = place_text(self.build, self.topic, self.known)

    def __len__(self) -> int:
        return sum(map(len, self._shelves.values()))

    def is_of(self, build: int, topic: str) -> bool:
        """Whether positions of a build and topic (its digest) mean the same here."""
        return (build, topic) == (self.build, self.topic)

    def goes_on(self, positions: Positions) -> bool:
        """Whether these positions are later ones of the same build and topic."""
        return self.is_of(positions.build, digest(positions.topic)) and all(
            positions.next.get(shard, 0) >= offset for shard, offset in self.known.items()
        )

    def lacks(self, positions: Positions) -> bool:
        """Whether there is more to read."""
        return any(offset > self.known.get(shard, 0) for shard, offset in positions.next.items())

    def add(self, changes: Sequence[Change], until: Mapping[int, int]) -> None:
        """Take what comes next, in the order of each partition, up to a place."""
        for change in changes:
            self._shelves.setdefault(change.shard, []).append(change)
        self.known.update(until)
        for shard in until:
            self.floor.setdefault(shard, 0)
        self.place = place_text(self.build, self.topic, self.known)
        while len(self) > self._most:
            self._drop_oldest()

    def add_below(self, changes: Sequence[Change], since: Mapping[int, int]) -> None:
        """Take what came before: all changes from a place up to ``floor``."""
        below: dict[int, list[Change]] = {}
        for change in changes:
            below.setdefault(change.shard, []).append(change)
        for shard, older in below.items():
            self._shelves[shard] = older + self._shelves.get(shard, [])
        self.floor.update({shard: min(start, self.floor.get(shard, 0)) for shard, start in since.items()})

    def forget(self, since: Mapping[int, int]) -> None:
        """Drop what lies before a place: it is no longer kept anywhere."""
        self._kept = since
        for shard, start in since.items():
            if start > self.floor.get(shard, 0):
                shelf = self._shelves.get(shard, [])
                del shelf[: bisect_left(shelf, start, key=_PLACE)]
                self.floor[shard] = min(start, self.known.get(shard, 0))

    def is_before(self, offsets: Mapping[int, int]) -> bool:
        """Whether something before these offsets is still to come."""
        return any(offset > self.known.get(shard, 0) for shard, offset in offsets.items())

    def reaches(self, offsets: Mapping[int, int]) -> bool:
        """Whether all changes from these offsets on are here; partitions that are not named begin at 0."""
        return not self.is_before(offsets) and all(
            offsets.get(shard, 0) >= floor for shard, floor in self.floor.items()
        )

    def missing(self, offsets: Mapping[int, int]) -> dict[int, int] | None:
        """Return from where on changes must be read for ``add_below`` so that the ring reaches these offsets.

        None: it does already, or never will, because they are no longer kept or too many.
        """
        since = {shard: min(offsets.get(shard, 0), floor) for shard, floor in self.floor.items()}
        messages = sum(floor - since[shard] for shard, floor in self.floor.items())
        is_kept = all(start >= self._kept.get(shard, 0) for shard, start in since.items())
        # No message has more than one change.
        return since if is_kept and 0 < messages <= self._most - len(self) else None

    def since(self, offsets: Mapping[int, int]) -> list[Change]:
        """Return the changes from some offsets on, in the order of each partition."""
        return [
            change
            for shard, shelf in self._shelves.items()
            for change in shelf[bisect_left(shelf, offsets.get(shard, 0), key=_PLACE) :]
        ]

    def _drop_oldest(self) -> None:
        for shard, shelf in self._shelves.items():
            if shelf:
                last = len(shelf) // _PART
                self.floor[shard] = shelf[last].place + 1
                del shelf[: last + 1]
