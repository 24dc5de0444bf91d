"""A snapshot of a changelog partition: the last value of each task, within a bound of memory.

Where not all tasks fit, only a part of them is kept, chosen by a hash of their keys, and the partition
is read once more for each other part: a worker needs no more memory for more open tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from zlib import crc32

LIMIT_BYTES: Final = 96 * 1024 * 1024
_MOST_PARTS: Final = 1 << 16
_BESIDES_BYTES: Final = 150
"""Memory of a key and a value besides their bytes."""


class ChangelogRecord(NamedTuple):
    """One message of the changelog."""

    key: bytes
    value: bytes | None
    home: int | None
    """Home of the task; None where it was removed."""


class ChangelogSnapshot:
    """The last value of each task of some homes: ``take`` the partition, use ``values``, ``next_part``."""

    def __init__(self, homes: Collection[int], limit_bytes: int = LIMIT_BYTES) -> None:
        self._homes = homes
        self._limit_bytes = limit_bytes
        self._modulus, self._remainder = 1, 0
        self._later: list[tuple[int, int]] = []
        self._bytes = 0
        self.values: dict[bytes, bytes] = {}
        """Last value by key."""

    def covers(self, key: bytes) -> bool:
        """Whether this task belongs to the present part."""
        return self._modulus == 1 or crc32(key) % self._modulus == self._remainder

    def take(self, messages: Sequence[ChangelogRecord]) -> None:
        """Apply messages, in the order of the partition."""
        for message in messages:
            key, value = message.key, message.value
            if self._modulus > 1 and crc32(key) % self._modulus != self._remainder:
                continue
            before = self.values.pop(key, None)
            if before is not None:
                self._bytes -= _size(key, before)
            if value is not None and message.home in self._homes:
                self.values[key] = value
                self._bytes += _size(key, value)
        while self._bytes > self._limit_bytes and self._modulus < _MOST_PARTS:
            self._halve()

    def next_part(self) -> bool:
        """Drop the values; return whether the partition must be read again for another part."""
        self.values, self._bytes = {}, 0
        if not self._later:
            return False
        self._modulus, self._remainder = self._later.pop()
        return True

    def _halve(self) -> None:
        """Split the present part in two: keep the values of one, and read the other later."""
        self._later.append((2 * self._modulus, self._remainder + self._modulus))
        self._modulus *= 2
        self.values = {k: v for k, v in self.values.items() if crc32(k) % self._modulus == self._remainder}
        self._bytes = sum(_size(key, value) for key, value in self.values.items())


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + _BESIDES_BYTES
