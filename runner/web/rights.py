"""Rights: whether a caller sees a task, and whether a command of theirs is worth sending.

Who does not see a task is told that there is none (404); who sees it and may not do this is told so (403).
The worker remains the judge: it asks again, by the same table of verbs, in the order of the log. A repeat is
sent on whatever its sender may do by now, since the worker answers a repeat before it looks at rights.
"""

from __future__ import annotations

from typing import Final

from runner.actions.callers import has_role, is_admin, read_caller
from runner.actions.checks import check_caller
from runner.actions.incoming import TIMEOUT_TASK
from runner.actions.policy import Policy
from runner.errors import FORBIDDEN, EventError
from runner.projection.folding import FoldSettings, folded_record
from runner.projection.sight import Sight, Viewer, sees
from runner.tasks.keys import TaskKey
from runner.tasks.path_key import path_key
from runner.tasks.record import Record
from runner.tasks.repeats import is_of_earlier_round, is_verb_of_round
from runner.web.commands import Command
from runner.web.problems import Refused, no_task, refused_event

NOBODY_STARTS: Final = "nobody may start tasks of domain {domain} over HTTP: it names no startRoles"
_NOBODY_TIMES_OUT: Final = (
    "only an admin of domain {domain} may time tasks out over HTTP: it names no timeoutRoles"
)


def sight_of(record: Record, settings: FoldSettings) -> Sight | None:
    """Return what says who sees a task; of those who commented the ones that were read with it."""
    return folded_record(record, settings).sight


def has_commented(record: Record) -> bool:
    """Whether anybody has commented on a task, so that its comments say who sees it, too."""
    return record.life is not None and record.life.comments > 0


def require_seen(viewer: Viewer, sight: Sight | None, key: TaskKey) -> None:
    """Refused with 404 unless there is a task and it is seen."""
    if sight is None or not sees(viewer, sight):
        raise no_task(key.domain, path_key(key.id))


def is_repeat(record: Record, command: Command) -> bool:
    """Whether the worker will know a command again, and answer what it did."""
    identity, closing = command.identity, record.state.closing
    if closing is not None and closing.identity == identity:
        return True
    return is_verb_of_round(record, identity) or is_of_earlier_round(record, identity)


def require_may(record: Record, command: Command, policy: Policy) -> None:
    """Refused with 403 where the caller of a command may not send it.

    A task that is over is over for everybody: that the worker says.
    """
    if record.state.status not in command.plan.verb.from_states:
        return
    if command.action == TIMEOUT_TASK:
        require_may_time_out(command, policy)
    try:
        check_caller(record, command.plan, policy)
    except EventError as error:
        raise refused_event(error) from error


def require_may_time_out(command: Command, policy: Policy) -> None:
    """Refused with 403 unless the caller has one of ``timeoutRoles``, or is admin; the worker lets more."""
    domain, event = policy.domains[command.key.domain], command.plan.incoming.event
    if not domain.timeout_roles and not is_admin(read_caller(event, policy, domain), domain):
        text = _NOBODY_TIMES_OUT.format(domain=command.key.domain)
        raise Refused(403, text, code=FORBIDDEN)


def require_may_start(command: Command, policy: Policy) -> None:
    """Refused with 403 unless the caller has one of ``startRoles``, or is admin where there are any."""
    domain, event = policy.domains[command.key.domain], command.plan.incoming.event
    if not domain.start_roles:
        raise Refused(403, NOBODY_STARTS.format(domain=command.key.domain), code=FORBIDDEN)
    if not has_role(domain.start_roles, event, policy, domain):
        needed = ", ".join(sorted(domain.start_roles))[:200]
        raise Refused(403, f"starting tasks of this domain takes one of the roles {needed}", code=FORBIDDEN)


def require_may_define(command: Command, policy: Policy) -> None:
    """Refused with 403 unless the caller is admin."""
    try:
        check_caller(None, command.plan, policy)
    except EventError as error:
        raise refused_event(error) from error
