"""What an action says: a Decision, which is data.

An ``Outcome`` is the small part that is kept beside the record until the offset of the event is
committed: with it, a redelivered event is answered again from the same record, whatever later
events have done since. Everything else in a Decision can be made again from event, record and
outcome (``render``).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from runner.actions.incoming import Headers
from runner.errors import StoreUnreadable
from runner.tasks.record import Record, Status


class Acknowledged(msgspec.Struct, frozen=True, tag="ack", array_like=True):
    """StartTask was stored, or had been: reply ACK."""

    now_ms: int
    home: int
    deadline_ms: int | None


class Closed(msgspec.Struct, frozen=True, tag="closed", array_like=True):
    """The task was closed: resume its saga and, unless the timer asked, reply SUCCESS."""

    now_ms: int
    status: Status
    reply: bool


class Repeated(msgspec.Struct, frozen=True, tag="repeated", array_like=True):
    """The command that closed the task came once more: reply SUCCESS, resume nothing."""

    now_ms: int


class Refused(msgspec.Struct, frozen=True, tag="refused", array_like=True):
    """Nothing was changed: reply FAIL, or SUCCESS where the event ignores this code."""

    now_ms: int
    code: int
    message: str
    ignored: bool


class Skipped(msgspec.Struct, frozen=True, tag="skipped", array_like=True):
    """Reply SUCCESS without acting: the event's skipPattern held, or it closed an earlier generation."""

    now_ms: int


class Forwarded(msgspec.Struct, frozen=True, tag="forwarded", array_like=True):
    """The task lives elsewhere: send the event on to its home partition, unchanged."""

    home: int


class Dropped(msgspec.Struct, frozen=True, tag="dropped", array_like=True):
    """A timer that no longer matches its task, or could not resume it: no reply, no effect."""

    reason: str = ""
    """Why the task could not be timed out; empty where there was nothing left to do."""


Outcome: TypeAlias = Acknowledged | Closed | Repeated | Refused | Skipped | Forwarded | Dropped

_decoder: Final = msgspec.msgpack.Decoder(Outcome)
encode_outcome: Final = msgspec.msgpack.Encoder().encode


def decode_outcome(kept: bytes) -> Outcome:
    """Return the outcome that ``encode_outcome`` wrote. Raises StoreUnreadable for anything else."""
    try:
        outcome: Outcome = _decoder.decode(kept)
    except (ValueError, RecursionError) as error:
        raise StoreUnreadable(
            f"Redis holds a decision that is none of this version: {error}; "
            "run the version that wrote it, or restore Redis"
        ) from None
    return outcome


class OutgoingMessage(msgspec.Struct, frozen=True):
    """One message to send. ``partition`` None: chosen by the hash of the key."""

    stream: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None


class Decision(msgspec.Struct, frozen=True):
    """The answer to one event: outcome, the record if it changed, the messages to send."""

    outcome: Outcome
    emits: tuple[OutgoingMessage, ...] = ()
    record: Record | None = None
    """The new record; None if nothing changed."""
    status: str = ""
    """Status word for metrics and logs: ACK, PROCEEDED, FAIL …"""
