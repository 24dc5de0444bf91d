"""What the changelog told last of each task of a shard, within a bound of memory.

Where it is more than fits, only some of the tasks are kept, told apart by their keys, and the
partition is read once more for the others: a worker needs no more memory for more open tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from zlib import crc32

LIMIT_BYTES: Final = 96 * 1024 * 1024
_MOST_PARTS: Final = 1 << 16
_BESIDES_BYTES: Final = 150
"""What Python needs for a key and a value besides their bytes."""


class ChangelogRecord(NamedTuple):
    """One message of the changelog."""

    key: bytes
    value: bytes | None
    home: int | None
    """Home of the task; None where it was removed."""


class ChangelogSnapshot:
    """The last value of each task of some homes: ``take`` all of the partition, use ``told``, ``go_on``."""

    def __init__(self, homes: Collection[int], limit_bytes: int = LIMIT_BYTES) -> None:
        self._homes = homes
        self._limit_bytes = limit_bytes
        self._modulus, self._rest = 1, 0
        self._later: list[tuple[int, int]] = []
        self._bytes = 0
        self.told: dict[bytes, bytes] = {}
        """Last value by key."""

    def covers(self, key: bytes) -> bool:
        """Whether this task is among those that are told this time."""
        return self._modulus == 1 or crc32(key) % self._modulus == self._rest

    def take(self, messages: Sequence[ChangelogRecord]) -> None:
        """Note messages, in the order of the partition."""
        for message in messages:
            key, value = message.key, message.value
            if self._modulus > 1 and crc32(key) % self._modulus != self._rest:
                continue
            before = self.told.pop(key, None)
            if before is not None:
                self._bytes -= _size(key, before)
            if value is not None and message.home in self._homes:
                self.told[key] = value
                self._bytes += _size(key, value)
        while self._bytes > self._limit_bytes and self._modulus < _MOST_PARTS:
            self._part()

    def go_on(self) -> bool:
        """Forget what was told; whether the partition is to be read again, for tasks that did not fit."""
        self.told, self._bytes = {}, 0
        if not self._later:
            return False
        self._modulus, self._rest = self._later.pop()
        return True

    def _part(self) -> None:
        """Keep every other task, and the others for later."""
        self._later.append((2 * self._modulus, self._rest + self._modulus))
        self._modulus *= 2
        self.told = {k: v for k, v in self.told.items() if crc32(k) % self._modulus == self._rest}
        self._bytes = sum(_size(key, value) for key, value in self.told.items())


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + _BESIDES_BYTES
