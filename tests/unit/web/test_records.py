"""Records for many threads: as many connections as are used at once, and no more than are allowed."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runner.errors import StoreUnavailable
from runner.tasks.keys import TaskKey
from runner.web.records import Records

KEY = TaskKey("orders", "t-1")


class Store:
    """A store that notices when two threads use it at once."""

    def __init__(self, all_of_them: list["Store"], barrier: threading.Barrier | None = None) -> None:
        all_of_them.append(self)
        self._barrier = barrier
        self._used = threading.Lock()
        self.is_closed = False
        self.is_away = False

    def records_of(self, keys: Sequence[TaskKey]) -> list[Any]:
        assert self._used.acquire(blocking=False), "two threads at once"
        try:
            if self.is_away:
                raise StoreUnavailable("away")
            if self._barrier is not None:
                self._barrier.wait(10)
            return [None for _ in keys]
        finally:
            self._used.release()

    def whole_records(self, keys: Sequence[TaskKey]) -> list[Any]:
        return self.records_of(keys)

    def records_with(self, parts: Any) -> list[Any]:
        return self.records_of(list(parts))

    def key_space(self) -> None:
        self.records_of([])

    def close(self) -> None:
        self.is_closed = True


def test_one_after_the_other_take_one_connection() -> None:
    made: list[Store] = []
    records = Records(lambda: Store(made))
    assert made == []

    assert records.of([KEY, KEY]) == [None, None]
    assert records.whole(KEY) is None
    assert records.with_parts(KEY, ["draft"]) is None
    assert records.key_space() is None

    assert len(made) == 1
    records.close()
    assert made[0].is_closed


def test_as_many_at_once_as_are_allowed() -> None:
    made: list[Store] = []
    barrier = threading.Barrier(3)
    records = Records(lambda: Store(made, barrier), connections=3)

    with ThreadPoolExecutor(9) as threads:
        found = list(threads.map(lambda _: records.of([KEY]), range(9)))

    assert found == [[None]] * 9
    assert len(made) == 3


def test_a_connection_that_failed_is_used_again() -> None:
    made: list[Store] = []
    records = Records(lambda: Store(made), connections=1)
    records.of([KEY])
    made[0].is_away = True
    with pytest.raises(StoreUnavailable):
        records.of([KEY])
    made[0].is_away = False

    assert records.of([KEY]) == [None]
    assert len(made) == 1
