"""Hooks: what StartTask takes of them, and what the runner's own event does when they are due.

The event does the hooks of one moment, in the order of the list. What is due next gets an event of its own.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runner.actions.callers import required_roles, required_user
from runner.actions.change import Changes, VerbChange
from runner.actions.decision import Done, Dropped, Outcome
from runner.actions.ending import ended, ending_of
from runner.actions.inputs import epoch_ms
from runner.actions.ownership import owned
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.envelope.event import as_text
from runner.errors import NOBODY_TO_RETURN_TO, NOT_CONVERTIBLE, PARAMETER_MISSING, EventError
from runner.tasks.hooks import (
    ARRIVAL,
    ASSIGNMENT,
    LEVELS,
    after_doing,
    hooks_at,
    next_moment,
    of_next_owner,
    times_done,
)
from runner.tasks.parts import Hook, Status, TaskOwnership
from runner.tasks.record import Record

MAX_HOOKS: Final = 20
MAX_TIMES: Final = 1000
TIMER: Final = "timer"
"""The actor of what the runner does by itself."""

_DOING: Final = frozenset({"remind", "cancel", "timeout", *LEVELS})
_NAMES: Final = frozenset({"on", "after", "do", "user", "roles", "repeatEvery", "times"})


# -- StartTask -------------------------------------------------------------------------------------


def hooks_of(value: Any, ownership: TaskOwnership, policy: Policy) -> tuple[Hook, ...]:
    """Return hooks as stored; ``ownership``: whose the task is at its start.

    EventError 10009 (a part is missing), 10133 (a release, and nobody to return to) or 10011.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_HOOKS:
        raise EventError(NOT_CONVERTIBLE, f"hooks must be a list of {MAX_HOOKS} at most")
    hooks = tuple(_hook(each, place, policy) for place, each in enumerate(value))
    if any(hook.do == "release" for hook in hooks) and ownership.user is not None and not ownership.roles:
        raise EventError(
            NOBODY_TO_RETURN_TO, "a hook would release the task, which is for one user alone; name taskRoles"
        )
    return hooks


def _hook(value: Any, place: int, policy: Policy) -> Hook:
    where = f"hooks[{place}]"
    if not isinstance(value, dict):
        raise EventError(NOT_CONVERTIBLE, f"{where} must be an object")
    unknown = sorted(map(str, value.keys() - _NAMES))
    if unknown:
        raise EventError(NOT_CONVERTIBLE, f"{where} has {unknown[0][:40]!r}; use {', '.join(sorted(_NAMES))}")
    on = _word(value, "on", where, (ARRIVAL, ASSIGNMENT))
    do = _word(value, "do", where, sorted(_DOING))
    after = epoch_ms(value.get("after"), f"{where}.after")
    if after is None:
        raise EventError(PARAMETER_MISSING, f"{where}: after how many ms? name it in after")
    user, roles = required_user(value.get("user")), required_roles(value.get("roles"))
    if do == "reassign" and user is None and not roles:
        raise EventError(PARAMETER_MISSING, f"{where}: to whom? name user, roles, or both")
    if do != "reassign" and (user is not None or roles):
        raise EventError(NOT_CONVERTIBLE, f"{where}: only reassign takes user and roles")
    repeat_every, times = _repeats(value, do, where, policy)
    return Hook(on, after, do, user, roles, repeat_every, times)


def _word(value: dict[str, Any], name: str, where: str, words: Any) -> str:
    word = as_text(value.get(name), f"{where}.{name}")
    if word is None:
        raise EventError(PARAMETER_MISSING, f"{where}: {name} is missing; use one of {', '.join(words)}")
    if word not in words:
        raise EventError(NOT_CONVERTIBLE, f"{where}: {name} {word[:40]!r}; use one of {', '.join(words)}")
    return word


def _repeats(value: dict[str, Any], do: str, where: str, policy: Policy) -> tuple[int | None, int]:
    """Return ``repeat_every`` and ``times``."""
    every = epoch_ms(value.get("repeatEvery"), f"{where}.repeatEvery")
    times = epoch_ms(value.get("times"), f"{where}.times")
    if every is None and times is None:
        return None, 1
    if do != "remind":
        raise EventError(NOT_CONVERTIBLE, f"{where}: only remind is repeated")
    if every is None or times is None:
        missing = "repeatEvery" if every is None else "times"
        raise EventError(PARAMETER_MISSING, f"{where}: {missing} is missing; repeatEvery needs times")
    if every < policy.hook_ms:
        raise EventError(NOT_CONVERTIBLE, f"{where}: repeatEvery is less than {policy.hook_ms} ms")
    if not 1 <= times <= MAX_TIMES:
        raise EventError(NOT_CONVERTIBLE, f"{where}: times must be from 1 to {MAX_TIMES}")
    return every, times


