"""Folding: what the messages about a task say as one. Pure.

The log is compacted: of each part only its last message is there for sure, and the messages of parts may
come in another order than they were written (start and state are written again at the end, ``life`` may come
before them). Within a generation a part is taken at the same or a higher revision only. A message of another
generation begins that one: whatever comes later in the partition is newer. Until start and state of a
generation were read there is nothing to show of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from runner.actions.callers import read_caller
from runner.actions.policy import DomainPolicy, Policy
from runner.actions.task_result import task_result
from runner.changelog.codec import ChangelogEntry, PartEntry, key_of, read_entry, read_part_entry, split_key
from runner.envelope.event import Event, stored_event
from runner.envelope.paths import read
from runner.envelope.plain import decode, is_well_formed
from runner.errors import ChangelogUnreadable, EventError
from runner.projection.sight import Sight
from runner.tasks.keys import TaskKey
from runner.tasks.parts import LIFE, Comment, DefinitionVersion, Life, TaskStart, TaskState
from runner.tasks.path_key import path_key
from runner.tasks.record import Record, read_life

Value: TypeAlias = str | int | float | bool
"""A value of an attribute."""

LONGEST_ATTRIBUTE: Final = 500
"""Characters of a text that is kept as an attribute; a longer one is left out."""

_COMMENT: Final = "comment/"
_VERSION: Final = "version/"
_NO_EVENT: Final = msgspec.Raw(b"{}")
_NO_POLICY: Final = DomainPolicy()
"""Of a domain that is configured no more."""
_LARGEST_WHOLE: Final = 2**53


class TaskMessage(NamedTuple):
    """A message of the changelog, as it was read from its partition."""

    offset: int
    timestamp_ms: int
    key: TaskKey
    part: str
    """Empty: start and state."""
    value: bytes | None
    """None: a tombstone."""


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """The settings that rows depend on."""

    policy: Policy = field(default_factory=Policy)
    """Who sent a StartTask."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Name and path in the task's data of what is kept of it."""


