"""The changelog: every committed change of a task is in the messages of a compacted topic.

Start and state of a task are one message. Key: domain and id. Value: both parts as JSON, or no value (a
tombstone) once the task was removed. Every other part is a message of its own. Key: domain, part and id. A
shard is a partition, so all messages of a task are in one partition and, since a home has one writer, in the
order of the changes. docs/protocol.md describes it for its readers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from runner.envelope.plain import encode, split
from runner.errors import ChangelogUnreadable
from runner.tasks.keys import TaskKey
from runner.tasks.parts import LIFE, TaskStart, TaskState
from runner.tasks.record import Record, read_life, read_start

FORMAT: Final = 1
"""Version of the value; a reader refuses a version it does not know."""

REVISION: Final = "revision"
SOURCE: Final = "source"
HOME: Final = "home"
EVENT: Final = "event"


class ChangelogEntry(msgspec.Struct, frozen=True):
    """The value of a message: the record after a change."""

    format: int
    domain: str
    id: str
    revision: int
    state: TaskState
    start: TaskStart

    @property
    def record(self) -> Record:
        """The record as stored, without its other parts."""
        return Record(TaskKey(self.domain, self.id), self.revision, self.state, self.start)


class PartEntry(msgspec.Struct, frozen=True):
    """The value of a message: a part of a record beside start and state."""

    format: int
    domain: str
    id: str
    part: str
    source: str
    """Source of the StartTask of the generation."""
    value: msgspec.Raw
    """The part as stored, with the revision at which it was written."""


class PartStamp(msgspec.Struct, frozen=True):
    """What every part says of itself."""

    revision: int
    source: str = ""
    """Source of the event that wrote it, where the part says so."""


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(ChangelogEntry)
_part_decoder: Final = msgspec.json.Decoder(PartEntry)
read_stamp: Final = msgspec.json.Decoder(PartStamp).decode
"""What a part says of itself; ValueError for anything else."""
_NO_START: Final = TaskStart(event=msgspec.Raw(b"null"))


DOMAIN_IN_KEY: Final = "(?:[^%:]|%25|%3A)*"
"""A domain in a key: it has neither a colon, nor a ``%`` before a small letter."""

_PART: Final = re.compile(f"({DOMAIN_IN_KEY})%([a-z][!-9;-~]*):".encode())
"""Domain and part in the key of a part."""


def changelog_key(key: TaskKey, part: str = "") -> bytes:
    """Return the key of a message: ``domain:id`` or ``domain%part:id``, a colon in the domain as %3A."""
    domain = key.domain.replace("%", "%25").replace(":", "%3A")
    return f"{domain}%{part}:{key.id}".encode() if part else f"{domain}:{key.id}".encode()


def split_key(key: bytes) -> tuple[bytes, str]:
    """Return the key of the task, and the name of the part; no name for start and state."""
    match = _PART.match(key) if b"%" in key else None
    if match is None:
        return key, ""
    return match[1] + b":" + key[match.end() :], match[2].decode()


def key_of(key: bytes) -> TaskKey:
    """Return the task of the key of its message for start and state."""
    domain, _, task_id = key.decode().partition(":")
    return TaskKey(domain.replace("%3A", ":").replace("%25", "%"), task_id)


def encode_part_entry(record: Record, part: str, value: bytes) -> bytes:
    """Return the value of the message of a part."""
    key = record.key
    return _encode(PartEntry(FORMAT, key.domain, key.id, part, record.state.source, msgspec.Raw(value)))


def encode_entry(record: Record) -> bytes:
    """Return the value of the message of a change."""
    key = record.key
    return _encode(ChangelogEntry(FORMAT, key.domain, key.id, record.revision, record.state, record.start))


def read_entry(value: bytes) -> ChangelogEntry:
    """Return the entry that ``encode_entry`` wrote. Raises ChangelogUnreadable for any other value."""
    try:
        entry = _entry(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None
    _require_known(entry.format)
    return entry


def read_part_entry(value: bytes) -> PartEntry:
    """Return the entry that ``encode_part_entry`` wrote. Raises ChangelogUnreadable for any other value."""
    try:
        entry = _part_decoder.decode(value)
    except (ValueError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None
    _require_known(entry.format)
    return entry


def restored_record(value: bytes, parts: Mapping[str, bytes]) -> Record:
    """Return the whole record of a task from its messages; parts of another generation are left out.

    Raises ChangelogUnreadable for any other value.
    """
    record = read_entry(value).record
    if not parts:
        return record
    try:
        entries = [_part_decoder.decode(part) for part in parts.values()]
        for each in entries:
            _require_known(each.format)
        own = {each.part: bytes(each.value) for each in entries if each.source == record.state.source}
        life = read_life(own.pop(LIFE)) if LIFE in own else None
    except (ValueError, TypeError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None
    revision = record.revision if life is None else max(record.revision, life.revision)
    return msgspec.structs.replace(record, revision=revision, life=life, parts=own)


def _require_known(number: int) -> None:
    if number != FORMAT:
        raise ChangelogUnreadable(f"format {number} of the changelog is not known, only {FORMAT}")


def _entry(value: bytes) -> ChangelogEntry:
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError:
        # The starting event may be JSON that the parser refuses.
        fields = split(value)
        start = fields.pop("start", msgspec.Raw())
        entry = _decoder.decode(encode({**fields, "start": _NO_START}))
        return msgspec.structs.replace(entry, start=read_start(bytes(start)))


def entry_headers(record: Record) -> tuple[tuple[str, bytes], ...]:
    """Return the headers of the message of start and state.

    Revision; source of the StartTask of this generation; home partition; source of the event that
    made the change.
    """
    return _headers(record, record.revision, record.state_source)


def part_headers(record: Record, value: bytes, source: str) -> tuple[tuple[str, bytes], ...]:
    """Return the same headers for the message of a part, which the event at ``source`` wrote."""
    return _headers(record, read_stamp(value).revision, source)


def _headers(record: Record, revision: int, event: str) -> tuple[tuple[str, bytes], ...]:
    return (
        (REVISION, str(revision).encode()),
        (SOURCE, record.state.source.encode()),
        (HOME, str(record.state.home).encode()),
        (EVENT, event.encode()),
    )
