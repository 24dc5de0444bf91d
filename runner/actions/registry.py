"""Registry of actions: from event to plan, and from plan and record to Decision.

The rules of user tasks are in this module and the modules it imports, without Kafka or Redis: no I/O, no
clock, no randomness, no logging (design, rule 2).
"""

from __future__ import annotations

from typing import Any, Final

from runner.actions.answers import asks_for_answers, draft_of
from runner.actions.cancel_task import cancel_task
from runner.actions.checks import (
    START_TASK,
    answer_to_repeat,
    check_caller,
    check_expected,
    check_state,
)
from runner.actions.comment_task import asks_for_comment, comment_task
from runner.actions.decision import ACK, Decision, Done, Dropped, Forwarded, Outcome, Refused
from runner.actions.definitions import (
    asks_for_definition,
    asks_for_newest,
    define_task,
    definition_of,
    first_home,
)
from runner.actions.drafts import guard_draft, save_task
from runner.actions.get_task import asks_for_all, get_task
from runner.actions.hooks import hooks_by_timer
from runner.actions.incoming import HOOK_TASK, MAX_HOPS, TIMEOUT_TASK, Incoming
from runner.actions.inputs import (
    TaskInput,
    check_version,
    ignores,
    input_of,
    is_skipped,
    require_small,
    stream_of,
    task_key_or_new,
)
from runner.actions.notifications import with_told
from runner.actions.ownership import (
    assign_task,
    claim_task,
    guard_assignment,
    guard_claim,
    guard_completion,
    release_task,
)
from runner.actions.plan import ImmediateAnswer, Plan, TaskPlan, Verb, Who
from runner.actions.policy import Policy
from runner.actions.proceed_task import proceed_task
from runner.actions.render import Renderer
from runner.actions.start_task import start_task
from runner.actions.timeout_between import TIMEOUT_COMMAND, plan_period
from runner.actions.timeout_task import timeout_by_timer, timeout_task
from runner.actions.timer_token import timer_key, token_in
from runner.actions.update_task import update_task
from runner.envelope.event import Event, require_sound
from runner.envelope.values import is_blank, names_in
from runner.errors import NOT_CONVERTIBLE, UNDELIVERABLE, UNKNOWN_ACTION, EventError
from runner.tasks.keys import TaskKey
from runner.tasks.parts import DRAFT, Status
from runner.tasks.record import Record

_CLOSED: Final = frozenset(Status) - {Status.OPEN}
_OPEN: Final = frozenset({Status.OPEN})

_OF_SAGAS: Final[Any] = {"key_of": task_key_or_new, "is_of_person": False}
DEFINE_TASK: Final = "DefineTask"

VERBS: Final[dict[str, Verb]] = {
    START_TASK: Verb(
        start_task,
        frozenset({None, *_CLOSED}),
        Status.OPEN,
        Who.STARTER,
        "start",
        asks=asks_for_definition,
        asks_unread=True,
        **_OF_SAGAS,
    ),
    "ProceedTask": Verb(
        proceed_task,
        _OPEN,
        Status.PROCEEDED,
        Who.ELIGIBLE,
        "finish",
        guard_completion,
        asks=asks_for_answers,
        **_OF_SAGAS,
    ),
    TIMEOUT_TASK: Verb(timeout_task, _OPEN, Status.TIMED_OUT, Who.TIMER, "time out", **_OF_SAGAS),
    "ClaimTask": Verb(claim_task, _OPEN, who=Who.ELIGIBLE, doing="claim", guard=guard_claim),
    "ReleaseTask": Verb(release_task, _OPEN, who=Who.OWNER_OR_ADMIN, doing="release"),
    "AssignTask": Verb(assign_task, _OPEN, who=Who.ADMIN, doing="assign", guard=guard_assignment),
    "SaveTask": Verb(
        save_task,
        _OPEN,
        who=Who.ELIGIBLE_OR_ADMIN,
        doing="save answers to",
        guard=guard_draft,
        asks=asks_for_answers,
    ),
    "UpdateTask": Verb(update_task, _OPEN, who=Who.OWNER_OR_ADMIN, doing="update"),
    "CancelTask": Verb(cancel_task, _OPEN, Status.CANCELLED, Who.OWNER_OR_ADMIN, "cancel"),
    "CommentTask": Verb(
        comment_task, _OPEN | _CLOSED, who=Who.ELIGIBLE_OR_ADMIN, doing="comment on", asks=asks_for_comment
    ),
    "GetTask": Verb(get_task, _OPEN | _CLOSED, who=Who.ELIGIBLE_OR_ADMIN, doing="see", asks=asks_for_all),
    DEFINE_TASK: Verb(
        define_task,
        frozenset({None, Status.OPEN}),
        who=Who.ADMIN,
        doing="define",
        asks=asks_for_newest,
        key_of=definition_of,
        is_of_task=False,
    ),
}
"""The table of transitions: from which states a verb may come, and who may send it."""

