"""StartTask once more (docs/protocol.md, "Repeats"): duplicates, taken ids, loops."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.actions.incoming import Incoming
from runner.errors import TASK_EXISTS
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status, encode_part
from runner.tasks.record import Record, read_record
from runner.tasks.repeats import REMEMBERED, after_round
from tests.unit.actions.events import (
    HOUR,
    NOW,
    again,
    answer,
    cancelled,
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
        case Status.CANCELLED:
            return closed_by(cancelled(), first)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("time", [None, "", 1_700_000_000_000, "1700000000000", "2026-11-22T10:00:00Z"])
def test_the_same_start_task_again_is_a_duplicate_in_any_state_of_the_task(status: Status, time: Any) -> None:
    one = start(meta={"requestTime": time}, timeout=HOUR)
    record = _in_state(status, started(one))
    decision = answer(again(one), record, now_ms=NOW + 5 * HOUR)
    assert decision.record is None
    assert len(decision.messages) == 1
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


def _start_of(number: int) -> Incoming:
    return start(meta={"requestTime": number}, payload={"taskId": "task-1", "round": number})


def _next(closed: Record, number: int) -> Record:
    """Return the generation after a closed one."""
    record = answer(_start_of(number), closed).record
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
    assert len(decision.messages) == 1
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


ROUNDS = 40


def _rounds(count: int) -> tuple[list[Incoming], list[Incoming], Record]:
    """Return what started and what ended so many rounds, and the open record after them."""
    starts = [start(meta={"requestTime": 0})]
    ends: list[Incoming] = []
    record = started(starts[0])
    for number in range(1, count + 1):
        ends.append((proceed if number % 2 else timeout)(meta={"requestTime": 1000 + number}))
        starts.append(_start_of(number))
        record = _next(closed_by(ends[-1], record), number)
    return starts, ends, record


def _is_repeat(one: Incoming, record: Record) -> bool:
    """Whether a message that comes again changes nothing and is answered as what it repeats."""
    decision = answer(again(one), record)
    if decision.record is None and decision.status != "FAIL":
        assert reply(decision).status == ("ACK" if one.event.action == "StartTask" else "SUCCESS")
        assert reply(decision).payload == one.event.payload
        return True
    return False


def test_whatever_started_or_ended_six_rounds_is_known_again() -> None:
    starts, ends, record = _rounds(6)
    assert all(_is_repeat(one, record) for one in [*starts, *ends])
    closed = closed_by(proceed(meta={"requestTime": 9}), record)
    assert all(_is_repeat(one, closed) for one in [*starts, *ends])


@pytest.mark.parametrize("closed", [False, True])
def test_the_last_64_events_of_a_task_are_known_again_and_no_more(closed: bool) -> None:
    starts, ends, record = _rounds(ROUNDS)
    in_order = [one for both in zip(starts, ends, strict=False) for one in both] + [starts[-1]]
    if closed:
        record = closed_by(proceed(meta={"requestTime": 9}), record)
    known = REMEMBERED - closed
    assert all(_is_repeat(one, record) for one in in_order[-known:])
    assert not any(_is_repeat(one, record) for one in in_order[:-known])


def test_a_record_grows_by_14_bytes_an_event_and_not_for_ever() -> None:
    sizes = [len(encode_part(_rounds(count)[2].state.previous_identities)) for count in (0, 1, 31, 32, 40)]
    assert sizes == [2, 2 * 14 + 1, 62 * 14 + 1, 63 * 14 + 1, 63 * 14 + 1]


def test_what_is_remembered_of_one_task_says_nothing_of_another() -> None:
    """The same request, step and time may name two tasks."""
    kept: list[str] = []
    for task_id in ("task-1", "task-2"):
        first = started(start(meta={"requestTime": 1}, payload={"taskId": task_id}))
        kept += after_round(closed_by(proceed(payload={"taskId": task_id}), first))
    assert len(set(kept)) == 4


def _of_older_version() -> Record:
    """Return a record as version 0.1 wrote it after six rounds: the last four in full."""
    state = b"""{"status":"OPEN","home":0,"source":"1/0@10","created_ms":1800000000000,"earlier":[
        "138f1fa7f5a7b9922c1bc839","0ba5005de70d66524d92a692","9179584521a10bf63b62cf8f",
        "8597554c7e9305111464c581","4122cfa0bb14c6098283c099","864dbd6a89b10ca31ff0fc69",
        "7cbf6372e0ac6134322de423","1728d1604156bc81727c5cb6"]}"""
    return read_record(TaskKey("orders", "task-1"), 13, state, encode_part(_rounds(6)[2].start))


def test_what_a_record_of_an_older_version_remembers_is_known_again() -> None:
    starts, ends, record = *_rounds(6)[:2], _of_older_version()
    assert all(_is_repeat(one, record) for one in [*starts[2:], *ends[2:]])
    for number in range(7, 7 + 27):
        record = _next(closed_by(proceed(meta={"requestTime": 1000 + number}), record), number)
    assert all(_is_repeat(one, record) for one in [*starts[2:], *ends[2:]])
    record = _next(closed_by(proceed(meta={"requestTime": 2000}), record), 100)
    assert not _is_repeat(starts[2], record)
