"""The FeedReader Protocol over the model of Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runner.changelog.snapshot import ChangelogRecord
from tests.simulation.load import header
from tests.simulation.log_model import TASKS, Broker

STRETCH = 3
WAIT_MS = 10


class Process(Protocol):
    """The process that reads."""

    def point(self, name: str, ms: int = 0) -> None:
        """Suspend; the process may not come back from it."""
        ...


class ChangelogModel:
    """Reads a partition up to where it ended at the beginning."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process
        self._shard = 0
        self._end = 0
        self._next = 0

    def begin(self, shard: int) -> None:
        """Note where the partition ends, open transactions and all."""
        self._process.point("read_changelog")
        self._shard, self._next = shard, 0
        self._end = len(self._broker.topics[TASKS][shard].entries)

    def read(self) -> Sequence[ChangelogRecord] | None:
        """Return the next messages; None once the end is reached."""
        if self._next >= self._end:
            return None
        partition = self._broker.topics[TASKS][self._shard]
        self._process.point("read_changelog", WAIT_MS if partition.stable_end <= self._next else 0)
        found: list[ChangelogRecord] = []
        for each in partition.read(self._next):
            if len(found) == STRETCH or each.offset >= self._end:
                self._next = min(each.offset, self._end)
                return found
            home = header(each.headers, "home")
            found.append(ChangelogRecord(each.key or b"", each.value, None if home is None else int(home)))
        self._next = min(self._end, partition.stable_end)
        return found

    def close(self) -> None:
        """Nothing is held."""
