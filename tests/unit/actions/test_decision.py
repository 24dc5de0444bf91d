"""How a task was decided: ``result.task`` of the resumed event, and the same at ``decisionElement``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from runner.actions.incoming import Incoming
from runner.actions.policy import DomainPolicy
from runner.actions.timer_token import TimerToken, timer_message
from runner.errors import NOT_CONVERTIBLE, UNDELIVERABLE
from runner.tasks.record import Record
from tests.unit.actions.events import (
    HOUR,
    NOW,
    OUTLET,
    POLICY,
    FakeOutlet,
    again,
    answer,
    cancelled,
    closed_by,
    code,
    envelope,
    incoming,
    reply,
    resumed,
    start,
    started,
    timeout,
)
from tests.unit.actions.people import (
    ADMIN,
    NOBODY,
    VOTE,
    after,
    begun,
    claim,
    defined,
    finish,
    save,
    told,
    update,
    verb,
)

YES: Final = {"decision": "yes", "amount": 1}
ENDS: Final = [finish("ann", number=9), timeout(), cancelled()]


def ended_by(who: str | None, **more: Any) -> dict[str, Any]:
    return {"id": "task-1", "domain": "orders", "outcome": None, "by": who, "at": NOW, **more}


def fired(record: Record) -> Incoming:
    """What the runner sends when the deadline of a task has come."""
    assert record.deadline_ms is not None
    token = TimerToken(record.started_by, record.deadline_ms)
    outgoing = timer_message(record.key, 0, token, POLICY, OUTLET)
    assert outgoing.value is not None
    return incoming(outgoing.value, offset=500, headers=outgoing.headers)


# A plain task.


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "parameters", [{}, {"taskRoles": "manager"}, {"taskSpec": "purchase", "priority": 1}]
)
def test_a_saga_that_uses_nothing_of_this_sees_no_difference(
    end: Incoming, parameters: dict[str, Any]
) -> None:
    record = started(start(decisionElement="decision", **parameters))
    decision = answer(end, record)
    assert "task" not in resumed(decision).result
    assert resumed(decision).payload == {"taskId": "task-1"}
    has_task = "task" in reply(decision).result
    assert has_task is (end.event.action == "CancelTask"), "a verb of a person always tells the task"


# A task with a life.


@pytest.mark.parametrize(("end", "who"), list(zip(ENDS, ("ann", None, ADMIN), strict=True)))
def test_every_end_of_a_task_that_people_touched_says_who_decided(end: Incoming, who: str | None) -> None:
    decision = answer(end, after(begun(), save("ann", {"a": 1})))
    assert resumed(decision).result["task"] == ended_by(who)
    assert set(resumed(decision).result) - {"error"} == {"receiveTime", "endTime", "status", "task"}
    assert told(decision)["status"] in {"DONE", "TIMED_OUT", "CANCELLED"}


def test_a_timeout_names_its_caller_and_a_deadline_nobody() -> None:
    record = after(begun(timeout=HOUR), save("ann", {"a": 1}))
    assert resumed(answer(verb("TimeoutTask", "eve"), record)).result["task"] == ended_by("eve")
    by_timer = answer(fired(record), record)
    assert len(by_timer.messages) == 1
    assert resumed(by_timer).result["task"] == ended_by(None)


def test_the_next_step_finds_the_decision_in_the_payload() -> None:
    for end, who in zip(ENDS, ("ann", None, ADMIN), strict=True):
        record = after(begun(decisionElement="approval.decided"), save("ann", {"a": 1}))
        payload = resumed(answer(end, record)).payload
        assert payload["approval"] == {"decided": ended_by(who)}


def test_the_decision_is_written_as_an_output_is() -> None:
    order: dict[str, Any] = {"taskId": "task-1", "order": {"taskId": "task-1", "n": 1}}
    where: dict[str, Any] = {
        "decided": {**order, "order": {**order["order"], "a": 1, "decided": ended_by("ann")}},
        "$.decided": {**order, "order": {**order["order"], "a": 1}, "decided": ended_by("ann")},
        "-": {**order, "order": {**order["order"], "a": 1}},
    }
    for path, wanted in where.items():
        sent = start(taskRoles="manager", payload=order, meta={"inputElement": "order"}, decisionElement=path)
        record = after(started(sent), save("ann", {"a": 1}))
        assert resumed(answer(finish("ann", number=2), record)).payload == wanted, path


@pytest.mark.parametrize("path", ["a[*]", "@.x", "a..b"])
def test_a_place_where_nothing_could_be_written_is_refused_at_the_start(path: str) -> None:
    sent = envelope("StartTask", wrong_meta={"parameters": {"decisionElement": path}})
    assert code(answer(incoming(sent, offset=10))) == NOT_CONVERTIBLE


def test_the_decision_comes_after_the_answers() -> None:
    record = after(begun(decisionElement="decided"), claim("ann"))
    end = answer(finish("ann", {"decided": {"by": "somebody else", "x": 1}}, 2), record)
    assert resumed(end).payload["decided"] == {**ended_by("ann"), "x": 1}


# Who decided.


def test_who_completes_for_the_firm_owner_is_recorded_with_whom_they_did_it_for() -> None:
    record = after(begun(meta={"domain": "shared"}), verb("ClaimTask", "ann", meta={"domain": "shared"}))
    end = answer(finish("bob", number=2, meta={"domain": "shared"}), record)
    decided = {**ended_by("bob"), "domain": "shared", "for": "ann"}
    assert resumed(end).result["task"] == decided
    own = answer(finish("ann", number=2, meta={"domain": "shared"}), record)
    assert "for" not in resumed(own).result["task"]


def test_a_task_that_nobody_has_firmly_is_done_for_nobody() -> None:
    record = after(begun(taskUser="ann"), update("ann", priority=1))
    assert "for" not in resumed(answer(finish("bob", number=2), record)).result["task"]


@pytest.mark.parametrize("end", [cancelled(), verb("TimeoutTask", "eve")])
def test_other_ends_are_on_behalf_of_nobody(end: Incoming) -> None:
    assert "for" not in resumed(answer(end, after(begun(), claim("ann")))).result["task"]


def test_without_a_user_id_nobody_is_named() -> None:
    record = after(begun(taskRoles=None), save(NOBODY, {"a": 1}))
    assert resumed(answer(finish(NOBODY, number=2), record)).result["task"] == ended_by(None)


# A task with a definition.


def test_a_task_with_a_definition_tells_its_outcome_although_nobody_touched_it() -> None:
    others = defined(VOTE)
    record = begun(taskSpec="vote", decisionElement="decided", others=others)
    end = answer(finish("ann", YES, outcome="reject"), record, others=others)
    assert resumed(end).result["task"] == ended_by("ann", outcome="reject")
    assert resumed(end).payload["decided"] == ended_by("ann", outcome="reject")
    assert told(end)["status"] == "DONE"
    untouched = begun(taskSpec="vote", timeout=HOUR, others=others)
    assert resumed(answer(fired(untouched), untouched)).result["task"] == ended_by(None)


def test_a_repeat_of_the_end_is_told_the_task_and_resumes_nothing() -> None:
    record = after(begun(), claim("ann"))
    one = finish("ann", number=2)
    repeated = answer(again(one), closed_by(one, record))
    assert (repeated.status, repeated.record, len(repeated.messages)) == ("SUCCESS", None, 1)
    assert told(repeated)["status"] == "DONE"


def test_a_comment_after_the_end_does_not_change_what_a_repeat_is_told() -> None:
    one = finish("ann", number=2)
    closed = closed_by(one, begun())
    commented = after(closed, verb("CommentTask", "ann", 3, text="a pity"))
    first, repeated = answer(again(one), closed), answer(again(one), commented)
    assert reply(first).result.keys() == reply(repeated).result.keys()


# An accepted task can end.


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ("order.decided", {"order": 5}),
        ("order.2.decided", {"order": []}),
        ('order["a"]', {}),
        ("$.order.decided", {"order": "text"}),
    ],
)
def test_a_decision_that_does_not_fit_the_payload_is_refused_at_the_start(
    path: str, payload: dict[str, Any]
) -> None:
    """A deadline could not end the task otherwise: nobody would be there to be told."""
    assert (
        code(answer(start(payload={"taskId": "task-1", **payload}, decisionElement=path))) == NOT_CONVERTIBLE
    )


@pytest.mark.parametrize("path", [None, "d", "a.b.c.d", "a.0.0.0", "ä.ö.ü", "$.x"])
@pytest.mark.parametrize("task_id", ["task-1", "x" * 200, '"' * 50, "\u00e4" * 50])
@pytest.mark.parametrize("domain", ["orders", "d" * 500])
def test_an_accepted_task_can_be_ended_by_its_deadline(path: str | None, task_id: str, domain: str) -> None:
    """Whatever verbs came between, also a first deadline: what takes the start takes the end."""
    policy = replace(POLICY, domains={domain: DomainPolicy()})
    meta = {"responseStream": "orders-out", "domain": domain}
    sent = start(payload={"taskId": task_id}, taskUser="ann", decisionElement=path, meta=meta)
    low, high = 0, 100_000
    while high - low > 1:
        middle = (low + high) // 2
        decision = answer(sent, topics=FakeOutlet(orders_out=middle), policy=policy)
        assert decision.record is not None or code(decision) == UNDELIVERABLE
        low, high = (middle, high) if decision.record is None else (low, middle)
    narrow = FakeOutlet(orders_out=high)
    opened = answer(sent, topics=narrow, policy=policy).record
    later = verb("UpdateTask", "ann", payload={"taskId": task_id}, meta={"domain": domain}, timeout=1)
    record = answer(later, opened, policy=policy).record
    assert record is not None
    assert answer(fired(record), record, topics=narrow, policy=policy).status == "TIMEOUT"
