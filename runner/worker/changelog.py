"""Writes the changelog: the changes of a batch go into its transaction.

What is sent for an event is the task as *that event* left it, also when the event is redelivered
and Redis already holds what a later one made of it: the changelog is never ahead of the offsets it is
committed with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import TopicCatalog
from runner.actions.render import OVERHEAD_BYTES
from runner.errors import UNDELIVERABLE, EventError
from runner.tasks.changelog import changelog_key, encode_entry, entry_headers
from runner.tasks.record import Record, TaskKey, as_left_by
from runner.tasks.source import Source

CLOSING_BYTES: Final = 512
"""Kept free in the message of an open task for what its closing adds: it must be able to end."""


@dataclass(frozen=True, slots=True)
class Changelog:
    """The messages about the changes of tasks, for one topic."""

    topic: str
    topics: TopicCatalog
    shard: Callable[[str], int]
    """The shard of a task id, which is the partition of its messages."""
    restores: bool = True
    """Whether the store can be filled again from it; else it only serves lists."""

    def changed(self, record: Record) -> OutgoingMessage:
        """Return the message about a change. Raises EventError 13020 if the topic does not take it."""
        emit = self._emit(record.key, encode_entry(record), entry_headers(record))
        self._check(emit, CLOSING_BYTES if record.is_open else 0)
        return emit

    def left_by(self, record: Record, source: Source) -> OutgoingMessage | None:
        """Return the message about what a redelivered event did to this generation; None: nothing."""
        changed = as_left_by(record, str(source))
        return None if changed is None else self.changed(changed)

    def removed(self, key: TaskKey) -> OutgoingMessage:
        """Return the message that a task is gone: one without a value."""
        return self._emit(key, None, ())

    def _emit(
        self, key: TaskKey, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
    ) -> OutgoingMessage:
        return OutgoingMessage(self.topic, changelog_key(key), value, headers, self.shard(key.id))

    def _check(self, emit: OutgoingMessage, spare_bytes: int) -> None:
        limit = self.topics.limit_bytes(self.topic)
        if limit is None:
            raise EventError(UNDELIVERABLE, f"there is no topic {self.topic!r} for the changelog")
        size = len(emit.key or b"") + len(emit.value or b"") + OVERHEAD_BYTES + spare_bytes
        if size > limit:
            raise EventError(
                UNDELIVERABLE,
                f"the task has {size} bytes in the changelog; topic {self.topic!r} takes {limit}",
            )
