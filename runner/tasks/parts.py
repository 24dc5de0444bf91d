"""The parts of a record, as Redis and the changelog have them: each is JSON of its own.

``TaskStart`` is large and written once; ``TaskState`` is small and written by what starts or ends the task.
The first verb of a person adds ``Life``, which every verb rewrites, and each verb may add parts of its own
(``comment/1``, ``history/1``). A part has the revision at which it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

encode_part: Final = msgspec.json.Encoder().encode
"""Any part of a record as JSON bytes."""


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
    """User id of who ended the task; None: nobody is named, or the task is for anyone and nobody asked."""
    reason: str | None = None
    """Why the task was cancelled."""
    outcome: str | None = None
    """Which of the named answers of its definition the task was given."""
    on_behalf_of: str | None = None
    """User id of the firm owner, where another finished the task."""


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


DEFAULT_PRIORITY: Final = 50
"""Priority of a task whose StartTask names none, of 0 to 100."""


class TaskDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people order their tasks by; it changes nothing of what the runner does."""

    due_on: int | None = None
    """By when it should be done, epoch ms."""
    follow_up_on: int | None = None
    """When somebody means to look at it again, epoch ms."""
    priority: int = DEFAULT_PRIORITY
    """0 to 100."""


class Hook(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is done to a task by itself while it is open."""

    on: str
    """``arrival`` or ``assignment``: what ``after`` counts from."""
    after: int
    """Milliseconds."""
    do: str
    """``remind``, ``reassign``, ``release``, ``cancel`` or ``timeout``."""
    user: str | None = None
    """Of ``reassign``: who gets the task; None: that stays."""
    roles: tuple[str, ...] = ()
    """Of ``reassign``: which roles get it; none: they stay."""
    repeat_every: int | None = None
    """Of ``remind``: milliseconds from one to the next."""
    times: int = 1
    """Of ``remind``: how often, at most."""


class HookDone(msgspec.Struct, frozen=True):
    """What was done of a hook."""

    place: int
    """Its place in the list, from 0 on."""
    times: int
    """How often, missed repeats included."""
    at: int
    """When last, epoch ms."""


class TaskStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """The large part: written once per generation."""

    event: msgspec.Raw
    """The whole starting event; an empty object in a definition, which no saga has started."""
    data: msgspec.Raw | UnsetType = UNSET
    """inputPattern(inputElement); left out where that is the payload as it stands."""
    name: str | None = None
    """``taskName``."""
    spec: str | None = None
    """``taskSpec``."""
    action: str | None = None
    """``taskAction``."""
    spec_version: int | None = None
    """Version of the definition of ``taskSpec`` that the task is pinned to; None: it has none."""
    details: TaskDetails | None = None
    """None: the defaults."""
    notes: str | None = None
    """``notes``."""
    hooks: tuple[Hook, ...] = ()
    """``hooks``."""
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
    deadline_ms: int | UnsetType | None = UNSET
    """Epoch ms; null: never; left out: as the StartTask says."""
    details: TaskDetails | None = None
    """None: as the StartTask says."""
    has_draft: bool = False
    """Whether there is a part ``draft``."""
    has_notes: bool = False
    """Whether there is a part ``notes``, which replaces those of the StartTask."""
    number: int = 0
    """Rises with every change of owner or deadline and every hook done: what was sent before does nothing."""
    owner_since: int | None = None
    """When the present owner came, epoch ms; None: with the StartTask."""
    hooks: tuple[HookDone, ...] = ()
    """What was done of hooks, for the present owner where they count from an assignment."""
    level: int = 0
    """Levels of the chain of escalation that were reached."""
    versions: int = 0
    """Of a definition, its versions so far; each is a part ``version/<number>``, from 0 on."""


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
    data: msgspec.Raw | UnsetType = UNSET
    """What was changed, such as the id of the comment: a JSON object."""
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


class SavedDraft(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answers that somebody has begun to give: what was saved so far, merged."""

    revision: int
    """Revision at which this was written."""
    source: str
    """Source of the event that wrote this."""
    data: msgspec.Raw
    """A JSON object."""


class Notes(msgspec.Struct, frozen=True, omit_defaults=True):
    """The notes on a task since a verb has changed them."""

    revision: int
    """Revision at which this was written."""
    source: str
    """Source of the event that wrote this."""
    text: str | None = None
    """None: there are none any more."""


class DefinitionVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of the definition of a ``taskSpec``; written once."""

    revision: int
    """Revision at which this was written."""
    source: str
    """Source of the DefineTask that wrote this."""
    number: int
    """From 0 on."""
    at: int
    """Redis time of the decision, epoch ms."""
    definition: msgspec.Raw
    """``description``, ``schema``, ``uiOrder``, ``uiWidgets`` and ``outcomes`` as sent, where they were."""
    by: str | None = None
    """User id of who defined it."""


LIFE: Final = "life"
DRAFT: Final = "draft"
NOTES: Final = "notes"
HISTORY: Final = "history/"
"""What the name of the part of a history entry begins with; its number follows."""
Part: TypeAlias = Life | HistoryEntry | Comment | SavedDraft | Notes | DefinitionVersion
"""A part of a record beside start and state."""

NO_PARTS: Final[Mapping[str, bytes]] = {}
"""None; never changed."""

FIRST_KEPT: Final = 20
LAST_KEPT: Final = 180
"""History entries that stay: the first and the newest; a long history costs what a short one does."""


def history_part(number: int) -> str:
    """Return the name of the part of a history entry."""
    return f"{HISTORY}{number}"


def comment_part(number: int) -> str:
    """Return the name of the part of a comment."""
    return f"comment/{number}"


def version_part(number: int) -> str:
    """Return the name of the part of a version of a definition."""
    return f"version/{number}"
