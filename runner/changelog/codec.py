"""The changelog: every committed change of a task is one message of a compacted topic.

Key: domain and id of the task. Value: the whole record after the change, as JSON, or no value (a
tombstone) once it was removed. A shard is a partition, so all messages of a task are in one partition and,
since a home has one writer, in the order of the changes. docs/protocol.md describes it for its readers.
"""

from __future__ import annotations

from typing import Final

import msgspec

from runner.envelope.plain import encode, split
from runner.errors import ChangelogUnreadable
from runner.tasks.record import Record, TaskKey, TaskStart, TaskState, read_start

FORMAT: Final = 1
"""Version of the value; a reader refuses a version it does not know."""

REVISION: Final = "revision"
SOURCE: Final = "source"
HOME: Final = "home"
EVENT: Final = "event"


class Entry(msgspec.Struct, frozen=True):
    """The value of a message: the record after a change."""

    format: int
    domain: str
    id: str
    revision: int
    state: TaskState
    start: TaskStart

    @property
    def record(self) -> Record:
        """The record as stored."""
        return Record(TaskKey(self.domain, self.id), self.revision, self.state, self.start)


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Entry)
_NO_START: Final = TaskStart(event=msgspec.Raw(b"null"))


def changelog_key(key: TaskKey) -> bytes:
    """Return the key of the messages of a task: ``domain:id``, a colon in the domain as %3A."""
    return f"{key.domain.replace('%', '%25').replace(':', '%3A')}:{key.id}".encode()


def encode_entry(record: Record) -> bytes:
    """Return the value of the message of a change."""
    key = record.key
    return _encode(Entry(FORMAT, key.domain, key.id, record.revision, record.state, record.start))


def read_entry(value: bytes) -> Entry:
    """Return the entry that ``encode_entry`` wrote. Raises ChangelogUnreadable for any other value."""
    try:
        entry = _entry(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None
    if entry.format != FORMAT:
        raise ChangelogUnreadable(f"format {entry.format} of the changelog is not known, only {FORMAT}")
    return entry


def _entry(value: bytes) -> Entry:
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError:
        # The starting event may be JSON that the parser refuses.
        fields = split(value)
        start = fields.pop("start", msgspec.Raw())
        entry = _decoder.decode(encode({**fields, "start": _NO_START}))
        return msgspec.structs.replace(entry, start=read_start(bytes(start)))


def entry_headers(record: Record) -> tuple[tuple[str, bytes], ...]:
    """Return the headers of the message of a change.

    Revision; source of the StartTask of this generation; home partition; source of the event that
    made the change.
    """
    state = record.state
    event = state.source if state.closing is None else state.closing.source
    return (
        (REVISION, str(record.revision).encode()),
        (SOURCE, state.source.encode()),
        (HOME, str(state.home).encode()),
        (EVENT, event.encode()),
    )