_TIMER_VERBS: Final = {
    TIMEOUT_TASK: Verb(timeout_by_timer, frozenset(Status), Status.TIMED_OUT),
    HOOK_TASK: Verb(hooks_by_timer, frozenset(Status)),
}
"""The events of the runner itself: they are compared with the record instead of being checked."""

TIMEOUT_BETWEEN: Final = "TimeoutBetween"
PERIOD_ACTIONS: Final = frozenset({TIMEOUT_BETWEEN, TIMEOUT_COMMAND})


def is_addressed(event: Event, policy: Policy) -> bool:
    """Whether an event is for this runner: its handler and deployments are blank or name this runner."""
    handler = event.meta.get("handler")
    if handler != policy.handler and not is_blank(handler):
        return False
    deployments = event.meta.get("deployments")
    if deployments is None:
        return True
    names = names_in(deployments)
    return not names or (policy.deployment is not None and policy.deployment in names)


def plan(incoming: Incoming, policy: Policy) -> Plan:
    """Return the plan of an event that can be answered; never raises."""
    try:
        return _plan_of(incoming, policy)
    except EventError as error:
        return ImmediateAnswer(incoming, error)


def _plan_of(incoming: Incoming, policy: Policy) -> Plan:
    event = incoming.event
    if event.trouble is not None:
        raise event.trouble
    if incoming.is_timer:
        task_input = TaskInput(event.payload, event.payload, is_payload=True)
        of_timer = _TIMER_VERBS[event.sent_meta["action"]]
        return TaskPlan(incoming, timer_key(event, policy), task_input, of_timer, timer=token_in(incoming))
    verb = VERBS.get(event.action)
    if verb is None and event.action not in PERIOD_ACTIONS:
        problem = (
            f"action {event.action[:100]!r} is unknown" if event.action else "eventMeta.action is missing"
        )
        raise EventError(UNKNOWN_ACTION, f"{problem}; use one of {', '.join(sorted(VERBS))}")
    require_small(incoming, policy.limits)
    check_version(event)
    require_sound(event)
    stream_of(event, policy)
    if is_skipped(incoming, policy.limits):
        return ImmediateAnswer(incoming)
    if verb is None:
        return plan_period(incoming, policy)
    task_input = input_of(incoming, policy.limits)
    return TaskPlan(incoming, verb.key_of(incoming, task_input, policy), task_input, verb)


def decide(
    task_plan: TaskPlan, record: Record | None, now_ms: int, policy: Policy, renderer: Renderer
) -> Decision:
    """Return the Decision of an event, given the record of its task (None: there is none).

    ``now_ms`` is the time of Redis, epoch ms. Raises EventError only where not even a FAIL can be
    delivered; the event is dead-lettered then.
    """
    incoming, key = task_plan.incoming, task_plan.task_key
    try:
        outcome, changed = _outcome(task_plan, record, now_ms, policy)
        if policy.notifications is not None and changed is not None:
            outcome = with_told(outcome, changed, policy)
        messages = renderer.messages(outcome, incoming, key, changed or record)
        # A plain task can always end as it was accepted.
        may_grow = changed is not None and (changed.parts or "decisionElement" in incoming.event.parameters)
        if changed is not None and may_grow and _changes_end(outcome, incoming):
            renderer.require_end_fits(changed, now_ms, draft_of(changed))
    except EventError as error:
        return refuse(incoming, error, key, now_ms, renderer)
    except (ArithmeticError, UnicodeError, RecursionError) as error:
        # One event must not stop its home for ever.
        told = EventError(NOT_CONVERTIBLE, f"a value of the event cannot be handled: {error}"[:300])
        return refuse(incoming, told, key, now_ms, renderer)
    return Decision(outcome, messages, changed, renderer.status(outcome))