class Folded(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """A generation of a task, as far as it was read. What follows from it is found once."""

    key: TaskKey
    source: str
    """Source of its StartTask."""
    revision: int = 0
    """The highest of its parts."""
    state_revision: int = 0
    state: TaskState | None = None
    """None: not read yet. Without the identities of earlier generations."""
    start: TaskStart | None = None
    """Without event and data."""
    life: Life | None = None
    """Without its identities."""
    commented: tuple[str, ...] = ()
    """Users who commented."""
    starter: str | None = None
    """User who sent the StartTask."""
    attributes: dict[str, Value] = {}

    @cached_property
    def record(self) -> Record | None:
        """The record, but for what rows do not need; None: there is nothing to show yet."""
        if self.state is None or self.start is None:
            return None
        return Record(self.key, self.revision, self.state, self.start, self.life)

    @property
    def version(self) -> str:
        """Version as replies give it, ``revision;source``."""
        return f"{self.revision};{self.source}"

    @property
    def is_finished(self) -> bool:
        """Whether it can be shown, and has ended."""
        return self.state is not None and self.state.closing is not None

    @cached_property
    def sight(self) -> Sight | None:
        """What says who sees it; None: there is nothing to show yet."""
        record = self.record
        if record is None:
            return None
        ownership, closing = record.ownership, record.state.closing
        decided = () if closing is None or closing.by is None else (closing.by,)
        return Sight(
            domain=self.key.domain,
            owner=ownership.owner,
            user=ownership.user,
            roles=ownership.roles,
            took_part=tuple(dict.fromkeys((*self.commented, *decided))),
            starter=self.starter,
        )

    @cached_property
    def row(self) -> dict[str, Any] | None:
        """The task as lists show it; None: there is nothing to show yet. Moments are epoch ms."""
        record = self.record
        if record is None:
            return None
        closing, life = record.state.closing, record.life
        return {
            "key": path_key(self.key.id),
            "domain": self.key.domain,
            "id": self.key.id,
            **task_result(record),
            "finishedOn": None if closing is None else closing.at_ms,
            "finishedBy": None if closing is None else closing.by,
            "outcome": None if closing is None else closing.outcome,
            "hasDraft": life is not None and life.has_draft,
            "attributes": self.attributes,
        }


encode_folded: Final = msgspec.json.Encoder().encode
decode_folded: Final = msgspec.json.Decoder(Folded).decode
_read_comment: Final = msgspec.json.Decoder(Comment).decode
_read_version: Final = msgspec.json.Decoder(DefinitionVersion).decode


def read_message(offset: int, timestamp_ms: int, key: bytes, value: bytes | None) -> TaskMessage:
    """Return a message with its key taken apart. Raises ChangelogUnreadable for a key of nobody's."""
    task, part = split_key(key)
    try:
        return TaskMessage(offset, timestamp_ms, key_of(task), part, value)
    except UnicodeDecodeError as error:
        raise ChangelogUnreadable(f"not a key of the changelog: {error}") from None


def fold(folded: Folded | None, message: TaskMessage, settings: FoldSettings) -> Folded | None:
    """Return a task after a message about it; None: there is none, or nothing of it was read.

    The same task where the message says nothing new. Raises ChangelogUnreadable for a message of nobody's.
    """
    part = message.part
    if message.value is None:
        return _after_tombstone(folded, part)
    if part == "":
        return _with_state(folded, read_entry(message.value), settings)
    if part == LIFE:
        return _with_life(folded, message.key, read_part_entry(message.value))
    if part.startswith(_COMMENT):
        return _with_comment(folded, message.key, read_part_entry(message.value))
    return folded


def definition_version(message: TaskMessage) -> DefinitionVersion | None:
    """Return the version of a definition that a message tells of; None where it tells of none."""
    if message.value is None or not message.part.startswith(_VERSION):
        return None
    try:
        return _read_version(read_part_entry(message.value).value)
    except (ValueError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None


def version_number(part: str) -> int | None:
    """Return the number of the version that a part is; None for other parts."""
    number = part.removeprefix(_VERSION)
    return int(number) if number != part and number.isdecimal() else None


def folded_record(record: Record, settings: FoldSettings) -> Folded:
    """Return what the messages of a record fold to; who commented as far as that was read with it."""
    state, key = record.state, record.key
    authors = {_read_comment(part).by for name, part in record.parts.items() if name.startswith(_COMMENT)}
    own = Folded(key, state.source, record.revision, state=state, life=record.life)
    opened = _opened(own, record.start, settings)
    return msgspec.structs.replace(opened, commented=tuple(sorted(authors)))


def _after_tombstone(folded: Folded | None, part: str) -> Folded | None:
    """Return what is left of a task.

    Life and comments go with their record only: of a task that is shown their tombstones say nothing. What
    was read of them alone, without start and state, is of a record that was removed before.
    """
    if part == "" or folded is None:
        return None
    is_hidden = folded.state is None
    return None if is_hidden and (part == LIFE or part.startswith(_COMMENT)) else folded


def _with_state(folded: Folded | None, entry: ChangelogEntry, settings: FoldSettings) -> Folded:
    state, key = entry.state, TaskKey(entry.domain, entry.id)
    own = folded if folded is not None and folded.source == state.source else None
    if own is not None and entry.revision < own.state_revision:
        return own
    if own is None or own.state is None:
        own = _opened(own or Folded(key, state.source), entry.start, settings)
    kept = msgspec.structs.replace(state, previous_identities=())
    if kept == own.state and entry.revision == own.state_revision:
        return own
    revision = max(own.revision, entry.revision)
    return msgspec.structs.replace(own, revision=revision, state_revision=entry.revision, state=kept)


def _opened(own: Folded, start: TaskStart, settings: FoldSettings) -> Folded:
    """Return a generation with what its StartTask said, which never changes."""
    policy = settings.policy
    domain = policy.domains.get(own.key.domain, _NO_POLICY)
    try:
        event = stored_event(bytes(start.event))
        attributes = _attributes(start, event, settings.attributes) if settings.attributes else {}
    except (ValueError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None
    kept = msgspec.structs.replace(
        start, event=_NO_EVENT, data=msgspec.UNSET, notes=None, hooks=(), headers=()
    )
    starter = _starter(event, policy, domain)
    return msgspec.structs.replace(own, start=kept, starter=starter, attributes=attributes)


def _starter(event: Event, policy: Policy, domain: DomainPolicy) -> str | None:
    try:
        return read_caller(event, policy, domain).user
    except EventError:
        return None


def _attributes(start: TaskStart, event: Event, paths: Mapping[str, str]) -> dict[str, Value]:
    found = {}
    for name, path in paths.items():
        with suppress(EventError):
            payload = event.payload
            data = decode(start.data) if isinstance(start.data, msgspec.Raw) else payload
            value = _kept(read(path, node=data, payload=payload, event=event.whole))
            if value is not None:
                found[name] = value
    return found


def _kept(value: Any) -> Value | None:
    """Return a value that can be filtered and ordered by; None for any other."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONGEST_ATTRIBUTE and is_well_formed(value) else None
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_WHOLE else None
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return None


def _with_life(folded: Folded | None, key: TaskKey, entry: PartEntry) -> Folded:
    own = _generation(folded, key, entry)
    try:
        life = read_life(entry.value)
    except (ValueError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None
    kept = msgspec.structs.replace(life, identities=(), hooks=())
    if own.life is not None and (life.revision < own.life.revision or kept == own.life):
        return own
    return msgspec.structs.replace(own, revision=max(own.revision, life.revision), life=kept)


def _with_comment(folded: Folded | None, key: TaskKey, entry: PartEntry) -> Folded:
    own = _generation(folded, key, entry)
    try:
        author = _read_comment(entry.value).by
    except (ValueError, RecursionError) as error:
        raise ChangelogUnreadable(f"not a message of the changelog: {error}") from None
    if author in own.commented:
        return own
    return msgspec.structs.replace(own, commented=tuple(sorted((*own.commented, author))))


def _generation(folded: Folded | None, key: TaskKey, entry: PartEntry) -> Folded:
    """Return what was read of the generation of a part."""
    return folded if folded is not None and folded.source == entry.source else Folded(key, entry.source)
