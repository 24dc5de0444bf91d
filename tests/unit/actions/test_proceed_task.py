"""ProceedTask: which task, what is resumed, what is replied, what is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from runner.actions.decision import Done
from runner.errors import (
    FORBIDDEN,
    NOT_CONVERTIBLE,
    TASK_NOT_FOUND,
    TASK_PROCEEDED,
    TASK_TIMED_OUT,
    UNDELIVERABLE,
)
from runner.tasks.parts import Status
from tests.unit.actions.events import (
    HOUR,
    NOW,
    POLICY,
    FakeOutlet,
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

MANAGER: dict[str, Any] = {"claims": {"sub": "max", "roles": ["manager"]}}


# 1. Find the record.


def test_no_record_is_task_not_found() -> None:
    error = failure(answer(proceed(payload={"taskId": "nobody"})))
    assert (error["code"], error["http"]) == (TASK_NOT_FOUND, 404)
    assert "nobody" in error["message"]


def test_a_proceeded_task_is_task_already_processed() -> None:
    closed = closed_by(proceed(), started())
    error = failure(answer(proceed(request={"id": "req-3"}), closed))
    assert (error["code"], error["http"]) == (TASK_PROCEEDED, 409)


def test_a_timed_out_task_is_task_already_timed_out() -> None:
    closed = closed_by(timeout(), started())
    error = failure(answer(proceed(), closed))
    assert (error["code"], error["http"]) == (TASK_TIMED_OUT, 409)


def test_past_the_deadline_but_not_yet_timed_out_may_still_proceed() -> None:
    record = started(start(timeout=1))
    assert answer(proceed(), record, now_ms=NOW + HOUR).status == "PROCEEDED"


# 2. May the caller? (all of it in test_callers)


def test_a_caller_without_the_role_is_refused_and_nothing_is_changed() -> None:
    record = started(start(taskRoles="manager"))
    error = failure(answer(proceed(), record))
    assert (error["code"], error["http"]) == (FORBIDDEN, 403)
    assert answer(proceed(request=MANAGER), record).status == "PROCEEDED"


def test_the_record_comes_first_so_a_stranger_on_a_closed_task_learns_that_it_is_closed() -> None:
    closed = closed_by(proceed(request=MANAGER), started(start(taskRoles="manager")))
    assert code(answer(proceed(request={"id": "req-3"}), closed)) == TASK_PROCEEDED


# 3. Two messages, in this order: Resume, then Reply.


def test_the_resumed_event_goes_first_and_the_reply_second() -> None:
    decision = answer(proceed(), started())
    assert decision.status == "PROCEEDED"
    assert [dict(outgoing.headers)["event-kind"] for outgoing in decision.messages] == [b"resume", b"reply"]
    assert (resumed(decision).status, reply(decision).status) == ("PROCEEDED", "SUCCESS")


def test_the_resumed_event_is_the_stored_starting_event() -> None:
    sent = envelope("StartTask", payload={"taskId": "task-1", "order": {"lines": [1, 2.5, None]}})
    sent["requestMeta"] |= {"claims": {"roles": []}, "ünknown": {"x": 1}}
    sent["sagaMeta"].insert(0, {"sagaId": "outer", "stepId": 1, "more": True})
    sent["eventMeta"] |= {"extra": ["kept"]}
    sent["audit"] = {"by": "gateway"}
    resumption = resumed(answer(proceed(), started(incoming(sent))))
    assert {**resumption.value, "result": None} == sent
    assert resumption.result == {"receiveTime": NOW, "endTime": NOW, "status": "PROCEEDED"}


@pytest.mark.parametrize("parameters", [{}, {"enrichPath": None}, {"enrichPath": ""}])
def test_without_enrich_path_there_is_no_enrichment(parameters: dict[str, Any]) -> None:
    payload = b'{"taskId":"task-1", "amount":1.50}'
    value = json.dumps(envelope("StartTask", payload="P")).encode().replace(b'"P"', payload)
    decision = answer(
        proceed(payload={"taskId": "task-1", "form": {"x": 1}}, **parameters), started(incoming(value))
    )
    assert decision.messages[0].value is not None
    assert payload in decision.messages[0].value


ANSWER: dict[str, Any] = {
    "taskId": "task-1",
    "form": {"data": {"ok": True, "lines": [9]}, "nothing": None, "score": 7},
}
GIVEN: dict[str, Any] = ANSWER["form"]["data"]
OPEN: dict[str, Any] = {"taskId": "task-1", "order": {"ok": 0, "lines": [1, 2]}}


@pytest.mark.parametrize(
    ("meta", "enriched"),
    [
        # absent: inputElement, else the payload root
        ({}, {**OPEN, **GIVEN}),
        ({"inputElement": "order"}, {**OPEN, "order": GIVEN}),
        # relative to inputElement when that is given
        ({"outputElement": "reply"}, {**OPEN, "reply": GIVEN}),
        ({"outputElement": "order.reply"}, {**OPEN, "order": {**OPEN["order"], "reply": GIVEN}}),
        (
            {"inputElement": "order", "outputElement": "a.b"},
            {**OPEN, "order": {**OPEN["order"], "a": {"b": GIVEN}}},
        ),
        # $.x from the payload root
        ({"inputElement": "order", "outputElement": "$.reply"}, {**OPEN, "reply": GIVEN}),
        ({"inputElement": "order", "outputElement": "$"}, {**OPEN, **GIVEN}),
        # an element of an array
        ({"outputElement": "order.lines.1"}, {**OPEN, "order": {"ok": 0, "lines": [1, GIVEN]}}),
        # - drops the output
        ({"inputElement": "order", "outputElement": "-"}, OPEN),
    ],
)
def test_the_value_at_enrich_path_is_merged_at_the_output_element_of_the_starting_event(
    meta: dict[str, Any], enriched: dict[str, Any]
) -> None:
    record = started(start(payload=OPEN, meta=meta, taskIdPath="$.taskId"))
    one = proceed(payload=ANSWER, enrichPath="form.data", meta={"outputElement": "elsewhere"})
    assert resumed(answer(one, record)).payload == enriched


@pytest.mark.parametrize(
    ("meta", "parameters", "value"),
    [
        ({}, {"enrichPath": "form.data.ok"}, True),
        ({}, {"enrichPath": "$.form.score"}, 7),
        ({}, {"enrichPath": "@.requestMeta.id"}, "req-2"),
        ({}, {"enrichPath": "$.form.data.lines.0"}, 9),
        ({}, {"enrichPath": "form.data.lines[*]"}, 9),
        ({"inputElement": "form"}, {"enrichPath": "data.ok", "taskIdPath": "$.taskId"}, True),
        ({"inputElement": "form"}, {"enrichPath": "$.form.score", "taskIdPath": "$.taskId"}, 7),
        ({}, {"inputPattern": "{taskId: taskId, all: form}", "enrichPath": "all.score"}, 7),
    ],
)
def test_enrich_path_is_looked_up_in_the_incoming_input(
    meta: dict[str, Any], parameters: dict[str, Any], value: Any
) -> None:
    record = started(start(meta={"outputElement": "given"}))
    one = proceed(payload=ANSWER, meta=meta, **parameters)
    assert resumed(answer(one, record)).payload == {"taskId": "task-1", "given": value}


@pytest.mark.parametrize("path", ["form.nothing", "form.missing", "$.form.nothing", "@.result"])
def test_an_enrichment_of_null_or_nothing_changes_nothing(path: str) -> None:
    record = started(start(meta={"outputElement": "given"}))
    resumption = resumed(answer(proceed(payload=ANSWER, enrichPath=path), record))
    assert resumption.payload == {"taskId": "task-1"}


@pytest.mark.parametrize(
    ("output_element", "path"),
    [
        (None, "form.score"),
        ("$", "form.data.lines"),
        ("taskId.below", "form.data"),
    ],
)
def test_an_enrichment_that_cannot_be_written_is_refused_and_the_task_stays_open(
    output_element: str | None, path: str
) -> None:
    record = started(start(meta={"outputElement": output_element}))
    assert code(answer(proceed(payload=ANSWER, enrichPath=path), record)) == NOT_CONVERTIBLE
    assert answer(proceed(payload=ANSWER), record).status == "PROCEEDED"


def test_the_status_of_the_resumed_event_is_a_setting() -> None:
    policy = replace(POLICY, proceeded_status="SUCCESS")
    decision = answer(proceed(), started(), policy=policy)
    assert resumed(decision).status == "SUCCESS"
    assert resumed(decision).kind == "resume"


DATA: dict[str, Any] = {"taskId": "task-1", "order": {"amount": 12, "note": None}}


@pytest.mark.parametrize(
    ("meta", "pattern", "payload"),
    [
        ({}, None, {"taskId": "task-1", "in": {"a": 1}, "order": {"amount": 12, "note": None}}),
        ({}, "order", {"taskId": "task-1", "in": {"a": 1}, "amount": 12, "note": None}),
        ({"inputElement": "in"}, "order", {"taskId": "task-1", "in": {"a": 1, "amount": 12, "note": None}}),
        (
            {"inputElement": "in", "outputElement": "out"},
            "order.amount",
            {"taskId": "task-1", "in": {"a": 1, "out": 12}},
        ),
        (
            {"inputElement": "in", "outputElement": "$.out"},
            "[order.amount]",
            {"taskId": "task-1", "in": {"a": 1}, "out": [12]},
        ),
        ({"outputElement": "in.a"}, "order.amount", {"taskId": "task-1", "in": {"a": 12}}),
        ({"outputElement": "-"}, "order", {"taskId": "task-1", "in": {"a": 1}}),
        ({"outputElement": "-"}, "order.amount", {"taskId": "task-1", "in": {"a": 1}}),
        ({"outputElement": "out"}, "order.note", {"taskId": "task-1", "in": {"a": 1}}),
        ({}, "order.missing", {"taskId": "task-1", "in": {"a": 1}}),
    ],
)
def test_the_reply_has_the_stored_data_through_output_pattern_at_its_own_output_element(
    meta: dict[str, Any], pattern: str | None, payload: dict[str, Any]
) -> None:
    one = proceed(
        payload={"taskId": "task-1", "in": {"a": 1}},
        meta=meta,
        outputPattern=pattern,
        taskIdPath="$.taskId",
    )
    said = reply(answer(one, started(start(payload=DATA, meta={"outputElement": "elsewhere"}))))
    assert said.status == "SUCCESS"
    assert said.payload == payload


def test_the_stored_data_is_what_the_input_pattern_of_the_start_made() -> None:
    record = started(start(payload=DATA, inputPattern="{sum: order.amount}", taskIdPath="$.taskId"))
    one = proceed(meta={"outputElement": "task"})
    assert reply(answer(one, record)).payload == {"taskId": "task-1", "task": {"sum": 12}}


def test_stored_data_of_null_changes_nothing_in_the_reply() -> None:
    record = started(start(payload=DATA, inputPattern="order.note", taskIdPath="$.taskId"))
    assert record.data(record.starting_event()) is None
    one = proceed(meta={"outputElement": "task"}, outputPattern="anything")
    assert reply(answer(one, record)).payload == {"taskId": "task-1"}


@pytest.mark.parametrize(
    ("meta", "pattern"),
    [
        ({}, "order.amount"),
        ({}, "[order]"),
        ({"outputElement": "taskId.x"}, "order"),
        ({}, "a["),
        ({}, "abs(order)"),
    ],
)
def test_an_output_that_cannot_be_made_or_written_is_refused_and_the_task_stays_open(
    meta: dict[str, Any], pattern: str
) -> None:
    record = started(start(payload=DATA))
    decision = answer(proceed(meta=meta, outputPattern=pattern), record)
    assert code(decision) == NOT_CONVERTIBLE


def test_unknown_fields_of_the_incoming_event_survive_in_the_reply() -> None:
    one = proceed(payload={"taskId": "task-1", "deep": {"er": [{"x": 1.5}]}})
    sent = json.loads(one.value)
    sent["requestMeta"] |= {"hop": {"n": [1]}}
    sent["sagaMeta"][0] |= {"tries": 2}
    sent["eventMeta"] |= {"tag": "x"}
    sent["eventMeta"]["parameters"] |= {"mine": {"y": 1}}
    sent["extra"] = [{"z": None}]
    sent["result"] = {"theirs": {"kept": True}, "error": {"code": 5}, "status": "FAIL"}
    said = reply(answer(incoming(sent), started())).value
    assert said.pop("result") == {
        "theirs": {"kept": True},
        "receiveTime": NOW,
        "endTime": NOW,
        "status": "SUCCESS",
    }
    del sent["result"]
    assert said == sent


@pytest.mark.parametrize("time", [None, 1_700_000_000_000])
def test_a_repeat_of_the_closing_command_gets_the_same_success_and_no_second_resume(time: Any) -> None:
    record = started(start(payload=DATA, taskRoles="manager"))
    one = proceed(request=MANAGER, meta={"requestTime": time, "outputElement": "out"}, outputPattern="order")
    first = answer(one, record)
    repeat = answer(again(one), first.record)
    assert repeat.record is None
    assert isinstance(repeat.outcome, Done)
    assert repeat.outcome.resumed is None
    assert repeat.messages == (first.messages[1],)


def test_a_repeat_is_told_by_request_step_and_request_time() -> None:
    time = {"requestTime": 5}
    closed = closed_by(proceed(meta=time), started())
    assert answer(proceed(meta=time, payload={"taskId": "task-1", "n": 2}), closed).status == "SUCCESS"
    for other in (
        {"meta": {"requestTime": 6}},
        {"meta": time, "request": {"id": "req-9"}},
        {"meta": time, "saga": [{"sagaId": "purchase", "stepId": "step-6"}]},
    ):
        assert code(answer(proceed(**other), closed)) == TASK_PROCEEDED


# 4. The record is closed and kept.


def test_the_closed_record_says_how_when_and_how_long_it_is_kept() -> None:
    record = started(start(timeout=HOUR))
    closed = answer(proceed(), record, now_ms=NOW + 5).record
    assert closed is not None
    assert closed.state.status is Status.PROCEEDED
    assert closed.revision == record.revision + 1
    assert closed.start == record.start
    closing = closed.state.closing
    assert closing is not None
    assert (closing.source, closing.at_ms) == ("1/0@20", NOW + 5)
    assert closing.remove_at_ms == NOW + 5 + POLICY.domains["orders"].retention_ms
    assert structs.replace(closed, state=record.state, revision=record.revision) == record


def test_on_proceed_delete_keeps_it_only_as_long_as_redelivery_needs_it() -> None:
    brief = {"meta": {"domain": "brief"}}
    closed = closed_by(proceed(**brief), started(start(**brief)))
    assert closed.state.closing is not None
    assert closed.state.closing.remove_at_ms == NOW


# Where the two go.


def test_the_resumed_event_has_the_key_of_the_original_request_and_the_reply_that_of_its_own() -> None:
    decision = answer(proceed(), started())
    assert (resumed(decision).key, reply(decision).key) == ("req-1", "req-2")


def test_the_resumed_event_goes_to_the_stream_of_the_stored_event() -> None:
    record = started(start(meta={"responseStream": "orders-out"}))
    decision = answer(proceed(), record)
    assert (resumed(decision).stream, reply(decision).stream) == ("orders-out", "responses")
    decision = answer(proceed(meta={"responseStream": "orders-out"}), started())
    assert (resumed(decision).stream, reply(decision).stream) == ("responses", "orders-out")


def test_a_resumed_event_too_large_for_its_stream_is_refused_and_the_task_stays_open() -> None:
    record = started(start(meta={"responseStream": "orders-out", "outputElement": "given"}))
    one = proceed(payload={"taskId": "task-1", "form": "x" * 4000}, enrichPath="form")
    topics = FakeOutlet(orders_out=3000)
    error = failure(answer(one, record, topics=topics))
    assert (error["code"], error["http"]) == (UNDELIVERABLE, 413)
    assert "orders-out" in error["message"]
    assert answer(proceed(), record, topics=topics).status == "PROCEEDED"


def test_a_stream_of_the_stored_event_that_is_no_longer_there_refuses_and_keeps_the_task_open() -> None:
    record = started(start(meta={"responseStream": "orders-out"}))
    gone = FakeOutlet(orders_out=None)
    assert code(answer(proceed(), record, topics=gone)) == UNDELIVERABLE
    forbidden = replace(POLICY, allowed_streams=frozenset())
    assert code(answer(proceed(), record, policy=forbidden)) == UNDELIVERABLE


def test_the_trace_of_the_start_goes_with_the_resumed_event_and_that_of_the_command_with_the_reply() -> None:
    begin = (
        ("traceparent", b"00-start-\xff-01"),
        ("tracestate", b"a=1"),
        ("tracestate", b"b=2"),
        ("other", b"x"),
    )
    end = (("traceparent", b"00-end-01"), ("secret", b"y"))
    record = started(incoming(envelope("StartTask"), headers=begin))
    decision = answer(structs.replace(proceed(), headers=end), record)
    assert [header for header in decision.messages[0].headers if header[0].startswith("trace")] == list(
        begin[:3]
    )
    assert [header for header in decision.messages[1].headers if header[0].startswith("trace")] == [end[0]]
    assert not {"other", "secret"} & {name for outgoing in decision.messages for name, _ in outgoing.headers}
