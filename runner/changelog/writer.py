"""Changelog messages: the changes of a batch are committed in its transaction.

The message of an event is the record after *that event*, also when the event is redelivered and Redis
already holds a later change: the changelog is never ahead of the offsets it is committed with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import TopicCatalog
from runner.actions.render import require_fits
from runner.changelog.codec import changelog_key, encode_entry, encode_part_entry, entry_headers, part_headers
from runner.errors import UNDELIVERABLE, EventError
from runner.tasks.keys import TaskKey
from runner.tasks.parts import LIFE
from runner.tasks.record import Record, record_after
from runner.tasks.source import Source

_TOO_LARGE: Final = "the task has {size} bytes in the changelog; topic {stream!r} takes {limit}"

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
        """Return the message of start and state.

        Raises EventError 13020 if the topic does not take one so large.
        """
        key, value, headers = changelog_key(record.key), encode_entry(record), entry_headers(record)
        message = OutgoingMessage(self.topic, key, value, headers, self.shard(record.key.id))
        self._check(message, CLOSING_BYTES if record.is_open else 0)
        return message

    def changes(
        self, record: Record, *, is_state_new: bool, written: Mapping[str, bytes | None], source: Source
    ) -> tuple[OutgoingMessage, ...]:
        """Return the messages of what the event at ``source`` wrote: start and state, and other parts."""
        if not written:
            return (self.changed(record),) if is_state_new else ()
        parts = tuple(self.part(record, name, value, str(source)) for name, value in written.items())
        return (self.changed(record), *parts) if is_state_new else parts

    def changes_by(
        self, record: Record, written: Mapping[str, bytes | None], source: Source
    ) -> tuple[OutgoingMessage, ...]:
        """Return the messages of what a redelivered event wrote; ``written``: as its kept decision has it."""
        as_written = record_after(record, str(source))
        return self.changes(
            as_written or record, is_state_new=as_written is not None, written=written, source=source
        )

    def part(self, record: Record, name: str, value: bytes | None, source: str) -> OutgoingMessage:
        """Return the message of a part beside start and state; a tombstone where there is no value."""
        if value is None:
            return self.tombstone(record.key, name)
        key = changelog_key(record.key, name)
        encoded, headers = encode_part_entry(record, name, value), part_headers(record, value, source)
        message = OutgoingMessage(self.topic, key, encoded, headers, self.shard(record.key.id))
        self._check(message, 0)
        return message

    def removed(self, record: Record) -> tuple[OutgoingMessage, ...]:
        """Return the tombstones of a removed record: messages without a value."""
        parts = () if record.life is None else (LIFE, *record.part_names)
        return tuple(self.tombstone(record.key, name) for name in ("", *parts))

    def tombstone(self, key: TaskKey, part: str = "") -> OutgoingMessage:
        """Return a message without a value: start and state of a task are gone, or another part is."""
        return OutgoingMessage(self.topic, changelog_key(key, part), None, (), self.shard(key.id))

    def _check(self, message: OutgoingMessage, spare_bytes: int) -> None:
        limit = self.topics.limit_bytes(self.topic)
        if limit is None:
            raise EventError(UNDELIVERABLE, f"there is no topic {self.topic!r} for the changelog")
        # Its headers are small: they count as what Kafka adds.
        require_fits(message, limit, _TOO_LARGE, spare_bytes, headers_bytes=0)
