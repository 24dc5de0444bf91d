"""The homes that a worker owns, the position of each, and the backlog of polled messages.

A home's *position* is the offset up to which everything is committed: the base offset of the next batch.
Polled messages wait in the backlog for a batch; they are dropped when their partition is revoked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from runner.kafka.message import Message


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages to process together, in the order in which they were read, and their base offsets."""

    messages: tuple[Message, ...]
    base_offsets: Mapping[int, int]
    """By home, in the order in which the homes first appear among the messages."""


class Assignment:
    """The partitions of one worker. Changed by rebalances (inside poll) and by the loop."""

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}
        """Next offset to process, by open home; everything below is committed."""
        self.pending: set[int] = set()
        """Assigned, but not open yet: the start offset is not known."""
        self.paused: dict[int, str] = {}
        """Open homes that are paused, with the reason."""
        self._backlog: deque[Message] = deque()
        self._backlog_bytes = 0
        self._next: dict[int, int] = {}

    def assigned(self, partitions: Collection[int]) -> None:
        """Add partitions that are to be opened."""
        self.pending.update(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self.pending.discard(partition)
            self.positions.pop(partition, None)
            self.paused.pop(partition, None)
            self._next.pop(partition, None)
        self._drop(set(partitions))

    def opened(self, positions: Mapping[int, int]) -> None:
        for partition, offset in positions.items():
            self.pending.discard(partition)
            self.positions[partition] = offset
            self._next[partition] = offset

    def add(self, messages: Iterable[Message]) -> None:
        """Add messages to the backlog; one that is not expected next in its home is dropped."""
        for message in messages:
            expected = self._next.get(message.partition)
            # A rewind or a rebalance may leave a message in flight that will be polled again.
            if expected is None or message.offset < expected or message.partition in self.paused:
                continue
            self._next[message.partition] = message.offset + 1
            self._backlog.append(message)
            self._backlog_bytes += _size(message)

    def take(self, max_messages: int, max_bytes: int) -> Batch:
        """Remove and return the next batch: at least one message if there is a backlog."""
        messages = self.waiting(max_messages, max_bytes)
        for message in messages:
            self._backlog.popleft()
            self._backlog_bytes -= _size(message)
        base_offsets = {message.partition: self.positions[message.partition] for message in messages}
        return Batch(messages, base_offsets)

    def put_back(self, messages: Collection[Message]) -> None:
        """Put deferred messages of the last batch back to the front, in their order."""
        self._backlog.extendleft(reversed(tuple(messages)))
        self._backlog_bytes += sum(map(_size, messages))

    def advance(self, positions: Mapping[int, int]) -> None:
        for partition, offset in positions.items():
            if partition in self.positions:
                self.positions[partition] = offset

    def rewound(self, partitions: Collection[int]) -> dict[int, int]:
        """Drop the backlog of these partitions; return the positions to read from again."""
        self._drop(set(partitions))
        offsets = {p: self.positions[p] for p in partitions if p in self.positions}
        self._next.update(offsets)
        return offsets

    @property
    def backlog_count(self) -> int:
        return len(self._backlog)

    def wanted(self, max_messages: int, max_bytes: int) -> int:
        """Return how many messages may be read: this batch, and one more that is prefetched meanwhile.

        A poll may return all that the client has fetched, so bytes are bounded by a batch and one poll.
        """
        return 0 if self._backlog_bytes > max_bytes else max(0, 2 * max_messages - len(self._backlog))

    def is_batch_waiting(self, max_messages: int, max_bytes: int) -> bool:
        """Whether the backlog holds more than one batch: then the log has not been read to its end."""
        return len(self._backlog) >= max_messages or self._backlog_bytes > max_bytes

    def waiting(self, max_messages: int, max_bytes: int) -> tuple[Message, ...]:
        """Return the messages of the next batch, without removing them."""
        messages: list[Message] = []
        size = 0
        for message in islice(self._backlog, max_messages):
            size += _size(message)
            if messages and size > max_bytes:
                break
            messages.append(message)
        return tuple(messages)

    def _drop(self, partitions: set[int]) -> None:
        self._backlog = deque(m for m in self._backlog if m.partition not in partitions)
        self._backlog_bytes = sum(map(_size, self._backlog))


def _size(message: Message) -> int:
    return len(message.value or b"")
