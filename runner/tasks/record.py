"""The record of a task: its parts, its states, and the transitions between them.

            StartTask
                │
           ┌────▼────┐  ProceedTask    ┌───────────┐
           │  OPEN   │────────────────▶│ PROCEEDED │──┐
           │         │  TimeoutTask    ┌───────────┐  │ StartTask, once the closing is
           │         │────────────────▶│ TIMED_OUT │──┤ committed: a new generation (OPEN)
           └─────────┘                 └───────────┘  │
                                   removed after its retention

A record has two parts. ``TaskStart`` is large and written once; ``TaskState`` is small and rewritten
at every transition. Redis holds both as JSON that no script ever parses.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from runner.envelope.event import Event, require_answerable, stored_event
from runner.envelope.plain import decode, encode, split
from runner.errors import PoisonError, StoreUnreadable
from runner.tasks.source import Source, parse_source


class Status(Enum):
    """The state of a task; every state but OPEN ends its generation."""

    OPEN = "OPEN"
    PROCEEDED = "PROCEEDED"
    TIMED_OUT = "TIMED_OUT"


class Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ending of a generation: which event closed it, when, and when the record may go."""

    source: str
    """Source of the event that closed it (``incarnation/partition@offset``)."""
    identity: str
    """Identity of that event: a repeat of it is answered again, not refused."""
    at_ms: int
    """Redis time of the decision, epoch ms."""
    remove_at_ms: int
    """Redis time after which the record may be removed, epoch ms."""


class TaskState(msgspec.Struct, frozen=True, omit_defaults=True, rename={"previous_identities": "earlier"}):
    """The small part: rewritten at every transition."""

    status: Status
    """OPEN, or how this generation ended."""
    home: int
    """Partition whose log decides what happens to the task."""
    source: str
    """Source of the StartTask that made this generation."""
    created_ms: int
    """Redis time of the StartTask, epoch ms."""
    deadline_ms: int | None = None
    """Epoch ms; None: never."""
    epoch: int = 0
    """Ownership changes so far; every scheduled event carries the one it was made for."""
    user: str | None = None
    """User who may proceed."""
    roles: tuple[str, ...] = ()
    """Roles of which one may proceed; no user and no roles: anyone may."""
    closing: Ending | None = None
    """How the generation ended; None while it is open."""
    previous_identities: tuple[str, ...] = ()
    """What started and closed the generations before, oldest first, in 64 bits each (older versions: 96): a
    repeat of it must not start or close this one."""


class TaskStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """The large part: written once per generation."""

    event: msgspec.Raw
    """The whole starting event."""
    data: msgspec.Raw | UnsetType = UNSET
    """inputPattern(inputElement); left out where that is the payload as it stands."""
    name: str | None = None
    """``taskName``."""
    spec: str | None = None
    """``taskSpec``."""
    action: str | None = None
    """``taskAction``."""
    headers: tuple[tuple[str, str], ...] = ()
    """traceparent and tracestate of the starting message, for the resumed event (bytes as Latin-1)."""


class TaskKey(NamedTuple):
    """The key of a record: domain and task id. Equal ids in two domains are two tasks."""

    domain: str
    id: str


class Record(msgspec.Struct, frozen=True):
    """One task as stored. ``revision`` grows by one with every change of the key."""

    key: TaskKey
    revision: int
    state: TaskState
    start: TaskStart

    @property
    def is_open(self) -> bool:
        """Whether the task is open."""
        return self.state.status is Status.OPEN

    @property
    def started_by(self) -> Source:
        """Source of the StartTask of this generation."""
        return parse_source(self.state.source)

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
    """Return the record after the event at ``source``; None if that event did not change it.

    A later event may have ended the generation since: as that is the only transition, the record before
    it follows from the record after it.
    """
    closing = record.state.closing
    if closing is not None and closing.source == source:
        return record
    if record.state.source != source:
        return None
    if closing is None:
        return record
    as_opened = msgspec.structs.replace(record.state, status=Status.OPEN, closing=None)
    return Record(record.key, record.revision - 1, as_opened, record.start)


# TypeError: a part is missing.
_UNREADABLE: Final = (ValueError, TypeError, RecursionError)
_state_decoder: Final = msgspec.json.Decoder(TaskState)
_start_decoder: Final = msgspec.json.Decoder(TaskStart)
encode_part: Final = msgspec.json.Encoder().encode
"""Either part of a record as JSON bytes."""


def read_record(key: TaskKey, revision: int, state: bytes, start: bytes) -> Record:
    """Return the record that Redis holds; both parts as ``encode_part`` wrote them.

    Raises StoreUnreadable for anything else.
    """
    try:
        return Record(key, revision, _state_decoder.decode(state), read_start(start))
    except _UNREADABLE as error:
        raise _unreadable(key, error) from None


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
