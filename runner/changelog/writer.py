"""Changelog messages: the changes of a batch are committed in its transaction.

The message of an event is the record after *that event*, also when the event is redelivered and Redis
already holds a later change: the changelog is never ahead of the offsets it is committed with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import TopicCatalog
from runner.actions.render import OVERHEAD_BYTES
from runner.changelog.codec import changelog_key, encode_entry, entry_headers
from runner.errors import UNDELIVERABLE, EventError
from runner.tasks.record import Record, TaskKey, record_after
from runner.tasks.source import Source

CLOSING_BYTES: Final = 512
"""Reserved in the message of an open task for its closing: every open task must be able to end."""


@dataclass(frozen=True, slots=True)
class Changelog:
    """Makes the changelog messages of tasks, for one topic."""

    topic: str
    topics: TopicCatalog
    shard: Callable[[str], int]
    """The shard of a task id, which is the partition of its messages."""
    restores: bool = True
    """Whether the store can be restored from the changelog; else only lists are built from it."""

    def changed(self, record: Record) -> OutgoingMessage:
        """Return the message of a change. Raises EventError 13020 if the topic does not take one so large."""
        message = self._message(record.key, encode_entry(record), entry_headers(record))
        self._check(message, CLOSING_BYTES if record.is_open else 0)
        return message

    def change_by(self, record: Record, source: Source) -> OutgoingMessage | None:
        """Return the message of the change a redelivered event made; None: it changed nothing."""
        changed = record_after(record, str(source))
        return None if changed is None else self.changed(changed)

    def removed(self, key: TaskKey) -> OutgoingMessage:
        """Return the tombstone of a removed task: a message without a value."""
        return self._message(key, None, ())

    def _message(
        self, key: TaskKey, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
    ) -> OutgoingMessage:
        return OutgoingMessage(self.topic, changelog_key(key), value, headers, self.shard(key.id))

    def _check(self, message: OutgoingMessage, spare_bytes: int) -> None:
        limit = self.topics.limit_bytes(self.topic)
        if limit is None:
            raise EventError(UNDELIVERABLE, f"there is no topic {self.topic!r} for the changelog")
        size = len(message.key or b"") + len(message.value or b"") + OVERHEAD_BYTES + spare_bytes
        if size > limit:
            raise EventError(
                UNDELIVERABLE,
                f"the task has {size} bytes in the changelog; topic {self.topic!r} takes {limit}",
            )
