"""Repeats: a task remembers the last 64 events that started or ended it, over all its generations.

Of the present generation the record has the starting event and, in its closing, the identity of the last.
The identities of earlier generations are in ``TaskState.previous_identities``, 64 bits each.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

from runner.tasks.record import Record, TaskKey

REMEMBERED: Final = 64
"""Number of events of a task that are recognised when they are repeated."""

_BYTES: Final = 8
_CHARACTERS: Final = 11
"""Length of an identity in base64, without the padding."""


def is_of_earlier_round(record: Record, identity: str) -> bool:
    """Whether the event of this identity started or ended an earlier generation."""
    digests = _earlier_digests(record)
    # A record of an older version has full identities.
    return bool(digests) and (_digest(identity, record.key) in digests or identity in digests)


def after_round(record: Record) -> tuple[str, ...]:
    """Return ``previous_identities`` of the generation that follows this closed one."""
    closing = record.state.closing
    own = [record.starting_event().identity(), *([] if closing is None else [closing.identity])]
    return (*_earlier_digests(record), *(_digest(identity, record.key) for identity in own))[1 - REMEMBERED :]


def _earlier_digests(record: Record) -> tuple[str, ...]:
    """Return the earlier identities among the last 64; the present generation has one, or two once closed."""
    own = 1 if record.is_open else 2
    return record.state.previous_identities[own - REMEMBERED :]


def _digest(identity: str, key: TaskKey) -> str:
    digest = blake2b(f"{identity} {key.domain} {key.id}".encode(), digest_size=_BYTES).digest()
    return urlsafe_b64encode(digest)[:_CHARACTERS].decode()
