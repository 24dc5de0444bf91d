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
    revision = record.revision + 1
    ending = Ending(
        source=str(incoming.source),
        identity=incoming.event.identity(),
        at_ms=now_ms,
        remove_at_ms=now_ms + domain.retention_ms,
        revision=None if record.life is None else revision,
    )
    state = msgspec.structs.replace(record.state, status=status, closing=ending)
    closed = msgspec.structs.replace(record, revision=revision, state=state)
    if not has_reply:
        return Done(now_ms, None, status), closed
    return Done(now_ms, SUCCESS, status, has_output=True), closed
