"""Closing an open task, exactly once: common to ProceedTask and TimeoutTask."""

from __future__ import annotations

import msgspec

from runner.actions.decision import Closed, Outcome, Repeated, Skipped
from runner.actions.incoming import Incoming
from runner.actions.policy import DomainPolicy
from runner.errors import TASK_NOT_FOUND, TASK_PROCEEDED, TASK_TIMED_OUT, EventError
from runner.tasks.record import Ending, Record, Status, TaskKey
from runner.tasks.repeats import is_of_earlier_round


def require_open(record: Record | None, key: TaskKey) -> Record:
    """Return the record if it is open; EventError 10118, 10119 or 10120 otherwise."""
    if record is None:
        raise EventError(TASK_NOT_FOUND, f"there is no task {key.id[:200]!r} in {key.domain!r}")
    if record.state.status is Status.PROCEEDED:
        raise EventError(TASK_PROCEEDED, f"task {key.id[:200]!r} has been proceeded already")
    if record.state.status is Status.TIMED_OUT:
        raise EventError(TASK_TIMED_OUT, f"task {key.id[:200]!r} has timed out already")
    return record


def repeated(record: Record | None, incoming: Incoming, now_ms: int) -> Outcome | None:
    """Return the answer to a duplicate of the command that closed this task; None for any other event.

    A duplicate of a command that closed an earlier generation gets SUCCESS without data: the stored record
    is not the one that the command closed.
    """
    if record is None or (record.state.closing is None and not record.state.previous_identities):
        return None
    identity = incoming.event.identity()
    if record.state.closing is not None and record.state.closing.identity == identity:
        return Repeated(now_ms)
    return Skipped(now_ms) if is_of_earlier_round(record, identity) else None


def close(
    record: Record,
    incoming: Incoming,
    status: Status,
    now_ms: int,
    domain: DomainPolicy,
    *,
    reply: bool = True,
) -> tuple[Outcome, Record]:
    """Return the outcome and the record closed by this event.

    ``reply`` is false where a timer sent the event: nobody waits for an answer.
    """
    ending = Ending(
        source=str(incoming.source),
        identity=incoming.event.identity(),
        at_ms=now_ms,
        remove_at_ms=now_ms + domain.retention_ms,
    )
    state = msgspec.structs.replace(record.state, status=status, closing=ending)
    closed = Record(record.key, record.revision + 1, state, record.start)
    return Closed(now_ms, status, reply), closed
