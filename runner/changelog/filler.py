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
from typing import Final, Protocol

from runner.actions.decision import OutgoingMessage
from runner.changelog.codec import changelog_key, read_entry
from runner.changelog.restorer import ChangelogReader
from runner.changelog.snapshot import LIMIT_BYTES, ChangelogSnapshot
from runner.store.calls import Index, IndexKind
from runner.store.indexing import task_id_of
from runner.store.listing import IndexCursor, ListableStore
from runner.tasks.record import Record, TaskKey, record_after
from runner.tasks.source import Source, parse_source

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


class ChangelogMessages(Protocol):
    """Makes changelog messages; ``changed`` raises EventError where the topic does not take one."""

    def changed(self, record: Record) -> OutgoingMessage:
        """Return the message of a change."""
        ...

    def removed(self, key: TaskKey) -> OutgoingMessage:
        """Return the tombstone of a task."""
        ...


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
        changelog: ChangelogMessages,
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
        values = snapshot.values
        keys = (key for key in self._keys(shard) if snapshot.covers(changelog_key(key)))
        while chunk := list(islice(keys, _CHUNK)):
            yield from self._messages_of(chunk, values)
        # Tasks that no index of a configured domain has, and removed ones.
        remaining = iter(list(values))
        while names := list(islice(remaining, _CHUNK)):
            yield from self._messages_of([read_entry(values[name]).record.key for name in names], values)

    def _messages_of(self, keys: Sequence[TaskKey], values: dict[bytes, bytes]) -> Iterator[OutgoingMessage]:
        """Yield the messages to write for these tasks, and take the tasks out of ``values``."""
        for key, stored in zip(keys, self._store.records_of(keys), strict=True):
            before = values.pop(changelog_key(key), None)
            record = None if stored is None else self._committed(stored)
            if record is not None:
                self.filled.tasks += 1
                message = self._changelog.changed(record)
                if message.value != before:
                    yield message
            elif before is not None:
                yield self._changelog.removed(key)

    def _committed(self, record: Record) -> Record | None:
        """Return a record after its last committed event; None where no committed event made it.

        A new generation that is not committed has overwritten the one before, which is lost.
        """
        closing = record.state.closing
        if closing is not None and not self._is_committed(parse_source(closing.source)):
            as_opened = record_after(record, record.state.source)
            return None if as_opened is None else self._committed(as_opened)
        return record if self._is_committed(record.started_by) else None

    def _is_committed(self, source: Source) -> bool:
        if source.incarnation != self._extent.incarnation:
            return True
        return source.offset < self._extent.bases.get(source.partition, 0)

    def _keys(self, shard: int) -> Iterator[TaskKey]:
        """Yield the tasks of a shard by their index entries: each record has one."""
        for domain in self._extent.domains:
            for home in self._extent.bases:
                for kind in IndexKind:
                    index = Index(kind, domain, shard, home)
                    cursor = IndexCursor()
                    while page := self._store.entries({index: cursor}, None, _CHUNK)[index]:
                        for member, _ in page:
                            yield TaskKey(domain, task_id_of(index, member))
                        cursor = IndexCursor(page[-1][1], member=page[-1][0])
