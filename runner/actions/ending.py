"""The end of a task: an open record is closed, once, by ProceedTask or TimeoutTask."""

from __future__ import annotations

import msgspec

from runner.actions.decision import SUCCESS, Done
from runner.actions.incoming import Incoming
from runner.actions.policy import DomainPolicy
from runner.tasks.record import Ending, Record, Status


def close(
    record: Record,
    incoming: Incoming,
    status: Status,
    now_ms: int,
    domain: DomainPolicy,
    *,
    has_reply: bool = True,
) -> tuple[Done, Record]:
    """Return the outcome and the record closed by this event.

    ``has_reply`` is false where a timer sent the event: nobody waits for an answer.
    """
    closed = ended(record, status, ending_of(incoming, now_ms, domain))
    if not has_reply:
        return Done(now_ms, None, status), closed
    return Done(now_ms, SUCCESS, status, has_output=True), closed


def ending_of(incoming: Incoming, now_ms: int, domain: DomainPolicy) -> Ending:
    """Return the end that this event makes."""
    return Ending(
        source=str(incoming.source),
        identity=incoming.event.identity(),
        at_ms=now_ms,
        remove_at_ms=now_ms + domain.retention_ms,
    )


def ended(record: Record, status: Status, ending: Ending) -> Record:
    """Return the record after the end of its generation."""
    revision = record.revision + 1
    if record.life is not None:
        ending = msgspec.structs.replace(ending, revision=revision)
    state = msgspec.structs.replace(record.state, status=status, closing=ending)
    return msgspec.structs.replace(record, revision=revision, state=state)
