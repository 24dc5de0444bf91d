"""A model of Kafka: topics, transactions with control markers, the last stable offset.

What is modelled because the worker's guarantees meet it:

- A marker takes an offset. A partition is readable up to the first message of a transaction whose
  marker has not reached it; aborted messages and markers are passed over.
- The decision to commit comes first, the markers follow one by one, later. The group's offsets of a
  transaction are pending until their own marker.
- A transaction left open is aborted by the coordinator after a time-out, and its producer fenced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from random import Random
from typing import Final, NamedTuple
from zlib import crc32

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers
from runner.kafka.message import Message
from tests.simulation.scheduler import Scheduler

REQUESTS: Final = "requests"
RESPONSES: Final = "responses"
DEAD_LETTERS: Final = "deadLetters"
TASKS: Final = "tasks"
NOTIFICATIONS: Final = "notifications"


class TransactionState(Enum):
    """Whether a transaction is decided, and how."""

    OPEN = "OPEN"
    COMMITTED = "COMMITTED"
    ABORTED = "ABORTED"


class Transaction:
    """What a producer sent between begin and its end."""

    __slots__ = ("decided_ms", "name", "offsets", "partitions", "state", "unmarked")

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = TransactionState.OPEN
        self.decided_ms = 0
        self.partitions: list[Partition] = []
        self.offsets: dict[int, int] = {}
        self.unmarked = 0

    @property
    def is_complete(self) -> bool:
        """Whether every marker has been written."""
        return self.state is not TransactionState.OPEN and self.unmarked == 0


class Entry(NamedTuple):
    """One offset of a partition: a message, or a marker."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    transaction: Transaction | None
    is_marker: bool = False
    timestamp_ms: int = 0


class Found(NamedTuple):
    """A message as a read_committed reader sees it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    committed_ms: int
    """When its transaction was decided, or it was sent without one."""

    @property
    def message(self) -> Message:
        """The same as a worker reads it."""
        return Message(
            self.partition, self.offset, self.key, self.value, self.headers, timestamp_ms=self.timestamp_ms
        )


class Partition:
    """One partition of a topic; offsets are places in ``entries``."""

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.entries: list[Entry] = []
        self._unstable: dict[Transaction, int] = {}

    def append(self, entry: Entry) -> int:
        """Write a message; return its offset."""
        offset = len(self.entries)
        transaction = entry.transaction
        if transaction is not None and transaction not in self._unstable:
            self._unstable[transaction] = offset
            transaction.partitions.append(self)
        self.entries.append(entry)
        return offset

    def mark(self, transaction: Transaction) -> None:
        """Write the marker that ends a transaction here."""
        del self._unstable[transaction]
        self.entries.append(Entry(None, None, (), transaction, is_marker=True))

    @property
    def stable_end(self) -> int:
        """The last stable offset: readers get nothing from here on."""
        return min(self._unstable.values()) if self._unstable else len(self.entries)

    def read(self, start: int) -> Iterator[Found]:
        """Give what a read_committed reader sees from an offset on."""
        entries, number = self.entries, self.number
        for offset in range(start, self.stable_end):
            key, value, headers, transaction, is_marker, timestamp_ms = entries[offset]
            if is_marker:
                continue
            if transaction is None:
                yield Found(number, offset, key, value, headers, timestamp_ms, timestamp_ms)
            elif transaction.state is TransactionState.COMMITTED:
                yield Found(number, offset, key, value, headers, timestamp_ms, transaction.decided_ms)

    def read_some(self, start: int, most: int) -> tuple[list[Message], int]:
        """Return the next messages, and where to read on: past markers and what was aborted."""
        found: list[Message] = []
        for each in self.read(start):
            if len(found) == most:
                return found, each.offset
            found.append(each.message)
        return found, max(start, self.stable_end)


class Broker:
    """Topics, and the coordinator of transactions. The group's offsets are handed to it as a listener."""

    def __init__(
        self, scheduler: Scheduler, rng: Random, partitions: int, shards: int, marker_ms: int
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._marker_ms = marker_ms
        self.topics = {
            REQUESTS: [Partition(REQUESTS, n) for n in range(partitions)],
            RESPONSES: [Partition(RESPONSES, n) for n in range(2)],
            DEAD_LETTERS: [Partition(DEAD_LETTERS, 0)],
            TASKS: [Partition(TASKS, n) for n in range(shards)],
            NOTIFICATIONS: [Partition(NOTIFICATIONS, 0)],
        }
        self.open: list[Transaction] = []
        self.on_change: Callable[[], None] = lambda: None
        self.on_offsets: Callable[[Transaction], None] = lambda _: None
        """Told when the offsets of a transaction get their marker."""

    @property
    def requests(self) -> list[Partition]:
        """The partitions of the requests topic."""
        return self.topics[REQUESTS]

    def grow(self, more: int) -> None:
        """Add partitions to the requests topic."""
        first = len(self.requests)
        self.requests.extend(Partition(REQUESTS, number) for number in range(first, first + more))

    def begin(self, name: str) -> Transaction:
        """Open a transaction."""
        transaction = Transaction(name)
        self.open.append(transaction)
        return transaction

    def send(self, partition: Partition, key: bytes | None, value: bytes | None, headers: Headers) -> int:
        """Append a message of a producer without transactions."""
        offset = partition.append(Entry(key, value, headers, None, timestamp_ms=self._scheduler.now_ms))
        self.on_change()
        return offset

    def append(self, outgoing: OutgoingMessage, transaction: Transaction) -> int:
        """Append a message to a transaction."""
        partitions = self.topics[outgoing.stream]
        number = (
            crc32(outgoing.key or b"") % len(partitions) if outgoing.partition is None else outgoing.partition
        )
        entry = Entry(
            outgoing.key, outgoing.value, outgoing.headers, transaction, timestamp_ms=self._scheduler.now_ms
        )
        return partitions[number].append(entry)

    def end(self, transaction: Transaction, state: TransactionState) -> None:
        """Decide a transaction; the markers follow."""
        transaction.state = state
        transaction.decided_ms = self._scheduler.now_ms
        places: list[Partition | None] = [*transaction.partitions]
        if transaction.offsets:
            places.append(None)
        transaction.unmarked = len(places)
        if not places:
            self._completed(transaction)
        self._rng.shuffle(places)
        for place in places:
            delay = int(self._rng.random() * (self._marker_ms + 1))
            self._scheduler.after(delay, lambda place=place: self._mark(transaction, place))  # type: ignore[misc]

    def visible(self, topic: str) -> list[Found]:
        """Return all that a read_committed reader of a topic sees."""
        return [found for partition in self.topics[topic] for found in partition.read(0)]

    def _mark(self, transaction: Transaction, place: Partition | None) -> None:
        transaction.unmarked -= 1
        if place is None:
            self.on_offsets(transaction)
        else:
            place.mark(transaction)
        if transaction.unmarked == 0:
            self._completed(transaction)
        self.on_change()

    def _completed(self, transaction: Transaction) -> None:
        self.open.remove(transaction)
