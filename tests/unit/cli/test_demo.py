"""The demo's engine, acts and checks; a check that cannot fail would show nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest

from runner.cli.demo import account, purchase, refund, story
from runner.cli.demo.account import Account
from runner.cli.demo.actors import SagaEngine
from runner.cli.demo.checks import (
    CLOUD_EVENTS,
    CONTENT_TYPE,
    NOTIFICATION,
    Answer,
    answer_of,
    check_worker,
)
from runner.cli.demo.play import Act, Mark, acts_of, check_all
from runner.cli.demo.purchase import Purchase
from runner.cli.demo.refund import Refund
from runner.config import Config
from runner.envelope.cloud_events import time_of
from runner.kafka.topic_message import TopicMessage
from tests.unit.cli.builders import seen

STARTED, TIMED_OUT, ESCALATED, FORBIDDEN, ACCEPTED, RESUMED = range(6)
DEFINED, WAITING, CLAIMED, SAVED, REFUSED, RIGHT, OPENED = range(6, 13)
ASKED, REMINDED, GOES_UP, TAKEN, WITHDRAWN, CANCELLED, FILING, FILED, ENDED = range(13, 22)
OTHERS, DEAD, WORKER = range(22, 25)

EXPECTED: Final = (*Purchase.expected, *Account.expected, *Refund.expected)
DECIDED: Final = {"id": "t-1", "domain": "default", "outcome": "accept", "by": "kim", "at": 5}
OF_LENA: Final = {"owner": "lena", "roles": ["lead"], "level": 1, "status": "ASSIGNED"}
VIOLATIONS: Final = [{"pointer": "/born", "rule": "format"}, {"pointer": "/risk", "rule": "enum"}]
RESULTS: Final[list[dict[str, Any]]] = [
    {"endTime": 1000, "task": {"id": "t", "timeout": 3000}},
    {"endTime": 3000},
    {"endTime": 3001, "task": {"id": "t-2", "timeout": None}},
    {"error": {"code": 14, "http": 403, "message": "no"}},
    {},
    {},
    {"definition": {"version": 3}},
    {},
    {"task": {"specVersion": 3}},
    {},
    {"error": {"code": 10134, "violations": VIOLATIONS}},
    {},
    {"task": DECIDED},
    {},
    {},
    {},
    {"task": OF_LENA},
    {},
    {"error": {"code": 10136, "message": story.REASON, "name": story.WITHDRAWN}},
    {},
    {},
    {},
]
PAYLOADS: Final[dict[Answer, dict[str, Any]]] = {
    purchase.RESUMED: {"purchase": story.PURCHASE, "decision": story.DECISION},
    account.RESUMED: {
        "account": story.ACCOUNT,
        "answers": {**story.DRAFT, **story.RIGHT},
        "decided": DECIDED,
    },
    refund.ENDED: {"refund": story.REFUNDED, "note": story.NOTE},
}


def notification(event: str) -> TopicMessage:
    """What is told of the refund, as late as it may be."""
    is_up = event == "escalated"
    started_ms = 1_795_000_000_000
    value = {
        "type": f"saga.task.{event}",
        "time": time_of(started_ms + (story.ESCALATE_MS if is_up else story.REMIND_MS)),
        "data": {
            "task": {"createdOn": started_ms, "level": int(is_up)},
            "actor": "timer",
            "recipients": {"user": None, "roles": ["lead" if is_up else "support"]},
            **({} if is_up else {"count": 1}),
        },
    }
    key = f"{story.REFUNDING.id}:{story.REFUND}10"
    headers = {"event-kind": "", "event-status": "", "task-id": "", CONTENT_TYPE: CLOUD_EVENTS}
    return seen(topic="notifications", key=key, headers=headers, event=value)


def response(answer: Answer, result: dict[str, Any]) -> TopicMessage:
    if answer.kind == NOTIFICATION:
        return notification(answer.status)
    event: dict[str, Any] = {
        "requestMeta": {"id": answer.key},
        "result": {**result, "status": answer.status},
        "payload": PAYLOADS.get(answer, {}),
    }
    if answer.step:
        event["sagaMeta"] = [{"sagaId": answer.key, "stepId": answer.step}]
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


def acts(send: Callable[[dict[str, Any]], None] = lambda _: None) -> list[Act]:
    return [Purchase(send), Account(send, "admin"), Refund(send, "admin")]


def failing(responses: list[TopicMessage], dead: int = 0, exit_code: int | None = 0) -> set[int]:
    """The numbers of the checks that do not hold."""
    checks = [*check_all(acts(), responses, [seen()] * dead), check_worker(exit_code)]
    return {number for number, check in enumerate(checks) if not check.holds}


def test_all_checks_hold_where_all_went_well() -> None:
    assert failing(right()) == set()
    assert failing(list(reversed(right()))) == set()


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_a_response_that_is_missing_or_doubled_is_noticed(number: int) -> None:
    without = right()
    del without[number]

    assert failing(without) >= {number, OTHERS}
    assert failing([*right(), right()[number]]) == {number, OTHERS}


def set_in(section: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event[section].update(values)


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (STARTED, set_in("result", task={"timeout": 2999})),
        (TIMED_OUT, set_in("result", endTime=2999)),
        (TIMED_OUT, set_in("result", error={"code": 1})),
        (FORBIDDEN, set_in("result", error={"code": 10118, "http": 403})),
        (FORBIDDEN, set_in("result", error={"code": 14, "http": 500})),
        (RESUMED, set_in("payload", decision=None)),
        (RESUMED, set_in("payload", purchase={})),
        (RESUMED, set_in("payload", more=1)),
        (CLAIMED, set_in("result", task={"specVersion": 2})),
        (REFUSED, set_in("result", error={"code": 10134, "violations": VIOLATIONS[:1]})),
        (REFUSED, set_in("result", error={"code": 10011, "violations": VIOLATIONS})),
        (OPENED, set_in("payload", answers=story.RIGHT)),
        (OPENED, set_in("payload", decided=None)),
        (OPENED, set_in("result", task=None)),
        (OPENED, set_in("result", task={**DECIDED, "by": "olga"})),
        (REMINDED, set_in("data", recipients={"user": None, "roles": ["lead"]})),
        (REMINDED, set_in("data", count=2)),
        (REMINDED, lambda event: event.update(time=time_of(1_795_000_000_000 + story.REMIND_MS - 1))),
        (REMINDED, lambda event: event.update(time=None)),
        (GOES_UP, set_in("data", recipients={"user": "ann", "roles": []})),
        (GOES_UP, set_in("data", actor="olga")),
        (GOES_UP, set_in("data", task={"createdOn": 1_795_000_000_000, "level": 2})),
        (GOES_UP, lambda event: event.update(time=time_of(1_795_000_000_000 + story.ESCALATE_MS - 1))),
        (
            TAKEN,
            set_in("result", task={"owner": "lena", "roles": ["lead"], "level": 0, "status": "ASSIGNED"}),
        ),
        (TAKEN, set_in("result", task=None)),
        (CANCELLED, set_in("result", error={"code": 10136, "message": story.REASON})),
        (ENDED, set_in("payload", note=None)),
    ],
)
def test_what_is_wrong_in_a_response_is_noticed(
    number: int, change: Callable[[dict[str, Any]], None]
) -> None:
    assert failing(changed(number, change)) == {number}


def test_a_definition_without_a_version_is_noticed() -> None:
    assert failing(changed(DEFINED, set_in("result", definition={}))) == {DEFINED, CLAIMED}


def test_anything_else_on_the_topics_is_noticed() -> None:
    assert failing([*right(), response(Answer("reply", "x", "", "FAIL"), {})]) == {OTHERS}
    assert failing([*right(), seen(value=b"nonsense")]) == {OTHERS}
    assert failing(right(), dead=1) == {DEAD}
    assert failing(right(), exit_code=1) == {WORKER}
    assert failing(right(), exit_code=None) == {WORKER}
    assert failing([]) == set(range(DEAD))


def test_the_engine_branches_on_the_status_of_the_resumed_event() -> None:
    sent: list[dict[str, Any]] = []
    engine = SagaEngine(story.BUYING, sent.append)

    engine.start()
    assert [event["sagaMeta"][-1]["stepId"] for event in sent] == [story.APPROVE]

    assert engine.see(right()[STARTED]) is None
    assert engine.see(right()[TIMED_OUT]) == story.ESCALATE
    assert [event["sagaMeta"][-1]["stepId"] for event in sent] == [story.APPROVE, story.ESCALATE]
    assert sent[1]["eventMeta"]["parameters"]["taskRoles"] == story.DIRECTOR.role

    # What is another saga's.
    assert (engine.see(right()[OPENED]), engine.result) == (None, None)
    assert engine.see(right()[RESUMED]) is None
    assert engine.result is not None
    assert engine.result["payload"]["decision"] == story.DECISION
    assert len(sent) == 2


def test_a_manager_in_time_ends_the_saga_without_a_director() -> None:
    sent: list[dict[str, Any]] = []
    engine = SagaEngine(story.BUYING, sent.append)

    assert engine.see(response(Answer("resume", story.BUYING.id, story.APPROVE, "PROCEEDED"), {})) is None
    assert engine.result is not None
    assert sent == []


def test_the_clerk_tries_and_then_the_director() -> None:
    sent: list[dict[str, Any]] = []
    act = Purchase(sent.append)

    told = [text for each in right()[STARTED:DEFINED] for text in act.see(each)]

    assert told == [story.ESCALATED, story.CLERK_TRIES, story.DIRECTOR_ACTS]
    tried = [event for event in sent if event["eventMeta"]["action"] == "ProceedTask"]
    assert [event["requestMeta"]["claims"]["roles"] for event in tried] == [["clerk"], ["director"]]
    assert {event["payload"]["parameters"]["taskId"] for event in tried} == {right()[ESCALATED].task_id}


def test_the_form_is_defined_claimed_saved_and_answered_twice() -> None:
    sent: list[dict[str, Any]] = []
    act = Account(sent.append, "boss")

    act.begin()
    told = [text for each in right()[DEFINED:ASKED] for text in act.see(each)]

    assert [event["eventMeta"]["action"] for event in sent] == [
        "DefineTask",
        "StartTask",
        "ClaimTask",
        "SaveTask",
        "ProceedTask",
        "ProceedTask",
    ]
    assert sent[0]["requestMeta"]["claims"]["roles"] == ["boss"]
    assert [event["requestMeta"]["claims"]["sub"] for event in sent[2:]] == ["kim"] * 4
    assert told[-1] == story.OFFICER_ANSWERS
    assert act.engine.result is not None


def test_nobody_looks_and_the_task_is_claimed_a_level_up_and_cancelled() -> None:
    sent: list[dict[str, Any]] = []
    act = Refund(sent.append, "boss")

    act.begin()
    told = [text for each in right()[ASKED:OTHERS] for text in act.see(each)]

    actions = [event["eventMeta"]["action"] for event in sent]
    assert actions == ["StartTask", "ClaimTask", "CancelTask", "StartTask", "ProceedTask"]
    assert [each["do"] for each in sent[0]["eventMeta"]["parameters"]["hooks"]] == ["remind", "reassign"]
    callers = [event["requestMeta"]["claims"] for event in (sent[1], sent[2], sent[4])]
    assert [each["sub"] for each in callers] == ["lena", "olga", "sam"]
    assert callers[1]["roles"] == ["boss"]
    assert told == [
        story.REMINDED,
        story.GOES_UP,
        story.ADMIN_ACTS,
        story.BRANCHES,
        story.SUPPORTER_ACTS,
    ]
    assert act.engine.result is not None


def test_without_an_admin_the_other_acts_are_left_out_and_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    def acts_with(domains: dict[str, Any], notifications: str | None = "heard") -> list[str]:
        settings = {"domains": domains, "topics": {"notifications": notifications}}
        acts = acts_of(Config.model_validate(settings), lambda _: None)
        return [type(act).__name__ for act in acts]

    boss: dict[str, Any] = {"adminRole": "boss", "notify": ["created", "reminded", "escalated"]}
    assert acts_with({"default": boss}) == ["Purchase", "Account", "Refund"]
    assert capsys.readouterr().err == ""
    for lacking in ({"default": {**boss, "notify": ["reminded"]}}, {"default": {"adminRole": "boss"}}):
        assert acts_with(lacking) == ["Purchase", "Account"]
        assert "domains.default.notify" in capsys.readouterr().err
    assert acts_with({"default": {"adminRole": "boss"}}, None) == ["Purchase", "Account"]
    assert "topics.notifications" in capsys.readouterr().err
    assert acts_with({"default": {}}) == ["Purchase"]
    assert "domains.default.adminRole" in capsys.readouterr().err
    assert acts_with({"orders": {"adminRole": "boss"}}) == ["Purchase"]


def test_a_marked_demo_knows_its_own_messages_among_others() -> None:
    sent: list[dict[str, Any]] = []
    mark = Mark(".1f2e3d")
    SagaEngine(story.BUYING, sent.append).start()
    saga_id = story.BUYING.id

    event = mark.put_on(sent[0])
    assert event["requestMeta"]["id"] == f"{saga_id}.1f2e3d"
    assert mark.put_on(event) == event
    assert sent[0]["requestMeta"]["id"] == saga_id

    answer = seen(key=f"{saga_id}.1f2e3d", kind="reply", status="ACK", event=event)
    assert mark.is_on(answer)
    assert mark.is_on(seen(key=f"timer:default:{saga_id}.1f2e3d:{story.APPROVE}0"))
    assert not mark.is_on(seen(key=saga_id))
    told = replace(notification("reminded"), key=f"{story.REFUNDING.id}.1f2e3d:{story.REFUND}3")
    assert mark.is_on(told)
    assert answer_of(mark.taken_off(told)) == refund.REMINDED
    assert answer_of(mark.taken_off(answer)) == Answer("reply", saga_id, story.APPROVE, "ACK")
