"""Repeats: a task remembers the last 64 events that started or ended it, over all its rounds.

The round at hand has its own two in the record: the starting event, and the identity in its closing.
Those of the rounds before stand in ``TaskState.previous_identities``, each in 64 bits.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

from runner.tasks.record import Record, TaskKey

REMEMBERED: Final = 64
"""So many events of a task are known again when they are repeated."""

_BYTES: Final = 8
_CHARACTERS: Final = 11
"""Of base64, without the padding."""


def is_of_earlier_round(record: Record, identity: str) -> bool:
    """Whether the event of this identity started or ended a round before the present one."""
    digests = _earlier_digests(record)
    # A record of an older version has them in full.
    return bool(digests) and (_digest(identity, record.key) in digests or identity in digests)


def after_round(record: Record) -> tuple[str, ...]:
    """Return what the round that follows this closed one has as ``previous_identities``."""
    closing = record.state.closing
    own = [record.starting_event().identity(), *([] if closing is None else [closing.identity])]
    return (*_earlier_digests(record), *(_digest(identity, record.key) for identity in own))[1 - REMEMBERED :]


def _earlier_digests(record: Record) -> tuple[str, ...]:
    """Return those of the last 64 that are not of the present round, which has one, or two in the end."""
    own = 1 if record.is_open else 2
    return record.state.previous_identities[own - REMEMBERED :]


def _digest(identity: str, key: TaskKey) -> str:
    digest = blake2b(f"{identity} {key.domain} {key.id}".encode(), digest_size=_BYTES).digest()
    return urlsafe_b64encode(digest)[:_CHARACTERS].decode()
