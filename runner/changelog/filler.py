"""Fills the changelog from the store, as workers would have written it.

One shard at a time: the changelog partition is read first (it is empty, or has the messages of an earlier
run); then every record that differs from its last message is written, and a tombstone for every task that
has no record. So filling can be repeated after it ended at any point, and what is right is not written
again. No worker may change tasks meanwhile.

The changelog is never ahead of the committed offsets: a record that an uncommitted event has changed is
written as it was before; that event is redelivered, and its change is written then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from runner.actions.decision import OutgoingMessage
from runner.changelog.codec import changelog_key, key_of, read_stamp, split_key
from runner.changelog.restorer import ChangelogReader
from runner.changelog.snapshot import LIMIT_BYTES, ChangelogSnapshot
from runner.changelog.writer import Changelog
from runner.errors import StoreMismatch
from runner.store.calls import Index, IndexCursor, IndexKind
from runner.store.indexing import task_id_of
from runner.store.listing import ListableStore
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record, record_after
from runner.tasks.source import Source, parse_source

_LISTING: Final = tuple(kind for kind in IndexKind if kind is not IndexKind.HOOKS)
"""In one of these every record has one entry."""

_CHUNK: Final = 100
"""Records read at a time: each may have a megabyte."""

_SENT_AT_ONCE: Final = 1000
_SENT_AT_ONCE_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FillExtent:
    """What is filled: domains and incarnation, with the committed offsets of the homes."""

    domains: Collection[str]
    incarnation: int
    bases: Mapping[int, int]
    """Committed offset by home; 0: nothing is committed."""


@dataclass(slots=True)
class Filled:
    """The counts of filling."""

    tasks: int = 0
    """Tasks with a record in the changelog."""
    written: int = 0
    """Messages that were written; those that were right already are not counted."""


class Filler:
    """Fills shard by shard; ``send`` returns once all its messages are committed together."""

    def __init__(
        self,
        store: ListableStore,
        reader: ChangelogReader,
        changelog: Changelog,
        extent: FillExtent,
        send: Callable[[Sequence[OutgoingMessage]], object],
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._store = store
        self._reader = reader
        self._changelog = changelog
        self._extent = extent
        self._send = send
        self._limit_bytes = limit_bytes
        self.filled = Filled()

    def shard(self, shard: int) -> None:
        """Fill the partition of one shard. Raises EventError, StoreUnavailable, LogUnavailable."""
        snapshot = ChangelogSnapshot(self._extent.bases, self._limit_bytes)
        while True:
            self._reader.begin(shard)
            while (messages := self._reader.read()) is not None:
                snapshot.take(messages)
            self._write(self._differing(shard, snapshot))
            if not snapshot.next_part():
                return

    def _write(self, messages: Iterator[OutgoingMessage]) -> None:
        batch: list[OutgoingMessage] = []
        size = 0
        for message in messages:
            batch.append(message)
            size += len(message.value or b"")
            if len(batch) == _SENT_AT_ONCE or size > _SENT_AT_ONCE_BYTES:
                self._flush(batch)
                batch, size = [], 0
        self._flush(batch)

    def _flush(self, batch: list[OutgoingMessage]) -> None:
        if batch:
            self._send(batch)
            self.filled.written += len(batch)

    def _differing(self, shard: int, snapshot: ChangelogSnapshot) -> Iterator[OutgoingMessage]:
        """Yield the messages to write for the tasks in this part of the snapshot."""
        keys = (key for key in self._keys(shard) if snapshot.covers(changelog_key(key)))
        while chunk := list(islice(keys, _CHUNK)):
            yield from self._messages_of(chunk, snapshot)
        # Tasks that no index of a configured domain has, and removed ones.
        remaining = iter({**snapshot.values, **snapshot.parts})
        while names := list(islice(remaining, _CHUNK)):
            yield from self._messages_of([key_of(name) for name in names], snapshot)

    def _messages_of(self, keys: Sequence[TaskKey], snapshot: ChangelogSnapshot) -> Iterator[OutgoingMessage]:
        """Yield the messages to write for these tasks, and drop the tasks from the snapshot."""
        for key, stored in zip(keys, self._store.whole_records(keys), strict=True):
            before = snapshot.messages(changelog_key(key))
            snapshot.drop(changelog_key(key))
            record = None if stored is None else self._committed(stored)
            messages = () if record is None else self._all_messages(record)
            self.filled.tasks += record is not None
            yield from (
                each for each in messages if before.pop(split_key(each.key or b"")[1], None) != each.value
            )
            yield from (self._changelog.tombstone(key, part) for part in before)

    def _all_messages(self, record: Record) -> tuple[OutgoingMessage, ...]:
        parts = (
            self._changelog.part(record, name, value, read_stamp(value).source)
            for name, value in record.all_parts.items()
        )
        return (self._changelog.changed(record_after(record, record.state_source) or record), *parts)

    def _committed(self, record: Record) -> Record | None:
        """Return a record after its last committed event; None where no committed event made it.

        A new generation that is not committed has overwritten the one before, which is lost. What stood
        before an uncommitted verb cannot be told: StoreMismatch.
        """
        life = record.life
        if life is not None and not self._is_committed(parse_source(life.source)):
            raise StoreMismatch(
                f"task {record.key.id[:100]!r} was changed by an event that is not committed; start workers "
                "without topics.tasks until they are idle, stop them, and fill again"
            )
        closing = record.state.closing
        if closing is not None and not self._is_committed(parse_source(closing.source)):
            as_opened = record_after(record, record.state.source)
            return None if as_opened is None else self._committed(_with_life_of(record, as_opened))
        return record if self._is_committed(record.started_by) else None

    def _is_committed(self, source: Source) -> bool:
        if source.incarnation != self._extent.incarnation:
            return True
        return source.offset < self._extent.bases.get(source.partition, 0)

    def _keys(self, shard: int) -> Iterator[TaskKey]:
        """Yield the tasks of a shard by their index entries: each record has one."""
        for domain in self._extent.domains:
            for home in self._extent.bases:
                for kind in _LISTING:
                    index = Index(kind, domain, shard, home)
                    cursor = IndexCursor()
                    while page := self._store.entries({index: cursor}, None, _CHUNK)[index]:
                        for member, _ in page:
                            yield TaskKey(domain, task_id_of(index, member))
                        cursor = IndexCursor(page[-1][1], member=page[-1][0])


def _with_life_of(record: Record, as_opened: Record) -> Record:
    revision = as_opened.revision if record.life is None else record.life.revision
    return msgspec.structs.replace(as_opened, revision=revision, life=record.life, parts=record.parts)
