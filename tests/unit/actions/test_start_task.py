"""StartTask: what is stored, what is acknowledged, what is a duplicate."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from runner.actions.incoming import Incoming
from runner.actions.inputs import MAX_TIME_MS
from runner.actions.policy import DomainPolicy, Policy
from runner.envelope.event import MetaRules
from runner.errors import INPUT_MISSING, NOT_CONVERTIBLE, UNDELIVERABLE, EventError
from runner.tasks.record import Record
from tests.unit.actions.events import (
    HOUR,
    NOW,
    FakeOutlet,
    answer,
    code,
    envelope,
    failure,
    incoming,
    proceed,
    reply,
    start,
    started,
    timeout,
)

NO_MILLISECONDS: tuple[Any, ...] = (
    *("soon", "NaN", "nan", "inf", "-Infinity", "1e30", "-1e400", "1_000", "١٢", "0x10", "60000ms", "1,000"),
    *("+5", "01", "1.", ".5", "²", "1e", "\ufeff1", "1 000"),
    *(1e30, 10**40, MAX_TIME_MS + 1, True, False, [], [1], {}),
)
ORDER: dict[str, Any] = {"taskId": "task-1", "process": {"data": {"amount": 12, "note": None}}, "0": [1]}


# 1. data = inputPattern(inputElement). Store a record.


@pytest.mark.parametrize(
    ("element", "pattern", "data"),
    [
        (None, None, ORDER),
        ("process.data", None, {"amount": 12, "note": None}),
        ("$.process", None, {"data": {"amount": 12, "note": None}}),
        ("@.payload.process.data.amount", None, 12),
        (None, "process.data.amount", 12),
        ("process.data", "{sum: amount}", {"sum": 12}),
        ("process.data.note", None, None),
        ("process.data.note", "anything", None),
        ("process.data.note", "`true`", None),
        ("process.data", "missing", None),
        ("0.0", None, 1),
    ],
)
def test_data_is_the_input_pattern_of_the_input_element(
    element: str | None, pattern: str | None, data: Any
) -> None:
    one = start(payload=ORDER, meta={"inputElement": element}, inputPattern=pattern, taskIdPath="$.taskId")
    record = started(one)
    assert record.data(record.starting_event()) == data


def test_without_input_element_and_pattern_the_payload_is_not_stored_twice() -> None:
    assert started(start(payload=ORDER)).start.data is UNSET
    assert started(start(payload=ORDER, inputPattern="@")).start.data is not UNSET


@pytest.mark.parametrize("payload", [None, "absent"])
def test_a_missing_payload_is_input_missing(payload: Any) -> None:
    sent = envelope("StartTask", payload=None)
    if payload == "absent":
        del sent["payload"]
    assert code(answer(incoming(sent))) == INPUT_MISSING


def test_an_input_element_that_leads_nowhere_is_input_missing_and_named() -> None:
    error = failure(answer(start(meta={"inputElement": "process.data"})))
    assert error["code"] == INPUT_MISSING
    assert "process.data" in error["message"]


@pytest.mark.parametrize(
    ("meta", "parameters"),
    [
        ({}, {"inputPattern": "a["}),
        ({}, {"inputPattern": "no_such_function(@)"}),
        ({}, {"inputPattern": "length(taskId.x)"}),
        ({"inputElement": "a..b"}, {}),
        ({"inputElement": "$..["}, {}),
        ({}, {"taskIdPath": "a[?"}),
        ({}, {"skipPattern": "&"}),
    ],
)
def test_a_bad_pattern_or_path_is_not_convertible(meta: dict[str, Any], parameters: dict[str, Any]) -> None:
    assert code(answer(start(meta=meta, **parameters))) == NOT_CONVERTIBLE


def test_the_record_keeps_the_whole_starting_event_byte_for_byte() -> None:
    sent = envelope("StartTask", payload=ORDER, meta={"unknown": {"deep": [1, 2.50]}})
    sent["audit"] = {"by": "ünïcode\n"}
    value = json.dumps(sent, indent=3, ensure_ascii=False).encode()
    assert bytes(started(incoming(value)).start.event) == value


def test_the_record_keeps_name_spec_action_user_and_roles() -> None:
    record = started(
        start(
            taskName="Approve purchase",
            taskSpec="approval",
            taskAction="approve",
            taskUser="ann",
            taskRoles="manager",
        )
    )
    assert (record.start.name, record.start.spec, record.start.action) == (
        "Approve purchase",
        "approval",
        "approve",
    )
    assert (record.state.user, record.state.roles) == ("ann", ("manager",))


@pytest.mark.parametrize(
    ("roles", "kept"),
    [
        ("manager", ("manager",)),
        (" manager , director ,, ", ("manager", "director")),
        ("z,a,z", ("z", "a")),
        (["director", " manager "], ("director", "manager")),
        (["a,b"], ("a,b",)),
        ([], ()),
        ("", ()),
        (None, ()),
        ("manager,\u00a0,", ("manager",)),
        (["", "manager", " "], ("manager",)),
    ],
)
def test_a_comma_list_of_roles_becomes_a_trimmed_array(roles: Any, kept: tuple[str, ...]) -> None:
    assert started(start(taskRoles=roles)).state.roles == kept


@pytest.mark.parametrize(
    "roles", [42, 0, True, False, {"manager": True}, {}, [1], [None], ["manager", None], [["manager"]]]
)
def test_roles_that_are_no_roles_do_not_open_the_task_to_everyone(roles: Any) -> None:
    assert code(answer(start(wrong_meta={"parameters": {"taskRoles": roles}}))) == NOT_CONVERTIBLE


@pytest.mark.parametrize("nobody", [",", " ", " , ", "\u00a0", "\t\n", [""], [" "], [" ", ","], ["\u00a0"]])
def test_roles_that_name_nobody_do_not_open_the_task_to_everyone(nobody: Any) -> None:
    sent = start(wrong_meta={"parameters": {"taskRoles": nobody}})
    by_rule = incoming(envelope("StartTask"), rules=MetaRules(parameter_defaults={"taskRoles": nobody}))
    for one in (sent, by_rule):
        error = failure(answer(one))
        assert error["code"] == NOT_CONVERTIBLE
        assert "taskRoles" in error["message"]
        assert "leave it out" in error["message"]


@pytest.mark.parametrize("nobody", [" ", "\u00a0", "\t\n"])
def test_a_user_who_is_nobody_does_not_open_the_task_to_everyone(nobody: str) -> None:
    error = failure(answer(start(wrong_meta={"parameters": {"taskUser": nobody}})))
    assert error["code"] == NOT_CONVERTIBLE
    assert "taskUser" in error["message"]


@pytest.mark.parametrize(("user", "kept"), [("ann", "ann"), (7, "7"), ("", None), (None, None)])
def test_the_user_is_text_or_nobody(user: Any, kept: str | None) -> None:
    assert started(start(taskUser=user)).state.user == kept


@pytest.mark.parametrize(
    "name", ["taskUser", "taskName", "taskSpec", "taskAction", "inputPattern", "taskIdPath"]
)
@pytest.mark.parametrize("value", [True, {"a": 1}, ["a"]])
def test_a_parameter_that_should_be_text_is_refused_by_name(name: str, value: Any) -> None:
    error = failure(answer(start(wrong_meta={"parameters": {name: value}})))
    assert error["code"] == NOT_CONVERTIBLE
    assert name in error["message"]


# 2. The deadline.


@pytest.mark.parametrize(
    ("parameters", "deadline_ms"),
    [
        ({}, None),
        ({"timeout": None, "timeoutOn": None}, None),
        ({"timeout": "", "timeoutOn": " "}, None),
        ({"timeout": 60000}, NOW + 60_000),
        ({"timeout": "60000"}, NOW + 60_000),
        ({"timeout": " 60000 "}, NOW + 60_000),
        ({"timeout": "6e4"}, NOW + 60_000),
        ({"timeout": 60000.9}, NOW + 60_000),
        ({"timeout": 0}, NOW),
        ({"timeout": -5000}, NOW - 5000),
        ({"timeout": "-0.5"}, NOW),
        ({"timeout": -MAX_TIME_MS}, 0),
        ({"timeoutOn": -1}, 0),
        ({"timeoutOn": -(2**63)}, 0),
        ({"timeout": "-1e30"}, 0),
        ({"timeoutOn": NOW + HOUR}, NOW + HOUR),
        ({"timeoutOn": str(NOW + HOUR)}, NOW + HOUR),
        ({"timeoutOn": NOW + HOUR, "timeout": 1}, NOW + HOUR),
        ({"timeoutOn": NOW + HOUR, "timeout": 9 * HOUR}, NOW + HOUR),
        ({"timeoutOn": "", "timeout": 1}, NOW + 1),
        ({"timeoutOn": MAX_TIME_MS}, MAX_TIME_MS),
        ({"timeout": MAX_TIME_MS}, MAX_TIME_MS),
    ],
)
def test_timeout_on_wins_over_timeout_and_neither_is_never(
    parameters: dict[str, Any], deadline_ms: int | None
) -> None:
    decision = answer(start(**parameters))
    assert decision.record is not None
    assert decision.record.state.deadline_ms == deadline_ms
    assert reply(decision).result["task"]["timeout"] == deadline_ms


@pytest.mark.parametrize("moment", [0, "0", 1, NOW - 1, NOW])
def test_a_deadline_in_the_past_is_accepted_and_due_at_once(moment: Any) -> None:
    record = started(start(timeoutOn=moment))
    assert record.is_open
    assert record.state.deadline_ms == int(moment)


@pytest.mark.parametrize("name", ["timeout", "timeoutOn"])
@pytest.mark.parametrize("value", NO_MILLISECONDS)
def test_a_deadline_that_is_not_a_number_of_ms_is_not_convertible(name: str, value: Any) -> None:
    error = failure(answer(start(wrong_meta={"parameters": {name: value}})))
    assert error["code"] == NOT_CONVERTIBLE
    assert name in error["message"]


# 3. Reply ACK at once.


def test_ack_names_the_task_its_home_and_its_deadline() -> None:
    decision = answer(incoming(envelope("StartTask", timeout=HOUR), partition=7))
    assert decision.status == "ACK"
    assert len(decision.messages) == 1
    ack = reply(decision)
    assert ack.status == "ACK"
    assert ack.result == {
        "receiveTime": NOW,
        "endTime": NOW,
        "status": "ACK",
        "task": {"id": "task-1", "domain": "orders", "partition": 7, "timeout": NOW + HOUR},
    }
    assert decision.record is not None
    assert decision.record.state.home == 7


def test_the_payload_of_an_ack_is_unchanged_to_the_byte() -> None:
    payload = b'{ "taskId" : "task-1", "big":1.50, "dup":1, "dup":2, "text":"\\u00e9" }'
    value = json.dumps(envelope("StartTask", payload="PAYLOAD")).encode().replace(b'"PAYLOAD"', payload)
    outgoing = answer(incoming(value)).messages[0]
    assert outgoing.value is not None
    assert payload in outgoing.value


def test_an_earlier_result_leaves_nothing_of_ours_in_the_ack() -> None:
    sent = envelope("StartTask")
    sent["result"] = {
        "status": "FAIL",
        "error": {"code": 1},
        "requested": 3,
        "endTime": 1,
        "theirs": {"a": [1]},
    }
    result = reply(answer(incoming(sent))).result
    assert result["theirs"] == {"a": [1]}
    assert result["status"] == "ACK"
    assert not {"error", "requested"} & set(result)
    assert result["endTime"] == NOW


def _ends(record: Record, policy: Policy, topics: FakeOutlet) -> tuple[bool, bool]:
    """Whether the task can be proceeded and timed out, each answered on a stream of its own."""
    here = {"meta": {"responseStream": "orders-out"}}
    proceeded = answer(proceed(**here), record, policy=policy, topics=topics)
    timed_out = answer(timeout(**here), record, policy=policy, topics=topics)
    return proceeded.record is not None, timed_out.record is not None


def _accepted(one: Incoming, policy: Policy, limit_bytes: int) -> Record | None:
    """The record, where the limit of the topic lets the task begin."""
    try:
        return answer(one, policy=policy, topics=FakeOutlet(responses=limit_bytes)).record
    except EventError:
        return None  # not even a FAIL fits


@pytest.mark.parametrize("word", ["PROCEEDED", "OK", "PROCEEDED_" * 40, "é" * 300])
def test_a_start_task_whose_resumed_event_could_not_be_sent_later_is_refused_now(word: str) -> None:
    """At the smallest limit at which a task may begin it can end, in both ways."""
    policy = Policy(
        domains={"orders": DomainPolicy()}, allowed_streams=frozenset({"orders-out"}), proceeded_status=word
    )
    one = incoming(envelope("StartTask"), headers=(("traceparent", b"\xff" * 50),))
    smallest = next(limit for limit in range(500, 5000) if _accepted(one, policy, limit))
    for limit in (smallest, smallest + 1, smallest + 100):
        record = _accepted(one, policy, limit)
        assert record is not None
        assert _ends(record, policy, FakeOutlet(responses=limit)) == (True, True)


def test_a_start_task_too_large_for_its_responses_is_refused_now() -> None:
    one = start(payload={"taskId": "task-1", "fill": "x" * 3000})
    error = failure(answer(one, topics=FakeOutlet(responses=3000)))
    assert (error["code"], error["http"]) == (UNDELIVERABLE, 413)


@pytest.mark.parametrize("output_element", ["a..b", "a[", "$..a", "a[*]", "@", "@.payload.a"])
def test_an_output_element_that_could_not_be_written_later_is_refused_now(output_element: str) -> None:
    error = failure(answer(start(meta={"outputElement": output_element})))
    assert error["code"] == NOT_CONVERTIBLE
    assert output_element in error["message"]


@pytest.mark.parametrize("input_element", ["order[?id=='a'].data", "@.payload.order"])
def test_an_input_element_that_can_only_be_read_is_accepted(input_element: str) -> None:
    order = [{"id": "a", "data": {"x": 1}}]
    one = start(
        meta={"inputElement": input_element},
        payload={"taskId": "task-1", "order": order},
        taskIdPath="$.taskId",
    )
    assert answer(proceed(meta={"outputElement": "-"}), started(one)).status == "PROCEEDED"


def test_a_start_task_whose_stream_does_not_exist_is_refused_now() -> None:
    error = failure(answer(start(meta={"responseStream": "nowhere"})))
    assert error["code"] == UNDELIVERABLE
    assert "nowhere" in error["message"]


def test_the_first_record_has_revision_one_and_the_source_of_its_start() -> None:
    record = started()
    assert record.revision == 1
    assert record.state.source == "1/0@10"
    assert str(record.started_by) == "1/0@10"
    assert record.state.created_ms == NOW


def test_equal_ids_in_two_domains_are_two_tasks() -> None:
    assert started(start(meta={"domain": "brief"})).key != started().key


def test_start_task_does_not_ask_who_the_caller_is() -> None:
    one = start(taskRoles="manager", request={"claims": {"sub": "clerk", "roles": []}})
    assert answer(one).status == "ACK"
