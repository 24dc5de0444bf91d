"""A snapshot of a changelog partition: the last values of each task, within a bound of memory.

Where not all tasks fit, only a part of them is kept, chosen by a hash of their keys, and the partition
is read once more for each other part: a worker needs no more memory for more open tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from zlib import crc32

from runner.changelog.codec import restored_record, split_key
from runner.tasks.parts import NO_PARTS
from runner.tasks.record import Record

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
        """Last value of start and state, by the key of the task."""
        self.parts: dict[bytes, dict[str, bytes]] = {}
        """Last value of every other part, by the key of the task and name; hardly any task has them."""

    def covers(self, key: bytes) -> bool:
        """Whether this task belongs to the present part."""
        return self._modulus == 1 or crc32(key) % self._modulus == self._remainder

    def record(self, key: bytes) -> Record | None:
        """Return the whole record of a task; None where there is none. Raises ChangelogUnreadable."""
        value = self.values.get(key)
        return None if value is None else restored_record(value, self.parts.get(key, NO_PARTS))

    def messages(self, key: bytes) -> dict[str, bytes]:
        """Return the last values of a task by the name of the part; no name for start and state."""
        own = {"": self.values[key]} if key in self.values else {}
        return own | self.parts.get(key, {})

    def drop(self, key: bytes) -> None:
        """Drop a task, so that the next one can be taken out."""
        self.values.pop(key, None)
        self.parts.pop(key, None)

    def take(self, messages: Sequence[ChangelogRecord]) -> None:
        """Apply messages, in the order of the partition."""
        for message in messages:
            key, part = split_key(message.key)
            if self._modulus > 1 and crc32(key) % self._modulus != self._remainder:
                continue
            value = message.value if message.home in self._homes else None
            if part:
                self._take_part(key, part, value)
                continue
            before = self.values.pop(key, None)
            if before is not None:
                self._bytes -= _size(key, before)
            if value is not None:
                self.values[key] = value
                self._bytes += _size(key, value)
        while self._bytes > self._limit_bytes and self._modulus < _MOST_PARTS:
            self._halve()

    def next_part(self) -> bool:
        """Drop the values; return whether the partition must be read again for another part."""
        self.values, self.parts, self._bytes = {}, {}, 0
        if not self._later:
            return False
        self._modulus, self._remainder = self._later.pop()
        return True

    def _halve(self) -> None:
        """Split the present part in two: keep the values of one, and read the other later."""
        self._later.append((2 * self._modulus, self._remainder + self._modulus))
        self._modulus *= 2
        self.values = {key: value for key, value in self.values.items() if self.covers(key)}
        self.parts = {key: parts for key, parts in self.parts.items() if self.covers(key)}
        self._bytes = sum(_size(key, value) for key, value in self.values.items())
        self._bytes += sum(_size(key, part) for key, parts in self.parts.items() for part in parts.values())

    def _take_part(self, key: bytes, part: str, value: bytes | None) -> None:
        parts = self.parts.setdefault(key, {})
        before = parts.pop(part, None)
        if before is not None:
            self._bytes -= _size(key, before)
        if value is not None:
            parts[part] = value
            self._bytes += _size(key, value)
        if not parts:
            del self.parts[key]


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + _BESIDES_BYTES
