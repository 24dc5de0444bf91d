"""The record of a task: its parts, read together, and what they say as one.

Redis holds each part as JSON that no script ever parses. The record has the highest revision of its parts.
The states and what leads from one to another are the table of verbs (``actions/registry.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from runner.envelope.event import Event, require_answerable, stored_event
from runner.envelope.plain import decode, encode, split
from runner.errors import PoisonError, StoreUnreadable
from runner.tasks.keys import TaskKey
from runner.tasks.parts import (
    DRAFT,
    FIRST_KEPT,
    LAST_KEPT,
    LIFE,
    NO_PARTS,
    NOTES,
    Comment,
    DefinitionVersion,
    Ending,
    HistoryEntry,
    Life,
    Notes,
    Part,
    SavedDraft,
    Status,
    TaskDetails,
    TaskOwnership,
    TaskStart,
    TaskState,
    comment_part,
    encode_part,
    history_part,
    version_part,
)
from runner.tasks.source import Source, parse_source


class Record(msgspec.Struct, frozen=True):
    """One task as stored. ``revision`` grows by one with every change of the key."""

    key: TaskKey
    revision: int
    state: TaskState
    start: TaskStart
    life: Life | None = None
    """What verbs have done since the start; None: nothing, a plain task."""
    parts: Mapping[str, bytes] = {}
    """Other parts by name, as stored: those that were read with the record."""

    @property
    def is_open(self) -> bool:
        return self.state.closing is None

    @property
    def started_by(self) -> Source:
        """Source of the StartTask of this generation."""
        return parse_source(self.state.source)

    @property
    def state_source(self) -> str:
        """Source of the event that wrote the state."""
        return self.state.source if self.state.closing is None else self.state.closing.source

    @property
    def last_source(self) -> str:
        """Source of the event that changed the record last."""
        life = self.life
        return life.source if life is not None and life.revision == self.revision else self.state_source

    @property
    def ownership(self) -> TaskOwnership:
        """Whose the task is: as verbs have left it, or as its StartTask says."""
        if self.life is not None and self.life.ownership is not None:
            return self.life.ownership
        return TaskOwnership(self.state.user, self.state.roles, self.state.user)

    @property
    def deadline_ms(self) -> int | None:
        """Epoch ms, as verbs have left it, or as its StartTask says; None: never."""
        if self.life is not None and self.life.deadline_ms is not UNSET:
            return self.life.deadline_ms
        return self.state.deadline_ms

    @property
    def details(self) -> TaskDetails:
        """What people order the task by: as verbs have left it, or as its StartTask says."""
        changed = None if self.life is None else self.life.details
        return changed or self.start.details or _NO_DETAILS

    @property
    def is_plain(self) -> bool:
        """Whether the task has no definition, and nobody did anything to it between its start and its end.

        What came after the end (a comment) does not count: an end that is told again must be told the same.
        """
        if self.start.spec_version is not None:
            return False
        closing = self.state.closing
        return self.life is None or (closing is not None and closing.revision is None)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of all parts beside start, state and life, whether or not they were read."""
        life = self.life
        if life is None:
            return ()
        single = ((DRAFT, life.has_draft), (NOTES, life.has_notes))
        return (
            *self.entry_names,
            *map(comment_part, range(1, 1 + life.comments)),
            *(name for name, is_there in single if is_there),
            *map(version_part, range(life.versions)),
        )

    @property
    def entry_names(self) -> tuple[str, ...]:
        """Names of the parts of the stored history entries, oldest first."""
        count = 0 if self.life is None else self.life.history
        kept = (n for n in range(1, count + 1) if n <= FIRST_KEPT or n > count - LAST_KEPT)
        return tuple(map(history_part, kept))

    @property
    def all_parts(self) -> Mapping[str, bytes]:
        """Life and the parts that were read with the record, as stored."""
        return self.parts if self.life is None else {LIFE: encode_part(self.life), **self.parts}

    def starting_event(self) -> Event:
        """Return the stored starting event. Raises StoreUnreadable where it cannot be read."""
        try:
            event = stored_event(bytes(self.start.event))
            require_answerable(event)
        except (*_UNREADABLE, PoisonError) as error:
            raise _unreadable(self.key, error) from None
        return event

    def data(self, started: Event) -> Any:
        """Return the stored data as plain JSON values; ``started`` is the starting event."""
        if not isinstance(self.start.data, msgspec.Raw):
            return started.payload
        try:
            return decode(self.start.data)
        except _UNREADABLE as error:
            raise _unreadable(self.key, error) from None


