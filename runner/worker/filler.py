"""Writes the changelog from the store: what workers would have told, had there been one from the start.

A shard at a time, its partition is made to tell what the store holds: first what it tells already is
read (nothing, or what an earlier try has written), then every record is compared with that and told
where it differs, and what is told of no record is told to be gone. So it can be repeated after it was
ended at any point, and what is right already is not written again. No worker may change tasks meanwhile.

The changelog is never ahead of the committed offsets: of a record that an event changed which is not
committed yet, it is told what it was before; that event comes again, and is told then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from runner.actions.decision import OutgoingMessage
from runner.store.calls import Index, IndexKind
from runner.store.indexing import task_id_of
from runner.store.listing import IndexCursor, ListableStore
from runner.tasks.changelog import changelog_key, read_entry
from runner.tasks.record import Record, TaskKey, as_left_by
from runner.tasks.source import Source, parse_source
from runner.worker.changelog_snapshot import LIMIT_BYTES, ChangelogSnapshot
from runner.worker.restorer import ChangelogReader

_CHUNK: Final = 100
"""Records read at a time: each may have a megabyte."""

_SENT_AT_ONCE: Final = 1000
_SENT_AT_ONCE_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is of tasks, and how far their homes are committed."""

    domains: Collection[str]
    incarnation: int
    bases: Mapping[int, int]
    """Committed offset by home; 0: nothing is."""


class ChangelogRecord(Protocol):
    """Makes the changelog's messages. ``changed`` raises EventError where the topic does not take one."""

    def changed(self, record: Record) -> OutgoingMessage:
        """Return the message about a change."""
        ...

    def removed(self, key: TaskKey) -> OutgoingMessage:
        """Return the message that a task is gone."""
        ...


@dataclass(slots=True)
class Filled:
    """What filling came to."""

    tasks: int = 0
    """Tasks that the changelog tells of."""
    written: int = 0
    """Messages that it took; those that were right already were left."""


class Filler:
    """Fills shard by shard. ``send`` returns once its messages are committed, all of them at once."""

    def __init__(
        self,
        store: ListableStore,
        reader: ChangelogReader,
        changelog: ChangelogRecord,
        extent: Extent,
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
        """Write what one shard holds. Raises EventError, StoreUnavailable, LogUnavailable."""
        last = ChangelogSnapshot(self._extent.bases, self._limit_bytes)
        while True:
            self._reader.begin(shard)
            while (found := self._reader.read()) is not None:
                last.take(found)
            self._write(self._differing(shard, last))
            if not last.go_on():
                return

    def _write(self, emits: Iterator[OutgoingMessage]) -> None:
        waiting: list[OutgoingMessage] = []
        size = 0
        for emit in emits:
            waiting.append(emit)
            size += len(emit.value or b"")
            if len(waiting) == _SENT_AT_ONCE or size > _SENT_AT_ONCE_BYTES:
                self._flush(waiting)
                waiting, size = [], 0
        self._flush(waiting)

    def _flush(self, waiting: list[OutgoingMessage]) -> None:
        if waiting:
            self._send(waiting)
            self.filled.written += len(waiting)

    def _differing(self, shard: int, last: ChangelogSnapshot) -> Iterator[OutgoingMessage]:
        """Give what is to be told of the tasks that are covered this time."""
        told = last.told
        keys = (key for key in self._keys(shard) if last.covers(changelog_key(key)))
        while chunk := list(islice(keys, _CHUNK)):
            yield from self._of(chunk, told)
        # What no index of a configured domain leads to, and what is gone.
        left = iter(list(told))
        while names := list(islice(left, _CHUNK)):
            yield from self._of([read_entry(told[name]).record.key for name in names], told)

    def _of(self, keys: Sequence[TaskKey], told: dict[bytes, bytes]) -> Iterator[OutgoingMessage]:
        """Give what is to be told of these tasks; what was told of them is taken out."""
        for key, stored in zip(keys, self._store.records_of(keys), strict=True):
            before = told.pop(changelog_key(key), None)
            record = None if stored is None else self._committed(stored)
            if record is not None:
                self.filled.tasks += 1
                emit = self._changelog.changed(record)
                if emit.value != before:
                    yield emit
            elif before is not None:
                yield self._changelog.removed(key)

    def _committed(self, record: Record) -> Record | None:
        """Return a record as the committed events left it; None where none of them made it.

        A new round that is not committed has taken the place of the one before, which nobody knows any more.
        """
        closing = record.state.closing
        if closing is not None and not self._is_committed(parse_source(closing.source)):
            opened = as_left_by(record, record.state.source)
            return None if opened is None else self._committed(opened)
        return record if self._is_committed(record.started_by) else None

    def _is_committed(self, source: Source) -> bool:
        if source.incarnation != self._extent.incarnation:
            return True
        return source.offset < self._extent.bases.get(source.partition, 0)

    def _keys(self, shard: int) -> Iterator[TaskKey]:
        """Give the tasks of a shard by their index entries, of which each record has one."""
        for domain in self._extent.domains:
            for home in self._extent.bases:
                for kind in IndexKind:
                    index = Index(kind, domain, shard, home)
                    stop = IndexCursor()
                    while found := self._store.entries({index: stop}, None, _CHUNK)[index]:
                        for member, _ in found:
                            yield TaskKey(domain, task_id_of(index, member))
                        stop = IndexCursor(found[-1][1], member=found[-1][0])
