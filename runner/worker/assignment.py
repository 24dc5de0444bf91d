"""Which home partitions this worker owns, where each stands, and what waits to be processed.

A home's *position* is the offset up to which everything is committed: the base of the next batch.
Messages held from an earlier poll wait in a backlog; they go when their partition is revoked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from runner.worker.event_log import Message


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages to process together, in the order in which they were read, and their bases."""

    messages: tuple[Message, ...]
    base_offsets: Mapping[int, int]
    """By home, in the order in which the homes first appear among the messages."""


class Assignment:
    """The partitions of one worker. Changed by rebalances (inside poll) and by the loop."""

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}
        """Next offset to process, by open home; everything below is committed."""
        self.pending: set[int] = set()
        """Assigned, but not open yet: where to begin is still to be found out."""
        self.paused: dict[int, str] = {}
        """Open homes that are paused, with the reason."""
        self._backlog: deque[Message] = deque()
        self._held_bytes = 0
        self._next: dict[int, int] = {}

    def assigned(self, partitions: Collection[int]) -> None:
        """Note partitions to be opened."""
        self.pending.update(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        """Forget partitions and what was held of them."""
        for partition in partitions:
            self.pending.discard(partition)
            self.positions.pop(partition, None)
            self.paused.pop(partition, None)
            self._next.pop(partition, None)
        self._drop(set(partitions))

    def opened(self, positions: Mapping[int, int]) -> None:
        """Note where the reading of pending partitions begins."""
        for partition, offset in positions.items():
            self.pending.discard(partition)
            self.positions[partition] = offset
            self._next[partition] = offset

    def add(self, messages: Iterable[Message]) -> None:
        """Hold messages for the next batches; what is not expected here is dropped."""
        for message in messages:
            expected = self._next.get(message.partition)
            # A rewind or a rebalance may leave a message in flight that will come again.
            if expected is None or message.offset < expected or message.partition in self.paused:
                continue
            self._next[message.partition] = message.offset + 1
            self._backlog.append(message)
            self._held_bytes += _size(message)

    def take(self, max_messages: int, max_bytes: int) -> Batch:
        """Return the next batch, at least one message if any is held."""
        taken = self.waiting(max_messages, max_bytes)
        for message in taken:
            self._backlog.popleft()
            self._held_bytes -= _size(message)
        base_offsets = {message.partition: self.positions[message.partition] for message in taken}
        return Batch(taken, base_offsets)

    def hold(self, messages: Collection[Message]) -> None:
        """Put messages of the last batch back to the front, in their order."""
        self._backlog.extendleft(reversed(tuple(messages)))
        self._held_bytes += sum(map(_size, messages))

    def advance(self, positions: Mapping[int, int]) -> None:
        """Note what was committed."""
        for partition, offset in positions.items():
            if partition in self.positions:
                self.positions[partition] = offset

    def rewound(self, partitions: Collection[int]) -> dict[int, int]:
        """Forget what was read beyond the positions; return where to read on."""
        self._drop(set(partitions))
        back = {p: self.positions[p] for p in partitions if p in self.positions}
        self._next.update(back)
        return back

    @property
    def held(self) -> int:
        """How many messages wait."""
        return len(self._backlog)

    @property
    def held_bytes(self) -> int:
        """How large they are together."""
        return self._held_bytes

    def waiting(self, max_messages: int, max_bytes: int) -> tuple[Message, ...]:
        """Return what would be taken next; nothing is taken."""
        found: list[Message] = []
        size = 0
        for message in islice(self._backlog, max_messages):
            size += _size(message)
            if found and size > max_bytes:
                break
            found.append(message)
        return tuple(found)

    def _drop(self, partitions: set[int]) -> None:
        self._backlog = deque(m for m in self._backlog if m.partition not in partitions)
        self._held_bytes = sum(map(_size, self._backlog))


def _size(message: Message) -> int:
    return len(message.value or b"")
