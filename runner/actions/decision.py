"""Decisions: the result of an action, as plain data.

An ``Outcome`` is the small part that is kept beside the record until the offset of the event is
committed. With the kept outcome a redelivered event gets its first answer, whatever later events have
changed since. Every other part of a Decision is made again from event, record and outcome (``render``).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from runner.actions.incoming import Headers
from runner.errors import StoreUnreadable
from runner.tasks.record import Record, Status


class Acknowledged(msgspec.Struct, frozen=True, tag="ack", array_like=True):
    """The StartTask is stored, now or before: reply ACK."""

    now_ms: int
    home: int
    deadline_ms: int | None


class Closed(msgspec.Struct, frozen=True, tag="closed", array_like=True):
    """The task was closed: resume its saga and, unless a timer sent the event, reply SUCCESS."""

    now_ms: int
    status: Status
    reply: bool


class Repeated(msgspec.Struct, frozen=True, tag="repeated", array_like=True):
    """Duplicate of the command that closed the task: reply SUCCESS, resume nothing."""

    now_ms: int


class Refused(msgspec.Struct, frozen=True, tag="refused", array_like=True):
    """No change: reply FAIL, or SUCCESS where the event ignores this code."""

    now_ms: int
    code: int
    message: str
    ignored: bool


class Skipped(msgspec.Struct, frozen=True, tag="skipped", array_like=True):
    """No change: reply SUCCESS; the skipPattern held, or the event closed an earlier generation."""

    now_ms: int


class Forwarded(msgspec.Struct, frozen=True, tag="forwarded", array_like=True):
    """The task has another home: send the event on to that partition, unchanged."""

    home: int


class Dropped(msgspec.Struct, frozen=True, tag="dropped", array_like=True):
    """Timer that no longer matches its task, or cannot resume it: no reply, no effect."""

    reason: str = ""
    """Reason why the task could not be timed out; empty where the timer was stale."""


Outcome: TypeAlias = Acknowledged | Closed | Repeated | Refused | Skipped | Forwarded | Dropped

_decoder: Final = msgspec.msgpack.Decoder(Outcome)
encode_outcome: Final = msgspec.msgpack.Encoder().encode


def decode_outcome(encoded: bytes) -> Outcome:
    """Return the outcome that ``encode_outcome`` wrote. Raises StoreUnreadable for any other bytes."""
    try:
        outcome: Outcome = _decoder.decode(encoded)
    except (ValueError, RecursionError) as error:
        raise StoreUnreadable(
            f"Redis holds a decision that is none of this version: {error}; "
            "run the version that wrote it, or restore Redis"
        ) from None
    return outcome


class OutgoingMessage(msgspec.Struct, frozen=True):
    """Message to send. ``partition`` None: chosen by the hash of the key."""

    stream: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None


class Decision(msgspec.Struct, frozen=True):
    """Answer to one event: outcome, changed record, messages to send."""

    outcome: Outcome
    emits: tuple[OutgoingMessage, ...] = ()
    record: Record | None = None
    """New record; None: no change."""
    status: str = ""
    """Status word for metrics and logs: ACK, PROCEEDED, FAIL …"""