def record_after(record: Record, source: str) -> Record | None:
    """Return start and state as the event at ``source`` wrote them; None if that event wrote neither.

    A later event may have ended the generation since: as only these two write the state, the state before the
    end follows from the one after it. What a verb wrote is in its kept decision alone.
    """
    state, closing = record.state, record.state.closing
    if closing is not None and closing.source == source:
        return Record(record.key, ended_at(record, closing), state, record.start)
    if state.source != source:
        return None
    as_opened = msgspec.structs.replace(state, status=Status.OPEN, closing=None)
    return Record(record.key, opened_at(record), as_opened if closing else state, record.start)


def opened_at(record: Record) -> int:
    """Return the revision of the StartTask of this generation."""
    if record.life is not None:
        return record.life.opened
    return record.revision if record.is_open else record.revision - 1


def ended_at(record: Record, closing: Ending) -> int:
    """Return the revision of the end of this generation."""
    return opened_at(record) + 1 if closing.revision is None else closing.revision


# TypeError: a part is missing.
_UNREADABLE: Final = (ValueError, TypeError, RecursionError)
_state_decoder: Final = msgspec.json.Decoder(TaskState)
_start_decoder: Final = msgspec.json.Decoder(TaskStart)
read_life: Final = msgspec.json.Decoder(Life).decode
"""The part ``life`` as ``encode_part`` wrote it; ValueError or RecursionError for anything else."""
_NO_DETAILS: Final = TaskDetails()
_decoders: Final[Mapping[type[Part], msgspec.json.Decoder[Any]]] = {
    struct: msgspec.json.Decoder(struct)
    for struct in (Comment, HistoryEntry, SavedDraft, Notes, DefinitionVersion)
}


def read_record(
    key: TaskKey,
    revision: int,
    state: bytes,
    start: bytes,
    life: bytes | None = None,
    parts: Mapping[str, bytes] = NO_PARTS,
) -> Record:
    """Return the record that Redis holds; its parts as ``encode_part`` wrote them.

    Raises StoreUnreadable for anything else.
    """
    try:
        lived = None if life is None else read_life(life)
        return Record(key, revision, _state_decoder.decode(state), read_start(start), lived, parts)
    except _UNREADABLE as error:
        raise _unreadable(key, error) from None


_Part = TypeVar("_Part", Comment, HistoryEntry, SavedDraft, Notes, DefinitionVersion)


def read_part(record: Record, name: str, struct: type[_Part]) -> _Part | None:
    """Return a part that was read with the record; None where there is none.

    Raises StoreUnreadable where it is no such part.
    """
    encoded = record.parts.get(name)
    try:
        part: _Part | None = None if encoded is None else _decoders[struct].decode(encoded)
    except _UNREADABLE as error:
        raise _unreadable(record.key, error) from None
    return part


def read_start(text: bytes) -> TaskStart:
    """Return the large part of a record; ValueError, TypeError or RecursionError for anything else."""
    try:
        return _start_decoder.decode(text)
    except msgspec.DecodeError:
        # Event and data may be JSON that the parser refuses.
        fields = split(text)
        raw = {name: fields.pop(name) for name in ("event", "data") if name in fields}
        start = _start_decoder.decode(encode({**fields, "event": None}))
        return msgspec.structs.replace(start, **raw)


def _unreadable(key: TaskKey, error: Exception) -> StoreUnreadable:
    return StoreUnreadable(
        f"Redis holds no record of this version under task {key.id[:100]!r} of domain {key.domain!r}: "
        f"{error}; run the version that wrote it, or restore Redis"
    )
