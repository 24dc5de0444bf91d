"""The record of a task: its parts and its states.

A record grows by parts. ``TaskStart`` is large and written once; ``TaskState`` is small and written by what
starts or ends the task. The first verb of a person adds ``Life``, which every verb rewrites, and each verb
may add parts of its own (``comment/1``, ``history/1``). A part has the revision at which it was written; the
record has the highest. Redis holds each part as JSON that no script ever parses. The states and what leads
from one to another are the table of verbs (``actions/registry.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

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
    CANCELLED = "CANCELLED"

    # A member is one object; the hash of Enum is a call of Python, some of them an event.
    __hash__ = object.__hash__


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
    revision: int | None = None
    """Revision of the end, where verbs came before it; None: it follows that of the start."""
    by: str | None = None
    """Who cancelled the task; None: it was not cancelled, or nobody was named."""
    reason: str | None = None
    """Why the task was cancelled."""


class TaskState(msgspec.Struct, frozen=True, omit_defaults=True, rename={"previous_identities": "earlier"}):
    """The small part: written at the start of a generation and at its end, by no verb between them."""

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
    """The epoch that every scheduled event carries; 0 as yet: ``Life`` counts the changes of owner."""
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


class TaskOwnership(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose a task is: who may take it, and who has it."""

    user: str | None = None
    """Preferred user, who may take the task beside its roles."""
    roles: tuple[str, ...] = ()
    """Roles whose holders may take it; no user and no roles: anyone may."""
    owner: str | None = None
    """Who has it; None: nobody yet."""
    is_firm: bool = False
    """Whether the owner has claimed it, or was assigned: then it is not for others to finish."""


class Life(msgspec.Struct, frozen=True, omit_defaults=True):
    """What verbs have done to a task since its start; no plain task has it. Rewritten by every verb."""

    revision: int
    """Revision at which this was written."""
    opened: int
    """Revision of the StartTask."""
    source: str
    """Source of the event that wrote this."""
    identities: tuple[str, ...] = ()
    """The verbs of this generation, oldest first, in 64 bits each: a repeat is answered again."""
    history: int = 0
    """History entries so far; each is a part ``history/<number>``, from 1 on."""
    comments: int = 0
    """Ids given to comments so far; each is a part ``comment/<id>``, from 1 on."""
    deleted_comments: int = 0
    """How many of them were deleted."""
    ownership: TaskOwnership | None = None
    """Whose the task is since a verb has said so; None: as its StartTask says."""
    epoch: int = 0
    """How often the owner has become another person."""
    last_owner: str | None = None
    """Who had the task last, by a verb; None: whom the StartTask named."""


class HistoryEntry(msgspec.Struct, frozen=True, omit_defaults=True, rename={"was": "from", "now": "to"}):
    """One change of a task: who did what, and when."""

    revision: int
    """Revision at which this was written."""
    at: int
    """Redis time of the decision, epoch ms."""
    event: str
    """commented, comment_edited, comment_deleted …"""
    source: str
    """Source of the event that made the change."""
    actor: str | None = None
    """User id; None where nobody is named."""
    data: dict[str, Any] | None = None
    """What was changed, such as the id of the comment."""
    was: dict[str, Any] | None = None
    """User and roles before, where the change is about them."""
    now: dict[str, Any] | None = None
    """User and roles after."""


class Comment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A comment on a task."""

    revision: int
    """Revision at which this was written last."""
    id: int
    """Number of the comment in its round, from 1 on."""
    source: str
    """Source of the event that wrote it last."""
    by: str
    """User id of the author, who alone may edit or delete it."""
    at: int
    """When it was written first, epoch ms."""
    text: str | None = None
    """None: deleted."""
    edited_at: int | None = None
    """When it was edited last, epoch ms; None: never."""


LIFE: Final = "life"
Part: TypeAlias = Life | HistoryEntry | Comment
"""A part of a record beside start and state."""

NO_PARTS: Final[Mapping[str, bytes]] = {}
"""None; never changed."""

FIRST_KEPT: Final = 20
LAST_KEPT: Final = 180
"""History entries that stay: the first and the newest; a long history costs what a short one does."""


def history_part(number: int) -> str:
    """Return the name of the part of a history entry."""
    return f"history/{number}"


def comment_part(number: int) -> str:
    """Return the name of the part of a comment."""
    return f"comment/{number}"


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
    def part_names(self) -> tuple[str, ...]:
        """Names of all parts beside start, state and life, whether or not they were read."""
        comments = range(1, 1 + (0 if self.life is None else self.life.comments))
        return (*self.entry_names, *map(comment_part, comments))

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
_comment_decoder: Final = msgspec.json.Decoder(Comment)
_entry_decoder: Final = msgspec.json.Decoder(HistoryEntry)
encode_part: Final = msgspec.json.Encoder().encode
"""Any part of a record as JSON bytes."""


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


def read_comment(record: Record, number: int) -> Comment | None:
    """Return a comment that was read with the record; None where there is none."""
    encoded = record.parts.get(comment_part(number))
    try:
        return None if encoded is None else _comment_decoder.decode(encoded)
    except _UNREADABLE as error:
        raise _unreadable(record.key, error) from None


def read_entry(record: Record, name: str) -> HistoryEntry:
    """Return a history entry that was read with the record, by the name of its part."""
    try:
        return _entry_decoder.decode(record.parts[name])
    except _UNREADABLE as error:
        raise _unreadable(record.key, error) from None


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
