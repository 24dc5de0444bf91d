"""Where each home of a batch stands: its base, its first message, and where it is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.errors import StoreLost
from runner.worker.assignment import Batch
from runner.worker.event_log import Message


class BatchState:
    """The state of one batch while it is processed."""

    def __init__(self, batch: Batch) -> None:
        self.base_offsets = batch.base_offsets
        self.now_ms = 0
        self.conflicts = 0
        self._first: dict[int, int] = {}
        self._deferred_from: dict[int, int] = {}
        self._pauses: dict[int, tuple[int, str]] = {}
        self._ends = dict(batch.base_offsets)
        self._tokens: dict[int, str] = {}
        for message in batch.messages:
            self._first.setdefault(message.partition, message.offset)

    def is_first(self, message: Message) -> bool:
        """Whether everything before this message is committed."""
        return self._first[message.partition] == message.offset

    def is_deferred(self, message: Message) -> bool:
        """Whether this message waits for a later batch."""
        return message.offset >= self._deferred_from.get(message.partition, message.offset + 1)

    def decide_next(self, messages: Iterable[Message]) -> None:
        """Note which messages are decided next."""
        for message in messages:
            self._ends[message.partition] = message.offset + 1

    def decided_up_to(self, home: int) -> int:
        """Return the offset below which everything of a home is decided, as far as is known by now."""
        end = self._ends[home]
        return min(end, self._deferred_from.get(home, end))

    def remember_tokens(self, tokens: Mapping[int, str]) -> None:
        """Note what was found in shards. StoreLost if one has lost something since it was read first.

        What this batch did there, or found decided there, may be gone then.
        """
        for shard, shard_token in tokens.items():
            if self._tokens.setdefault(shard, shard_token) != shard_token:
                raise StoreLost(f"shard {shard} has lost something since it was read")

    def shard_token(self, shard: int) -> str:
        """Return the note of a shard when it was read; empty: it was not."""
        return self._tokens.get(shard, "")

    def defer_all(self, messages: Iterable[Message]) -> None:
        """Leave the rest of the batch for a later one."""
        for message in messages:
            self.defer(message.partition, message.offset)

    def defer(self, home: int, offset: int) -> None:
        """Leave this offset and all behind it for a later batch."""
        self._deferred_from[home] = min(offset, self._deferred_from.get(home, offset))

    def pause(self, home: int, offset: int, reason: str) -> None:
        """Cut a home, and say that it cannot go on from there."""
        self.defer(home, offset)
        if self._deferred_from[home] == offset:
            self._pauses[home] = (offset, reason)

    @property
    def paused(self) -> dict[int, str]:
        """Homes that cannot go on, with the reason; not those that were cut before they came so far."""
        return {
            home: reason
            for home, (offset, reason) in self._pauses.items()
            if self._deferred_from[home] == offset
        }
