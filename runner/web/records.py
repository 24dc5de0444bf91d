"""Records: tasks and definitions as they stand in Redis, for many threads at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from runner.store.calls import KeySpace
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.web.pool import CONNECTIONS, Pool


class RecordStore(Protocol):
    """What is asked of a store, which is for one thread at a time."""

    def key_space(self) -> KeySpace | None: ...

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]: ...

    def whole_records(self, keys: Sequence[TaskKey]) -> list[Record | None]: ...

    def records_with(self, parts: Mapping[TaskKey, Collection[str]]) -> list[Record | None]: ...

    def close(self) -> None: ...


class Records:
    """Reads records; for any thread. Every method may block, and raises StoreUnavailable."""

    def __init__(self, connect: Callable[[], RecordStore], connections: int = CONNECTIONS) -> None:
        """``connect`` makes a store; nothing is sent before it is used."""
        self._stores = Pool(connect, connections)

    def key_space(self) -> KeySpace | None:
        """Return what Redis says of the tasks in it; None: no worker has been there."""
        with self._stores.lent() as store:
            return store.key_space()

    def of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        """Return start, state and life of each; None where there is no record."""
        with self._stores.lent() as store:
            return store.records_of(keys)

    def whole(self, key: TaskKey) -> Record | None:
        """Return a record with all its parts."""
        with self._stores.lent() as store:
            return store.whole_records([key])[0]

    def with_parts(self, key: TaskKey, names: Collection[str]) -> Record | None:
        """Return a record with these of its parts."""
        with self._stores.lent() as store:
            return store.records_with({key: names})[0]

    def close(self) -> None:
        self._stores.close()
