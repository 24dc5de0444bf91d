"""The stores under test, each able to list all it holds: what no worker ever needs."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import redis

from runner.store.answers import pairs_of
from runner.store.calls import Index, IndexCursor, IndexKind, RestorableStore, Store
from runner.store.connection.command import Connection
from runner.store.redis_store import RedisStore
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record

_TASK: Final = re.compile(r"(?s)(?P<domain>[^:{]*):\{(?P<shard>\d+)\}:task:(?P<id>.*)")
_INDEX: Final = re.compile(
    r"(?P<domain>[^:{]*):\{(?P<shard>\d+)\}:(?P<kind>deadlines|undated|removals):(?P<home>\d+)"
)


class Subject(Store, Protocol):
    """A store that can be looked into."""

    def shard(self, task_id: str) -> int:
        """Return the shard of an id."""
        ...

    def record(self, key: TaskKey) -> Record | None:
        """Return one record as stored."""
        ...

    def records(self) -> list[Record]:
        """Return every record."""
        ...

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return records as stored."""
        ...

    def whole_records(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return records with all their parts."""
        ...

    def entries(
        self, cursors: Mapping[Index, IndexCursor], to_ms: int | None, limit: int
    ) -> dict[Index, Sequence[tuple[str, int]]]:
        """Return a stretch of each index."""
        ...

    def scores(self, entries: Sequence[tuple[Index, str]]) -> list[int | None]:
        """Return the moments of index entries; None where there is no such entry."""
        ...

    def all_index_entries(self) -> set[tuple[Index, str, int]]:
        """Return every index entry: (index, member, epoch ms)."""
        ...


class RestorableSubject(Subject, RestorableStore, Protocol):
    """The same, of a store that can be filled again."""


class ListedRedisStore(RedisStore):
    """The Redis store, and what it holds, read key by key from each of its masters."""

    def __init__(
        self, connection: Connection, masters: Sequence[redis.Redis], prefix: str, shards: int
    ) -> None:
        super().__init__(connection, prefix, shards)
        self._masters = masters

    def keys(self) -> list[str]:
        """Return every key under the prefix."""
        pattern = f"{self._keys._prefix}:*"
        return [
            key.decode() for master in self._masters for key in master.scan_iter(match=pattern, count=1000)
        ]

    def records(self) -> list[Record]:
        """Return every record."""
        found = [self.record(_task_key(match)) for match in self._matches(_TASK)]
        return [record for record in found if record is not None]

    def all_index_entries(self) -> set[tuple[Index, str, int]]:
        """Return every index entry."""
        found = set()
        for match in self._matches(_INDEX):
            index = Index(IndexKind(match["kind"]), _domain(match), int(match["shard"]), int(match["home"]))
            entries = self._send_one("ZRANGE", self._keys.index(index), 0, -1, "WITHSCORES")
            found |= {(index, member, score) for member, score in pairs_of(entries)}
        return found

    def _matches(self, form: re.Pattern[str]) -> list[re.Match[str]]:
        start = len(self._keys._prefix) + 1
        matches = [form.fullmatch(key[start:]) for key in self.keys()]
        return [match for match in matches if match is not None]


def _task_key(match: re.Match[str]) -> TaskKey:
    return TaskKey(_domain(match), match["id"])


def _domain(match: re.Match[str]) -> str:
    return match["domain"].replace("%3A", ":").replace("%25", "%")
