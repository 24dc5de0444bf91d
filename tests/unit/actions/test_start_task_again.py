"""StartTask once more (protocol, section 4, StartTask 4): duplicates, taken ids, loops."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.errors import TASK_EXISTS
from runner.tasks.record import EARLIER, Record, Status
from tests.unit.actions.events import (
    HOUR,
    NOW,
    again,
    answer,
    closed_by,
    code,
    envelope,
    failure,
    incoming,
    proceed,
    reply,
    resumed,
    start,
    started,
    timeout,
)

# 4. One ACK per StartTask message.


def _in_state(status: Status, first: Record) -> Record:
    match status:
        case Status.OPEN:
            return first
        case Status.PROCEEDED:
            return closed_by(proceed(request={"claims": {"roles": ["manager"]}}), first)
        case Status.TIMED_OUT:
            return closed_by(timeout(), first)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("time", [None, "", 1_700_000_000_000, "1700000000000", "2026-11-22T10:00:00Z"])
def test_the_same_start_task_again_is_a_duplicate_in_any_state_of_the_task(status: Status, time: Any) -> None:
    one = start(meta={"requestTime": time}, timeout=HOUR)
    record = _in_state(status, started(one))
    decision = answer(again(one), record, now_ms=NOW + 5 * HOUR)
    assert decision.record is None
    assert len(decision.emits) == 1
    ack = reply(decision)
    assert ack.status == "ACK"
    assert ack.result["task"] == {"id": "task-1", "domain": "orders", "partition": 0, "timeout": NOW + HOUR}


@pytest.mark.parametrize(
    "differently",
    [
        {"payload": {"taskId": "task-1", "other": 1}},
        {"taskName": "another name"},
        {"request": {"channel": "other"}},
        {"meta": {"requestTime": 1.7e12, "outputElement": "x"}},
    ],
)
def test_with_request_time_only_request_saga_step_and_time_make_a_duplicate(
    differently: dict[str, Any],
) -> None:
    record = started(start(meta={"requestTime": 1_700_000_000_000}))
    meta = {"requestTime": "1700000000000", **differently.pop("meta", {})}
    decision = answer(start(meta=meta, **differently), record)
    assert decision.status == "ACK"
    assert decision.record is None


@pytest.mark.parametrize(
    "other",
    [
        {"meta": {"requestTime": 2}},
        {"meta": {}},
        {"request": {"id": "req-9"}},
        {"saga": [{"sagaId": "purchase", "stepId": "step-3"}]},
        {"saga": [{"sagaId": "other", "stepId": "step-2"}]},
        {"saga": [{"sagaId": "purchase", "stepId": "step-2"}, {"sagaId": "inner", "stepId": "step-2"}]},
        {"saga": None},
    ],
)
def test_another_start_task_on_an_open_id_is_task_exists(other: dict[str, Any]) -> None:
    record = started(start(meta={"requestTime": 1}))
    error = failure(answer(start(**{"meta": {"requestTime": 1}, **other}), record))
    assert error["code"] == TASK_EXISTS
    assert error["http"] == 409
    assert "task-1" in error["message"]


@pytest.mark.parametrize("around", [b"%s\n", b"  %s", b"\t%s\r\n"])
def test_without_request_time_the_same_value_is_a_duplicate_whatever_white_space_is_around_it(
    around: bytes,
) -> None:
    one = incoming(around % json.dumps(envelope("StartTask")).encode())
    decision = answer(again(one), started(one))
    assert decision.status == "ACK"
    assert decision.record is None


def test_without_request_time_another_value_is_another_task() -> None:
    decision = answer(start(payload={"taskId": "task-1", "n": 2}), started())
    assert code(decision) == TASK_EXISTS


def test_a_numeric_step_id_is_the_same_step_as_its_text() -> None:
    time = {"requestTime": 1}
    record = started(start(meta=time, saga=[{"sagaId": "purchase", "stepId": 20}]))
    decision = answer(start(meta=time, saga=[{"sagaId": "purchase", "stepId": "20"}]), record)
    assert decision.status == "ACK"


@pytest.mark.parametrize("status", [Status.PROCEEDED, Status.TIMED_OUT])
def test_a_start_task_on_a_closed_id_makes_a_new_record(status: Status) -> None:
    """A loop in the saga: nothing of the earlier generation is left."""
    first = started(start(meta={"requestTime": 1}, taskRoles="manager", timeout=HOUR, taskName="first"))
    closed = _in_state(status, first)
    one = incoming(envelope("StartTask", meta={"requestTime": 2}, taskRoles="director"), offset=50)
    decision = answer(one, closed, now_ms=NOW + HOUR)
    assert decision.status == "ACK"
    record = decision.record
    assert record is not None
    assert record.is_open
    assert record.revision == closed.revision + 1
    assert record.state.closing is None
    assert record.state.roles == ("director",)
    assert record.state.deadline_ms is None
    assert record.start.name is None
    assert record.state.source == "1/0@50"
    assert record.state.created_ms == NOW + HOUR


def test_a_new_generation_can_be_proceeded_like_the_first() -> None:
    closed = closed_by(proceed(meta={"requestTime": 3}), started(start(meta={"requestTime": 1})))
    second = answer(start(meta={"requestTime": 2}, payload={"taskId": "task-1", "round": 2}), closed).record
    assert second is not None
    decision = answer(proceed(meta={"requestTime": 4}), second)
    assert resumed(decision).payload == {"taskId": "task-1", "round": 2}


# What started or closed an earlier generation comes once more.


def _next(closed: Record, number: int) -> Record:
    """Return the generation after a closed one."""
    one = start(meta={"requestTime": number}, payload={"taskId": "task-1", "round": number})
    record = answer(one, closed).record
    assert record is not None
    return record


@pytest.mark.parametrize("command", [proceed, timeout])
@pytest.mark.parametrize("closed", [False, True])
def test_a_repeat_of_what_closed_an_earlier_generation_closes_no_other(command: Any, closed: bool) -> None:
    first = command(meta={"requestTime": 10})
    record = _next(closed_by(first, started(start(meta={"requestTime": 1}))), 2)
    if closed:
        record = closed_by(proceed(meta={"requestTime": 20}), record)
    decision = answer(again(first), record)
    assert decision.record is None
    assert len(decision.emits) == 1
    assert reply(decision).status == "SUCCESS"
    # Who was asked about the first may have no business with what is stored now.
    assert "round" not in reply(decision).payload


@pytest.mark.parametrize("closed", [False, True])
def test_a_repeat_of_an_earlier_start_task_is_a_duplicate(closed: bool) -> None:
    first = start(meta={"requestTime": 1})
    record = _next(closed_by(proceed(meta={"requestTime": 10}), started(first)), 2)
    if closed:
        record = closed_by(proceed(meta={"requestTime": 20}), record)
    decision = answer(again(first), record)
    assert decision.record is None
    assert reply(decision).status == "ACK"


def test_a_record_does_not_grow_with_its_generations() -> None:
    record, sizes = started(start(meta={"requestTime": 0})), []
    ends = [proceed(meta={"requestTime": 100 + number}) for number in range(8)]
    for number, end in enumerate(ends):
        record = _next(closed_by(end, record), number + 1)
        sizes.append(len(record.state.earlier))
    assert sizes == [2, 4, 6, 8, 8, 8, 8, 8]
    assert sizes[-1] == EARLIER
    assert all(answer(again(end), record).record is None for end in ends[-4:])
    assert answer(again(ends[0]), record).record is not None
