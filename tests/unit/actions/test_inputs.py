"""Task ids, domains, versions, skipPattern and ignoreErrors (docs/protocol.md, "Options of every action")."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from runner.actions.incoming import ORIGIN, Incoming
from runner.actions.inputs import MAX_ID_BYTES
from runner.actions.plan import ImmediateAnswer, TaskPlan
from runner.actions.policy import Policy
from runner.errors import (
    DOMAIN_MISSING,
    DOMAIN_UNKNOWN,
    FORBIDDEN,
    NOT_CONVERTIBLE,
    PARAMETER_MISSING,
    TASK_NOT_FOUND,
    UNDELIVERABLE,
    UNSUPPORTED_VERSION,
)
from runner.tasks.keys import TaskKey
from tests.unit.actions.events import (
    POLICY,
    FakeOutlet,
    answer,
    closed_by,
    code,
    envelope,
    failure,
    incoming,
    message,
    planned,
    proceed,
    reply,
    start,
    started,
    timeout,
)

PAYLOAD: dict[str, Any] = {
    "taskId": "root",
    "id": "root-id",
    "only": "at-root",
    "element": {"taskId": "element", "id": "element-id", "raw": "raw-id"},
}


def key_of(one: Incoming, policy: Policy = POLICY) -> TaskKey:
    asked = planned(one, policy)
    assert isinstance(asked, TaskPlan), asked.error if isinstance(asked, ImmediateAnswer) else asked
    return asked.key


def id_of(one: Incoming, policy: Policy = POLICY) -> str:
    return key_of(one, policy).id


# taskIdPath is looked up in: the input after its pattern, the raw input element, the payload root.


@pytest.mark.parametrize(
    ("meta", "parameters", "task_id"),
    [
        ({}, {"taskIdPath": "id"}, "root-id"),
        ({"inputElement": "element"}, {"taskIdPath": "id"}, "element-id"),
        ({"inputElement": "element"}, {"taskIdPath": "id", "inputPattern": "{id: 'made'}"}, "made"),
        ({"inputElement": "element"}, {"taskIdPath": "raw", "inputPattern": "{id: 'made'}"}, "raw-id"),
        ({"inputElement": "element"}, {"taskIdPath": "only", "inputPattern": "{id: 'made'}"}, "at-root"),
        ({"inputElement": "element"}, {"taskIdPath": "only"}, "at-root"),
        ({}, {"taskIdPath": "only", "inputPattern": "element"}, "at-root"),
        # null and blank are nothing
        ({"inputElement": "element"}, {"taskIdPath": "id", "inputPattern": "{id: `null`}"}, "element-id"),
        ({"inputElement": "element"}, {"taskIdPath": "id", "inputPattern": "{id: ' '}"}, "element-id"),
        # $. and @. force the start
        ({"inputElement": "element"}, {"taskIdPath": "$.id"}, "root-id"),
        ({"inputElement": "element"}, {"taskIdPath": "$.element.raw"}, "raw-id"),
        ({"inputElement": "element"}, {"taskIdPath": "@.requestMeta.id"}, "req-1"),
        ({"inputElement": "element"}, {"taskIdPath": "@.payload.only"}, "at-root"),
        ({"inputElement": "element"}, {"taskIdPath": "$.raw"}, "req-1:step-20"),
        # JSONPath
        ({}, {"taskIdPath": "element['id']"}, "element-id"),
        ({}, {"taskIdPath": "$..raw"}, "raw-id"),
        # without it, taskId is looked up in the input only
        ({}, {}, "root"),
        ({"inputElement": "element"}, {}, "element"),
        ({}, {"inputPattern": "element"}, "element"),
        ({"inputElement": "element"}, {"inputPattern": "{a: id}"}, "req-1:step-20"),
        ({}, {"inputPattern": "id"}, "req-1:step-20"),
        # with it, taskId is not looked at
        ({}, {"taskIdPath": "missing"}, "req-1:step-20"),
        ({}, {"taskIdPath": ""}, "root"),
    ],
)
@pytest.mark.parametrize("action", ["StartTask", "ProceedTask", "TimeoutTask"])
def test_the_task_id_is_looked_up_in_order(
    action: str, meta: dict[str, Any], parameters: dict[str, Any], task_id: str
) -> None:
    assert id_of(incoming(envelope(action, payload=PAYLOAD, meta=meta, **parameters))) == task_id


@pytest.mark.parametrize(
    "task_id",
    [
        *("a b", " leading", "{shard}", "a{b}c}", "a:b::c", "x\ny\r\n", "ü✓", '"', "\\", "\x00z"),
        *("x" * 4096, "é" * 4096),
    ],
)
def test_an_id_may_hold_spaces_braces_colons_newlines_and_4_kb(task_id: str) -> None:
    """It is stored, acknowledged, found again and named in headers as it is."""
    decision = answer(start(payload={"taskId": task_id}))
    ack = reply(decision)
    assert ack.result["task"]["id"] == task_id
    assert ack.headers["task-id"] == task_id
    assert decision.record is not None
    assert decision.record.key == TaskKey("orders", task_id)
    assert answer(proceed(payload={"taskId": task_id}), decision.record).status == "PROCEEDED"


@pytest.mark.parametrize(
    ("given", "task_id"), [(12, "12"), (0, "0"), (12.0, "12"), (1.5, "1.5"), (2**64, str(2**64))]
)
def test_an_id_that_is_a_number_is_its_text(given: Any, task_id: str) -> None:
    assert id_of(start(payload={"taskId": given})) == task_id


@pytest.mark.parametrize("given", [True, {"a": 1}, ["a"], []])
def test_an_id_that_is_no_text_is_refused(given: Any) -> None:
    assert code(answer(start(payload={"taskId": given}))) == NOT_CONVERTIBLE
    assert code(answer(start(payload={"x": given}, taskIdPath="x"))) == NOT_CONVERTIBLE
    assert code(answer(start(payload={"x": given}, taskIdPath="$.x"))) == NOT_CONVERTIBLE


def test_several_ids_at_once_are_refused() -> None:
    one = start(payload={"all": [{"id": "a"}, {"id": "b"}]}, taskIdPath="all[*].id")
    assert code(answer(one)) == NOT_CONVERTIBLE


def test_an_id_beyond_the_limit_is_refused_without_being_repeated() -> None:
    assert answer(start(payload={"taskId": "x" * MAX_ID_BYTES})).status == "ACK"
    error = failure(answer(start(payload={"taskId": "é" * (MAX_ID_BYTES // 2 + 1)})))
    assert error["code"] == NOT_CONVERTIBLE
    assert len(error["message"]) < 200


# If nothing is found: [requestMeta.id]:[stepId of the last sagaMeta entry][partition].


@pytest.mark.parametrize("payload", [{}, {"taskId": None}, {"taskId": ""}, {"taskId": " \n"}])
def test_a_missing_id_is_generated_from_request_step_and_partition(payload: dict[str, Any]) -> None:
    one = incoming(envelope("StartTask", payload=payload), partition=0)
    assert id_of(one) == "req-1:step-20"
    assert id_of(incoming(envelope("StartTask", payload=payload), partition=11)) == "req-1:step-211"


def test_the_step_is_that_of_the_last_saga() -> None:
    saga = [{"sagaId": "outer", "stepId": "o-1"}, {"sagaId": "inner", "stepId": "i-7"}]
    assert id_of(start(payload={}, saga=saga)) == "req-1:i-70"


@pytest.mark.parametrize(("step", "text"), [(2, "2"), ("2", "2"), (2.0, "2"), (-1, "-1")])
def test_a_numeric_step_id_is_read_as_its_text(step: Any, text: str) -> None:
    assert id_of(start(payload={}, saga=[{"stepId": step}])) == f"req-1:{text}0"


def test_a_numeric_request_id_is_read_as_its_text() -> None:
    assert id_of(start(payload={}, request={"id": 77})) == "77:step-20"


@pytest.mark.parametrize("width", [1, 4])
def test_partition_width_pads_the_partition(width: int) -> None:
    policy = replace(POLICY, partition_width=width)
    assert id_of(start(payload={}), policy) == f"req-1:step-2{'0' * width}"
    wide = incoming(envelope("StartTask", payload={}), partition=12345)
    assert id_of(wide, policy) == "req-1:step-212345"


@pytest.mark.parametrize(
    "saga", [None, [], [{}], [{"stepId": None}], [{"stepId": ""}], [{"stepId": "a"}, {}]]
)
def test_without_id_and_step_the_parameter_is_missing(saga: Any) -> None:
    assert code(answer(start(payload={}, saga=saga))) == PARAMETER_MISSING
    assert answer(start(saga=saga)).status == "ACK"


@pytest.mark.parametrize("action", ["ProceedTask", "TimeoutTask"])
def test_without_an_id_the_generated_id_of_the_current_event_is_used(action: str) -> None:
    started_here = started(start(payload={"a": 1}))
    assert started_here.key.id == "req-1:step-20"
    same = incoming(envelope(action, payload={"b": 2}))
    assert key_of(same) == started_here.key
    assert answer(same, started_here).record is not None
    other_step = incoming(envelope(action, payload={}, saga=[{"stepId": "step-3"}]))
    assert key_of(other_step).id == "req-1:step-30"
    assert code(answer(other_step)) == TASK_NOT_FOUND


@pytest.mark.parametrize("build", [start, proceed, timeout])
def test_a_forwarded_event_keeps_the_id_generated_where_it_was_first_read(build: Any) -> None:
    """Its home may be another partition, which must not make it another task."""
    one = structs.replace(build(payload={}), headers=((ORIGIN, b"1/7@12"),))
    assert id_of(one).endswith("7")
    assert id_of(structs.replace(one, headers=())).endswith("0")


@pytest.mark.parametrize("origin", [b"", b"here", b"\xff", b"9" * 5000])
def test_an_origin_that_no_runner_wrote_is_no_origin(origin: bytes) -> None:
    assert id_of(structs.replace(start(payload={}), headers=((ORIGIN, origin),))) == "req-1:step-20"


# Domains and versions.


@pytest.mark.parametrize("domain", [None, "", " "])
def test_a_missing_domain_is_domain_missing(domain: Any) -> None:
    one = start(wrong_meta={"domain": domain})
    assert code(answer(one)) == DOMAIN_MISSING


def test_a_domain_that_is_not_configured_is_domain_unknown_and_named() -> None:
    error = failure(answer(start(meta={"domain": "nope"})))
    assert error["code"] == DOMAIN_UNKNOWN
    assert "nope" in error["message"]
    assert len(failure(answer(start(meta={"domain": "x" * 9000})))["message"]) < 300


@pytest.mark.parametrize("domain", [True, {}, ["orders"]])
def test_a_domain_that_is_no_text_is_not_convertible(domain: Any) -> None:
    assert code(answer(start(wrong_meta={"domain": domain}))) == NOT_CONVERTIBLE


@pytest.mark.parametrize("version", [None, 0, 0.0, "0", "", " "])
def test_version_0_is_the_default(version: Any) -> None:
    assert answer(start(meta={"version": version})).status == "ACK"


@pytest.mark.parametrize("version", [1, "1", "0.1", -1, True, False, [], {}, "x" * 9000])
def test_another_version_is_unsupported(version: Any) -> None:
    error = failure(answer(start(wrong_meta={"version": version})))
    assert error["code"] == UNSUPPORTED_VERSION
    assert len(error["message"]) < 200


# parameters.skipPattern (JMESPath on the whole payload, truthy) answers SUCCESS without acting.


@pytest.mark.parametrize(
    ("pattern", "skipped"),
    [
        ("flag", True),
        ("flag == `false`", False),
        ("zero", True),
        ("count > `3`", True),
        ("count < `3`", False),
        ("empty", False),
        ("none", False),
        ("missing", False),
        ("text", True),
        ("nothing", False),
        ("list", False),
        ("", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("action", ["StartTask", "ProceedTask", "TimeoutTask"])
def test_skip_pattern_answers_success_without_acting(action: str, pattern: str | None, skipped: bool) -> None:
    payload = {
        "taskId": "task-1",
        "flag": True,
        "zero": 0,
        "count": 4,
        "empty": {},
        "none": None,
        "text": "x",
        "nothing": "",
        "list": [],
        "inner": {"flag": False},
    }
    one = incoming(
        envelope(
            action,
            payload=payload,
            meta={"inputElement": "inner"},
            taskIdPath="$.taskId",
            skipPattern=pattern,
        )
    )
    decision = answer(one, None if action == "StartTask" else started())
    if skipped:
        assert decision.record is None
        assert len(decision.messages) == 1
        said = reply(decision)
        assert said.status == "SUCCESS"
        assert said.payload == payload
        assert "task" not in said.result
    else:
        assert decision.record is not None


def test_skip_pattern_goes_before_everything_else_about_the_task() -> None:
    one = start(meta={"domain": "nope", "inputElement": "nope"}, skipPattern="taskId", timeout="5")
    assert reply(answer(one)).status == "SUCCESS"


def test_skip_pattern_on_a_payload_that_is_missing_is_null() -> None:
    assert failure(answer(start(payload=None, skipPattern="`true`")))


# parameters.ignoreErrors turns those into SUCCESS.


@pytest.mark.parametrize(
    ("codes", "ignored"),
    [
        ("10118,10119", True),
        (" 10119 , 10118 ", True),
        ("10118", True),
        (10118, True),
        (["10118", 10119], True),
        ([10118], True),
        ("10119", False),
        ("1011", False),
        ("101180", False),
        ("", False),
        ([], False),
        (None, False),
    ],
)
def test_ignore_errors_turns_the_codes_it_names_into_success(codes: Any, ignored: bool) -> None:
    decision = answer(proceed(payload={"taskId": "nobody", "keep": 1}, ignoreErrors=codes))
    assert decision.record is None
    said = reply(decision)
    assert said.status == decision.status == ("SUCCESS" if ignored else "FAIL")
    assert said.payload == {"taskId": "nobody", "keep": 1}
    assert ("error" in said.result) is not ignored


@pytest.mark.parametrize("codes", [True, {"10118": True}, [None, {}], 1.5])
def test_ignore_errors_of_any_other_shape_ignores_nothing(codes: Any) -> None:
    one = proceed(payload={"taskId": "nobody"}, wrong_meta={"parameters": {"ignoreErrors": codes}})
    assert code(answer(one)) == TASK_NOT_FOUND


def test_any_code_may_be_ignored_and_nothing_is_changed_all_the_same() -> None:
    record = started(start(taskRoles="manager"))
    decision = answer(proceed(ignoreErrors="14"), record)
    assert (decision.status, decision.record) == ("SUCCESS", None)
    assert code(answer(proceed(ignoreErrors="10118"), record)) == FORBIDDEN
    closed = closed_by(timeout(), started())
    assert answer(proceed(ignoreErrors=[10119, 10120]), closed).status == "SUCCESS"
    assert answer(start(meta={"domain": "nope"}, ignoreErrors="10027")).status == "SUCCESS"


def test_an_ignored_error_whose_success_cannot_be_delivered_fails_all_the_same() -> None:
    fill = {"taskId": "nobody", "fill": "x" * 3000}
    topics = FakeOutlet(responses=2500)
    for codes in ("10118", "10118,13020"):
        decision = answer(proceed(payload=fill, ignoreErrors=codes), topics=topics)
        assert code(decision) == UNDELIVERABLE
        assert message(decision.messages[0]).payload is None
    assert code(answer(start(meta={"responseStream": "evil"}, ignoreErrors="13020"))) == UNDELIVERABLE


def test_a_request_without_parameters_at_all_is_fine() -> None:
    sent = envelope("StartTask")
    del sent["eventMeta"]["parameters"]
    assert answer(incoming(json.dumps(sent).encode())).status == "ACK"
    sent["eventMeta"]["parameters"] = None
    assert answer(incoming(json.dumps(sent).encode())).status == "ACK"
