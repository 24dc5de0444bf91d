"""The demo's engine, people and checks; a check that cannot fail would show nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from runner.cli.demo.actors import People, SagaEngine
from runner.cli.demo.checks import EXPECTED, Answer, answer_of, check_all, check_worker
from runner.cli.demo.demo_command import Mark
from runner.cli.demo.story import (
    APPROVE,
    CLERK,
    DECISION,
    DIRECTOR,
    ESCALATE,
    PURCHASE,
    SAGA_ID,
    STEPS,
)
from runner.kafka.topic_message import TopicMessage
from tests.unit.cli.builders import seen

STARTED, TIMED_OUT, ESCALATED, REFUSED, ACCEPTED, RESUMED = range(6)
RESULTS: list[dict[str, Any]] = [
    {"endTime": 1000, "task": {"id": "t", "timeout": 3000}},
    {"endTime": 3000},
    {"endTime": 3001, "task": {"id": "t-2", "timeout": None}},
    {"error": {"code": 14, "http": 403, "message": "no"}},
    {},
    {},
]


def response(answer: Answer, result: dict[str, Any]) -> TopicMessage:
    event: dict[str, Any] = {
        "requestMeta": {"id": answer.key},
        "result": {**result, "status": answer.status},
        "payload": {"purchase": PURCHASE, **({"decision": DECISION} if answer.status == "PROCEEDED" else {})},
    }
    if answer.step:
        event["sagaMeta"] = [{"sagaId": SAGA_ID, "stepId": answer.step}]
    return seen(key=answer.key, kind=answer.kind, status=answer.status, event=event)


def right() -> list[TopicMessage]:
    """The responses of a demo in which all went well."""
    return [response(*both) for both in zip(EXPECTED, RESULTS, strict=True)]


def changed(number: int, change: Callable[[dict[str, Any]], None]) -> list[TopicMessage]:
    responses = right()
    event = copy.deepcopy(responses[number].event())
    assert event is not None
    change(event)
    responses[number] = replace(responses[number], value=msgspec.json.encode(event))
    return responses


def failing(responses: list[TopicMessage], dead: int = 0, exit_code: int | None = 0) -> set[int]:
    """The numbers of the checks that do not hold."""
    checks = [*check_all(responses, [seen()] * dead), check_worker(exit_code)]
    return {number for number, check in enumerate(checks) if not check.holds}


def test_all_checks_hold_where_all_went_well() -> None:
    assert failing(right()) == set()
    assert failing(list(reversed(right()))) == set()


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_a_response_that_is_missing_or_doubled_is_noticed(number: int) -> None:
    without = right()
    del without[number]

    assert failing(without) >= {number, 6}
    assert failing([*right(), right()[number]]) == {number, 6}


def set_in(section: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event[section].update(values)


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (STARTED, set_in("result", task={"timeout": 2999})),
        (TIMED_OUT, set_in("result", endTime=2999)),
        (TIMED_OUT, set_in("result", error={"code": 1})),
        (REFUSED, set_in("result", error={"code": 10118, "http": 403})),
        (REFUSED, set_in("result", error={"code": 14, "http": 500})),
        (RESUMED, set_in("payload", decision=None)),
        (RESUMED, set_in("payload", purchase={})),
        (RESUMED, set_in("payload", more=1)),
    ],
)
def test_what_is_wrong_in_a_response_is_noticed(
    number: int, change: Callable[[dict[str, Any]], None]
) -> None:
    assert failing(changed(number, change)) == {number}


def test_anything_else_on_the_topics_is_noticed() -> None:
    assert failing([*right(), response(Answer("reply", "x", "", "FAIL"), {})]) == {6}
    assert failing([*right(), seen(value=b"nonsense")]) == {6}
    assert failing(right(), dead=1) == {7}
    assert failing(right(), exit_code=1) == {8}
    assert failing(right(), exit_code=None) == {8}
    assert failing([]) == {0, 1, 2, 3, 4, 5, 6}


def test_the_engine_branches_on_the_status_of_the_resumed_event() -> None:
    sent: list[dict[str, Any]] = []
    engine = SagaEngine(STEPS, sent.append)

    engine.start()
    assert [event["sagaMeta"][-1]["stepId"] for event in sent] == [APPROVE]

    assert engine.see(right()[STARTED]) is None
    assert engine.see(right()[TIMED_OUT]) == ESCALATE
    assert [event["sagaMeta"][-1]["stepId"] for event in sent] == [APPROVE, ESCALATE]
    assert sent[1]["eventMeta"]["parameters"]["taskRoles"] == DIRECTOR.role

    assert engine.see(right()[RESUMED]) is None
    assert engine.result is not None
    assert engine.result["payload"]["decision"] == DECISION
    assert len(sent) == 2


def test_a_manager_in_time_ends_the_saga_without_a_director() -> None:
    sent: list[dict[str, Any]] = []
    engine = SagaEngine(STEPS, sent.append)

    assert engine.see(response(Answer("resume", SAGA_ID, APPROVE, "PROCEEDED"), {})) is None
    assert engine.result is not None
    assert sent == []


def test_the_clerk_tries_and_then_the_director() -> None:
    sent: list[dict[str, Any]] = []
    people = People(sent.append)

    actors = [people.see(each) for each in right()]

    assert actors == [None, None, CLERK, DIRECTOR, None, None]
    assert [event["requestMeta"]["claims"]["roles"] for event in sent] == [["clerk"], ["director"]]
    assert {event["payload"]["parameters"]["taskId"] for event in sent} == {right()[ESCALATED].task_id}


def test_a_marked_demo_knows_its_own_messages_among_others() -> None:
    sent: list[dict[str, Any]] = []
    mark = Mark(".1f2e3d")
    SagaEngine(STEPS, sent.append).start()

    event = mark.put_on(sent[0])
    assert event["requestMeta"]["id"] == f"{SAGA_ID}.1f2e3d"
    assert mark.put_on(event) == event
    assert sent[0]["requestMeta"]["id"] == SAGA_ID

    answer = seen(key=f"{SAGA_ID}.1f2e3d", kind="reply", status="ACK", event=event)
    assert mark.is_on(answer)
    assert mark.is_on(seen(key=f"timer:default:{SAGA_ID}.1f2e3d:{APPROVE}0"))
    assert not mark.is_on(seen(key=SAGA_ID))
    assert answer_of(mark.taken_off(answer)) == Answer("reply", SAGA_ID, APPROVE, "ACK")
