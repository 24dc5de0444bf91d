"""The state of each home in a batch: base offset, first message, poison in a row, deferred and paused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.errors import StoreLost
from runner.kafka.message import Message
from runner.tasks.keys import TaskKey
from runner.worker.assignment import Batch
from runner.worker.in_flight import InFlight
from runner.worker.result import BatchResult


class BatchState:
    """The state of one batch while it is processed."""

    def __init__(self, batch: Batch, poison_runs: Mapping[int, int], poison_limit: int) -> None:
        """``poison_runs`` are the consecutive poison messages before the batch, by home.

        ``poison_limit``: consecutive poison messages after which a home is paused; 0: never.
        """
        self.base_offsets = batch.base_offsets
        self.now_ms = 0
        self.conflicts = 0
        self._messages = batch.messages
        self._poison_limit = poison_limit
        self._poison_before = poison_runs
        self._poison_runs = dict(poison_runs)
        self._poison_run_at: dict[tuple[int, int], int] = {}
        self._first: dict[int, int] = {}
        self._deferred_from: dict[int, int] = {}
        self._pauses: dict[int, tuple[int, str]] = {}
        self._ends = dict(batch.base_offsets)
        self._tokens: dict[int, str] = {}
        self._changed: set[TaskKey] = set()
        for message in batch.messages:
            self._first.setdefault(message.partition, message.offset)

    def is_first(self, message: Message) -> bool:
        """Whether everything before this message is committed."""
        return self._first[message.partition] == message.offset

    def is_deferred(self, message: Message) -> bool:
        """Whether this message waits for a later batch."""
        return message.offset >= self._deferred_from.get(message.partition, message.offset + 1)

    def count_poison(self, items: Iterable[InFlight]) -> None:
        """Count the poison among the next messages; pause a home behind the one that reaches the limit."""
        runs = self._poison_runs
        for item in items:
            home, offset = item.message.partition, item.message.offset
            if item.poison is None:
                runs[home] = 0
                continue
            run = runs[home] = self._poison_run_at[home, offset] = runs.get(home, 0) + 1
            if run >= self._poison_limit > 0:
                self.pause(home, offset + 1, f"{run} poison messages in a row")

    def decide_next(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._ends[message.partition] = message.offset + 1

    def decided_up_to(self, home: int) -> int:
        """Return the offset below which everything of a home is decided by now."""
        end = self._ends[home]
        return min(end, self._deferred_from.get(home, end))

    def remember_tokens(self, tokens: Mapping[int, str]) -> None:
        """Remember the tokens of shards. StoreLost if a shard has lost something since its first read.

        Changes and kept decisions of this batch in that shard may be lost then.
        """
        for shard, shard_token in tokens.items():
            if self._tokens.setdefault(shard, shard_token) != shard_token:
                raise StoreLost(f"shard {shard} has lost something since it was read")

    def shard_token(self, shard: int) -> str:
        """Return the token a shard had when it was read; empty: it was not read."""
        return self._tokens.get(shard, "")

    def note_changed(self, key: TaskKey) -> None:
        """Note that a record which others are decided from was changed in this batch."""
        self._changed.add(key)

    def has_changed(self, key: TaskKey) -> bool:
        """Whether such a record was changed in this batch, so that its change is not committed."""
        return key in self._changed

    def defer_all(self, messages: Iterable[Message]) -> None:
        """Defer these messages, and all behind them in their homes, to a later batch."""
        for message in messages:
            self.defer(message.partition, message.offset)

    def defer(self, home: int, offset: int) -> None:
        """Defer this offset of a home, and all behind it, to a later batch."""
        self._deferred_from[home] = min(offset, self._deferred_from.get(home, offset))

    def pause(self, home: int, offset: int, reason: str) -> None:
        """Defer a home from this offset, and pause it there."""
        self.defer(home, offset)
        if self._deferred_from[home] == offset:
            self._pauses[home] = (offset, reason)

    @property
    def paused(self) -> dict[int, str]:
        """Paused homes, with the reason; not those that were deferred before the offset of the pause."""
        return {
            home: reason
            for home, (offset, reason) in self._pauses.items()
            if self._deferred_from[home] == offset
        }

    def complete(self, result: BatchResult) -> None:
        """Add paused homes, poison in a row and deferred messages to the result of the batch."""
        result.now_ms, result.conflicts, result.paused = self.now_ms, self.conflicts, self.paused
        result.poison_runs = {
            home: self._poison_run(home, result.positions.get(home)) for home in self.base_offsets
        }
        result.poisoned = {
            home for home in result.paused if result.poison_runs[home] >= self._poison_limit > 0
        }
        result.deferred = [
            message
            for message in self._messages
            if self.is_deferred(message) and message.partition not in result.paused
        ]

    def _poison_run(self, home: int, position: int | None) -> int:
        """Return the consecutive poison messages before a position; None: where the batch began."""
        if position is None:
            return self._poison_before.get(home, 0)
        return self._poison_run_at.get((home, position - 1), 0)
