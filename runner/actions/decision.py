"""Decisions: the result of an action, as plain data.

An ``Outcome`` is the small part that is kept beside the record until the offset of the event is
committed. With the kept outcome a redelivered event gets its first answer, whatever later events have
changed since. Messages are made again from event, record and outcome (``render``); what a verb wrote is in
the outcome itself, since later verbs write the same parts.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from runner.actions.incoming import Headers
from runner.errors import StoreUnreadable
from runner.tasks.parts import Status
from runner.tasks.record import Record

ACK: Final = "ACK"
SUCCESS: Final = "SUCCESS"
FAIL: Final = "FAIL"
TIMEOUT: Final = "TIMEOUT"


class Notification(msgspec.Struct, frozen=True, array_like=True):
    """A change that people have to hear of."""

    event: str
    """Name of the change, as in the history: created, assigned, reminded …"""
    data: dict[str, Any]
    """``task``, ``actor``, ``recipients`` (user and roles) and, of a reminder, ``count``."""


class Done(msgspec.Struct, frozen=True, tag="done", array_like=True):
    """The event has its effect, now or by an earlier repeat of it, or needs none."""

    now_ms: int
    reply: str | None = SUCCESS
    """Status of the reply; None: nobody waits for one."""
    resumed: Status | None = None
    """How the task ended with this event: its saga is resumed."""
    has_output: bool = False
    """Whether the payload of the reply gets the stored data."""
    result: dict[str, Any] | None = None
    """What the reply's ``result`` has beside status and times; its ``task`` without id and domain."""
    written: dict[str, bytes | None] | None = None
    """Parts of the record beside start and state that this event wrote, as it wrote them; None: removed."""
    answers: bytes | None = None
    """Draft and answers as one, as JSON, where there was a draft; None: the value at enrichPath."""
    whole: bytes | None = None
    """What ``result.task`` has besides, as a JSON object: the data of senders keeps its digits so."""
    told: tuple[Notification, ...] = ()
    """What people have to hear of it."""


class Refused(msgspec.Struct, frozen=True, tag="refused", array_like=True):
    """No change: reply FAIL, or SUCCESS where the event ignores this code."""

    now_ms: int
    code: int
    message: str
    ignored: bool
    violations: tuple[dict[str, str], ...] = ()
    """What is wrong with answers: pointer, rule and message of each."""


class Forwarded(msgspec.Struct, frozen=True, tag="forwarded", array_like=True):
    """The task has another home: send the event on to that partition, unchanged."""

    home: int


class Dropped(msgspec.Struct, frozen=True, tag="dropped", array_like=True):
    """Timer that no longer matches its task, or cannot resume it: no reply, no effect."""

    reason: str = ""
    """Reason why the task could not be timed out; empty where the timer was stale."""


Outcome: TypeAlias = Done | Refused | Forwarded | Dropped

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
    messages: tuple[OutgoingMessage, ...] = ()
    record: Record | None = None
    """New record; None: no change."""
    status: str = ""
    """Status word for metrics and logs: ACK, PROCEEDED, FAIL …"""

    @property
    def written(self) -> dict[str, bytes | None]:
        """Parts of the record beside start and state that the event wrote; None: removed."""
        outcome = self.outcome
        return (outcome.written or {}) if isinstance(outcome, Done) else {}
