"""The checker itself: it passes what is right, and finds each single thing that is wrong."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.answers import Answer
from tests.e2e.checker import check
from tests.e2e.sent import Sent

START_MS = 1_000_000
DEADLINE_MS = START_MS + 5000
Answers = list[Answer]


def test_a_history_in_which_every_promise_was_kept_has_no_findings() -> None:
    report = check(*_history())
    assert report.findings == []
    assert report.counts["reply ACK"] == 3


@pytest.mark.parametrize(
    ("break_it", "finding"),
    [
        (lambda a: a.remove(_one(a, "s-1", "ACK")), "StartTask s-1: 2 sent, only 1 answered"),
        (lambda a: a.append(_one(a, "s-1", "ACK")), "StartTask s-1: 2 sent, 3 replies"),
        (lambda a: a.remove(_one(a, "p-1", "SUCCESS")), "ProceedTask p-1: 2 sent, only 1 answered"),
        (lambda a: a.remove(_one(a, "s-1", "PROCEEDED")), "task t-1 of s-1: 0 ends"),
        (lambda a: a.append(_one(a, "s-1", "PROCEEDED")), "task t-1 of s-1: 2 ends"),
        (lambda a: a.append(_resume("s-1", "t-1", "TIMEOUT", DEADLINE_MS)), "task t-1 of s-1: 2 ends"),
        (lambda a: a.remove(_one(a, "s-2", "TIMEOUT")), "task t-2 of s-2: 0 ends"),
        (lambda a: a.append(_one(a, "s-2", "TIMEOUT")), "task t-2 of s-2: 2 ends"),
        (
            lambda a: _change(a, "s-2", "TIMEOUT", "result", "endTime", DEADLINE_MS - 1),
            "s-2: timed out 1 ms before its deadline",
        ),
        (
            lambda a: _change(a, "s-2", "ACK", "result", "task", {"id": "t-2", "timeout": 7}),
            "s-2: deadline 7, not",
        ),
        (
            lambda a: _change(a, "s-1", "PROCEEDED", "payload", "approval", {"by": "p-2", "yes": True}),
            "PROCEEDED by 'p-2', who was not asked to",
        ),
        (
            lambda a: _change(a, "s-1", "PROCEEDED", "payload", "approval", {"by": "p-1", "yes": False}),
            "with another decision than p-1 sent",
        ),
        (lambda a: _change(a, "s-1", "PROCEEDED", "payload", "amount", 2), "the payload is not that of"),
        (lambda a: _change(a, "s-2", "TIMEOUT", "payload", "amount", 2), "the payload is not that of"),
        (lambda a: _change(a, "s-2", "TIMEOUT", "requestMeta", "channel", "x"), "requestMeta of s-2"),
        (lambda a: _change(a, "s-2", "TIMEOUT", "result", "error", {"code": 1}), "TIMEOUT of s-2 has"),
        (lambda a: _change(a, "p-1", "SUCCESS", "payload", "form", {}), "the task's data is not in its"),
        (lambda a: _refuse(a, "p-1", "SUCCESS", 10118), "but p-1 was refused"),
        (lambda a: _refuse(a, "p-2", "FAIL", 10119), "ProceedTask p-2 of t-2: answered FAIL"),
        (lambda a: _refuse(a, "s-2", "ACK", 11006), "resumed although it was never acknowledged"),
        (lambda a: a.append(_resume("nobody", "t-1", "TIMEOUT", 0)), "nobody sent nobody"),
        (lambda a: _succeed(a, "p-2"), "p-2: answered SUCCESS, and 0 sagas go on by it"),
        (lambda a: _move(a, "p-1"), "p-1: one key on partitions"),
    ],
)
def test_the_checker_finds(break_it: Callable[[Answers], object], finding: str) -> None:
    sent, answers = _history()
    break_it(answers)
    report = check(sent, answers)
    assert any(finding in found for found in report.findings), report.say()


def _history() -> tuple[list[Sent], Answers]:
    """Task t-1 is proceeded, with repeats of both commands; t-2 times out, and a command comes late."""
    sent = [_start("s-1", "t-1"), _start("s-1", "t-1"), _start("s-2", "t-2")]
    sent += [_proceed("p-1", "t-1"), _proceed("p-1", "t-1"), _proceed("p-2", "t-2")]
    answers = [
        _ack("s-1", "t-1", START_MS),
        _ack("s-1", "t-1", START_MS + 9),
        _ack("s-2", "t-2", START_MS),
        _resume("s-1", "t-1", "PROCEEDED", START_MS + 20, {"by": "p-1", "yes": True}),
        _answer(_with_task(sent[3]), "reply", "SUCCESS", "t-1", {"endTime": START_MS + 20}),
        _answer(_with_task(sent[3]), "reply", "SUCCESS", "t-1", {"endTime": START_MS + 21}),
        _resume("s-2", "t-2", "TIMEOUT", DEADLINE_MS),
        _answer(sent[5].event, "reply", "FAIL", "t-2", {"error": {"code": 10120}}),
    ]
    return sent, answers


def _start(request_id: str, task_id: str) -> Sent:
    meta = {"action": "StartTask", "parameters": {"timeout": "5000"}}
    return Sent(0, _event(request_id, meta, {"amount": 1}), task_id, START_MS)


def _proceed(request_id: str, task_id: str) -> Sent:
    form = {"taskId": task_id, "decision": {"by": request_id, "yes": True}}
    return Sent(0, _event(request_id, {"action": "ProceedTask"}, {"form": form}), task_id, START_MS)


def _event(request_id: str, meta: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestMeta": {"id": request_id, "channel": "test"},
        "sagaMeta": [{"sagaId": "saga", "stepId": "step"}],
        "eventMeta": meta,
        "payload": payload,
    }


def _ack(request_id: str, task_id: str, at_ms: int) -> Answer:
    task = {"id": task_id, "domain": "default", "partition": 0, "timeout": DEADLINE_MS}
    result = {"receiveTime": at_ms, "endTime": at_ms, "task": task}
    return _answer(_start(request_id, task_id).event, "reply", "ACK", task_id, result)


def _resume(request_id: str, task_id: str, status: str, at_ms: int, decision: Any = None) -> Answer:
    event = copy.deepcopy(_start(request_id, task_id).event)
    if decision is not None:
        event["payload"]["approval"] = decision
    return _answer(event, "resume", status, task_id, {"endTime": at_ms})


def _with_task(command: Sent) -> dict[str, Any]:
    event = copy.deepcopy(command.event)
    event["payload"]["form"]["task"] = {"amount": 1}
    return event


def _answer(event: dict[str, Any], kind: str, status: str, task_id: str, result: dict[str, Any]) -> Answer:
    value = json.dumps({**event, "result": {**result, "status": status}}).encode()
    headers = {"event-kind": kind, "event-status": status, "task-id": task_id}
    return Answer(0, 0, 2 * DEADLINE_MS, event["requestMeta"]["id"].encode(), value, headers)


def _one(answers: Answers, request_id: str, status: str) -> Answer:
    return next(a for a in answers if a.key == request_id.encode() and a.status == status)


def _replaced(answers: Answers, old: Answer, event: dict[str, Any], **fields: Any) -> None:
    given = {
        "partition": old.partition,
        "offset": old.offset,
        "time_ms": old.time_ms,
        "key": old.key,
        "headers": old.headers,
    }
    answers[answers.index(old)] = Answer(**{**given, **fields}, value=json.dumps(event).encode())


def _change(answers: Answers, request_id: str, status: str, section: str, name: str, value: Any) -> None:
    old = _one(answers, request_id, status)
    event = old.event
    event[section][name] = value
    _replaced(answers, old, event)


def _refuse(answers: Answers, request_id: str, status: str, code: int) -> None:
    """Turn every answer of that status into a refusal."""
    for old in [a for a in answers if a.key == request_id.encode() and a.status == status]:
        event = {**old.event, "result": {"status": "FAIL", "error": {"code": code}}}
        _replaced(answers, old, event, headers={**old.headers, "event-status": "FAIL"})


def _succeed(answers: Answers, request_id: str) -> None:
    old = _one(answers, request_id, "FAIL")
    event = {**old.event, "result": {"status": "SUCCESS"}}
    _replaced(answers, old, event, headers={**old.headers, "event-status": "SUCCESS"})


def _move(answers: Answers, request_id: str) -> None:
    old = _one(answers, request_id, "SUCCESS")
    _replaced(answers, old, old.event, partition=1)