# -- when they are due -----------------------------------------------------------------------------


def hooks_by_timer(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return what the hooks of the next moment do, for an event of the runner; nothing where it is stale."""
    if record is None or plan.timer is None or not plan.timer.matches(record):
        return Dropped(), None
    moment_ms = next_moment(record)
    if moment_ms is None or moment_ms > now_ms:
        return Dropped(), None
    doing = Doing(record, plan, now_ms, policy)
    doing.do_all(moment_ms)
    return doing.outcome()


class Doing:
    """Does hooks of a task, one after the other, as one change of it."""

    def __init__(self, record: Record, plan: TaskPlan, now_ms: int, policy: Policy) -> None:
        self._plan = plan
        self._now_ms = now_ms
        self._domain = policy.domains[record.key.domain]
        self._changes = Changes(record, plan.incoming, now_ms)
        self.ended: Status | None = None

    @property
    def record(self) -> Record:
        return self._changes.record

    def do_up_to(self, moment_ms: int) -> None:
        """Do what is due up to a moment, unless the task ends meanwhile."""
        while self.ended is None and (due_ms := next_moment(self.record)) is not None and due_ms <= moment_ms:
            self.do_all(due_ms)

    def do_all(self, moment_ms: int) -> None:
        """Do the hooks of a moment; those that an earlier one of them has called off are left out."""
        for place in hooks_at(self.record, moment_ms):
            if self.ended is None and place in hooks_at(self.record, moment_ms):
                self._do(place, moment_ms)

    def end(self, status: Status, reason: str | None = None) -> None:
        """End the task."""
        by = None if reason is None else TIMER
        ending = ending_of(self._plan.incoming, self._now_ms, self._domain, by)
        self.ended = status
        self._changes.record = ended(self.record, status, msgspec.structs.replace(ending, reason=reason))

    def outcome(self) -> tuple[Outcome, Record]:
        """Return the outcome, without a reply, and the record."""
        return Done(self._now_ms, None, self.ended, written=self._changes.written or None), self.record

    def _do(self, place: int, moment_ms: int) -> None:
        hook, record = self.record.start.hooks[place], self.record
        if hook.do == "timeout":
            self.end(Status.TIMED_OUT)
        elif hook.do == "cancel":
            self.end(Status.CANCELLED, f"hook {place + 1} after {hook.after} ms")
        else:
            done = after_doing(record, place, moment_ms, self._now_ms)
            number = 1 + (0 if record.life is None else record.life.number)
            self._changes.add(self._change(hook, place, {"hooks": done, "number": number}))

    def _change(self, hook: Hook, place: int, fields: dict[str, Any]) -> VerbChange:
        record = self.record
        if hook.do == "remind":
            count = next(done.times for done in fields["hooks"] if done.place == place)
            missed = count - times_done(record, place)
            data = {"count": count} if missed == 1 else {"count": count, "missed": missed - 1}
            return VerbChange("reminded", TIMER, data, fields)
        before = record.ownership
        after = _next_ownership(hook, before)
        level = 1 + (0 if record.life is None else record.life.level)
        done = fields["hooks"] if after.owner == before.owner else of_next_owner(record, fields["hooks"])
        fields = {**owned(record, after, self._now_ms), **fields, "hooks": done, "level": level}
        return VerbChange("escalated", TIMER, {"level": level}, fields, moved=(before, after))


def _next_ownership(hook: Hook, before: TaskOwnership) -> TaskOwnership:
    """Return whose the task is after a level: what it names replaces, the rest stays."""
    if hook.do == "release":
        is_for_one = before.user is not None and not before.roles
        return before if is_for_one else TaskOwnership(roles=before.roles)
    roles = hook.roles or before.roles
    if hook.user is None:
        return msgspec.structs.replace(before, roles=roles)
    return TaskOwnership(hook.user, roles, hook.user, is_firm=True)
