"""Repeats: a task remembers the last 64 events that started, changed or ended it, over all its rounds.

Of the present generation the record has the starting event, in its closing the identity of the last, and in
its life those of the verbs. The identities of earlier generations are in ``TaskState.previous_identities``.
Those of verbs and earlier generations have 64 bits each.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

from runner.tasks.keys import TaskKey
from runner.tasks.record import Record

REMEMBERED: Final = 64
"""Number of events of a task that are recognised when they are repeated."""

DRAFTS_REMEMBERED: Final = 8
"""Number of saved drafts of one person among them."""

_SAVED: Final = "~"
"""Between the identity of a saved draft and who saved it."""

_MARK_CHARACTERS: Final = 4

_BYTES: Final = 8
_CHARACTERS: Final = 11
"""Length of an identity in base64, without the padding."""


def is_of_earlier_round(record: Record, identity: str) -> bool:
    """Whether the event of this identity started, changed or ended an earlier generation."""
    digests = _earlier_digests(record)
    # A record of an older version has full identities.
    return bool(digests) and (_digest(identity, record.key) in digests or identity in digests)


def is_verb_of_round(record: Record, identity: str) -> bool:
    """Whether the event of this identity is a verb of the present generation."""
    if record.life is None:
        return False
    digest = _digest(identity, record.key)
    return any(each.startswith(digest) for each in record.life.identities)


def after_verb(record: Record, identity: str, saved_by: str | None = None) -> tuple[str, ...]:
    """Return ``Life.identities`` after one more verb.

    ``saved_by``: who saved a draft with it. A form that saves by itself must not push out what others have
    sent, so of one person's only the last ``DRAFTS_REMEMBERED`` stay.
    """
    before = () if record.life is None else record.life.identities
    digest = _digest(identity, record.key)
    if saved_by is not None:
        mark = _SAVED + _digest(saved_by, record.key)[:_MARK_CHARACTERS]
        own = [each for each in before if each.endswith(mark)]
        if len(own) >= DRAFTS_REMEMBERED:
            before = tuple(each for each in before if each != own[0])
        digest += mark
    return (*before, digest)[-_room(record) :]


def after_round(record: Record) -> tuple[str, ...]:
    """Return ``previous_identities`` of the generation that follows this closed one, in their order."""
    closing, life = record.state.closing, record.life
    started = _digest(record.starting_event().identity(), record.key)
    ended = () if closing is None else (_digest(closing.identity, record.key),)
    verbs = () if life is None else [each[:_CHARACTERS] for each in life.identities]
    return (*_earlier_digests(record), started, *verbs, *ended)[1 - REMEMBERED :]


def _earlier_digests(record: Record) -> tuple[str, ...]:
    """Return the earlier identities among the last 64; those of the present generation come first."""
    verbs = 0 if record.life is None else len(record.life.identities)
    room = _room(record) - verbs
    return record.state.previous_identities[-room:] if room > 0 else ()


def _room(record: Record) -> int:
    """Return how many identities are remembered beside those of the start and, once closed, of the end."""
    return REMEMBERED - (1 if record.is_open else 2)


def _digest(identity: str, key: TaskKey) -> str:
    digest = blake2b(f"{identity} {key.domain} {key.id}".encode(), digest_size=_BYTES).digest()
    return urlsafe_b64encode(digest)[:_CHARACTERS].decode()