def _changes_end(outcome: Outcome, incoming: Incoming) -> bool:
    """Whether an open task would end with more than before: a draft, or a place for how it was decided."""
    if not isinstance(outcome, Done):
        return False
    if outcome.reply == ACK:
        return "decisionElement" in incoming.event.parameters
    return outcome.written is not None and DRAFT in outcome.written


def replay(task_plan: TaskPlan, record: Record | None, kept: Outcome, renderer: Renderer) -> Decision:
    """Return the Decision of a redelivered event from its kept outcome: the same messages again.

    Raises EventError where the messages can no longer be delivered (a topic was deleted since).
    """
    messages = renderer.messages(kept, task_plan.incoming, task_plan.task_key, record)
    return Decision(kept, messages, None, renderer.status(kept))


def answer_without_record(answer: ImmediateAnswer, now_ms: int, renderer: Renderer) -> Decision:
    """Return the Decision of an event that needs no record; raises EventError as ``decide`` does."""
    if answer.error is not None:
        return refuse(answer.incoming, answer.error, None, now_ms, renderer)
    outcome = Done(now_ms)
    try:
        messages = renderer.messages(outcome, answer.incoming, None, None)
    except EventError as error:
        return refuse(answer.incoming, error, None, now_ms, renderer)
    return Decision(outcome, messages, None, renderer.status(outcome))


def refuse(
    incoming: Incoming, error: EventError, key: TaskKey | None, now_ms: int, renderer: Renderer
) -> Decision:
    """Return the Decision FAIL (SUCCESS where the event ignores the code); a timer is dropped.

    An ignored error whose SUCCESS cannot be delivered is FAIL 13020.
    """
    if incoming.is_timer:
        dropped = Dropped(error.message)
        return Decision(dropped, (), None, renderer.status(dropped))
    is_ignored = ignores(incoming.event, error.code)
    outcome = Refused(now_ms, error.code, error.message, is_ignored, error.violations)
    try:
        messages = renderer.messages(outcome, incoming, key, None)
    except EventError as undeliverable:
        if not outcome.ignored:
            raise
        outcome = Refused(now_ms, undeliverable.code, undeliverable.message, ignored=False)
        messages = renderer.messages(outcome, incoming, key, None)
    return Decision(outcome, messages, None, renderer.status(outcome))


def _outcome(
    task_plan: TaskPlan, record: Record | None, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return outcome and changed record; only the home decides (docs/protocol.md, "Task ids and homes")."""
    incoming, verb = task_plan.incoming, task_plan.verb
    home = _first_home(task_plan, policy) if record is None else record.state.home
    if home == incoming.source.partition:
        if incoming.is_timer:
            return verb.act(record, task_plan, now_ms, policy)
        repeated = answer_to_repeat(record, incoming, now_ms)
        if repeated is not None:
            return repeated, None
        check_state(record, task_plan, now_ms)
        check_caller(record, task_plan, policy)
        if record is not None and None not in verb.from_states:
            verb.guard(record, task_plan, policy)
            check_expected(record, task_plan)
        return verb.act(record, task_plan, now_ms, policy)
    if incoming.hops >= MAX_HOPS:
        raise EventError(UNDELIVERABLE, f"forwarded {incoming.hops} times without finding the task's home")
    return Forwarded(home), None


def _first_home(task_plan: TaskPlan, policy: Policy) -> int:
    """Return the home of what is not there yet: a task where it starts, a definition as its name says.

    A definition that was sent on is made where it has come: another worker may know of more partitions.
    """
    if task_plan.verb.act is define_task and task_plan.incoming.hops == 0:
        return first_home(task_plan.key, policy.partitions)
    return task_plan.incoming.source.partition
