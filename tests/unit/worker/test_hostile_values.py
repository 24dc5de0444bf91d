"""Values that somebody may send by mistake or on purpose: each is answered, and no task is stuck by them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from runner.actions.policy import DomainPolicy
from runner.actions.timer_token import TimerToken, timer_message
from runner.worker.result import BatchResult
from tests.unit.worker.rig import POLICY, Harness, event, sent, statuses, topics

FORM: Final = '{"type":"object","properties":{"x":{"type":"number"}}}'
CYRILLIC: Final = "\u044f"
HALF: Final = "\\ud800"


def harness(**options: Any) -> Harness:
    domains = {"orders": DomainPolicy(retention_ms=60_000, admin_role="admin")}
    return Harness(policy=replace(POLICY, domains=domains), **options)


def raw(action: str, name: str, parameters: str, payload: str = '{"taskId":"t"}', meta: str = "") -> bytes:
    """An event of the admin, its JSON as it is given."""
    request = f'{{"id":"{name}","claims":{{"sub":"root","roles":["admin"]}}}}'
    return (
        f'{{"requestMeta":{request},"sagaMeta":[{{"sagaId":"p","stepId":"s"}}],"eventMeta":{{"action":"{action}",'
        f'"domain":"orders"{meta},"parameters":{parameters}}},"payload":{payload}}}'
    ).encode()


def defined(schema: str = FORM, **options: Any) -> Harness:
    bench = harness(**options)
    bench.handle(raw("DefineTask", "d", f'{{"taskSpec":"form","schema":{schema}}}', "{}"))
    return bench


def result(done: BatchResult) -> dict[str, Any]:
    value: dict[str, Any] = sent(done.outgoing[0]).value["result"]
    return value


@pytest.mark.parametrize("value", ["1e400", '"1e400"', "1" * 400, f'"{"1" * 400}"'])
def test_a_version_beyond_every_number_is_refused(value: str) -> None:
    done = defined().handle(raw("StartTask", "s", f'{{"taskSpec":"form","taskSpecVersion":{value}}}'))
    assert statuses(done.outgoing) == ["FAIL"]


@pytest.mark.parametrize(
    "value", ["1e99999999999999999999", "1e-99999999999999999999", "0e99999999999999999999"]
)
@pytest.mark.parametrize("action", ["SaveTask", "ProceedTask"])
def test_an_exponent_beyond_every_number_is_refused(action: str, value: str) -> None:
    bench = defined()
    bench.handle(raw("StartTask", "s", '{"taskSpec":"form"}'))
    done = bench.handle(raw(action, "v", '{"enrichPath":"data"}', f'{{"taskId":"t","data":{{"x":{value}}}}}'))
    assert statuses(done.outgoing) == ["FAIL"]


@pytest.mark.parametrize(
    ("action", "parameters"), [("StartTask", '{"taskRolesPath":"roles"}'), ("AssignTask", "{}")]
)
def test_half_of_a_character_pair_in_a_role_is_refused(action: str, parameters: str) -> None:
    bench = harness(with_changelog=True)
    if action != "StartTask":
        bench.handle(raw("StartTask", "s", "{}"))
    done = bench.handle(raw(action, "v", parameters, f'{{"taskId":"t","roles":["a{HALF}"]}}'))
    assert statuses(done.outgoing) == ["FAIL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcomes", '[{"a":1}]'),
        ("outcomes", "[[1]]"),
        ("outcomes", "[1e400]"),
        ("uiOrder", f'["a{HALF}"]'),
        ("uiOrder", "{}"),
        ("uiWidgets", "[]"),
        ("description", "12"),
        ("schema", '{"type":"string"}'),
        ("schema", '{"type":["array","null"]}'),
    ],
)
def test_a_definition_that_is_none_is_refused(name: str, value: str) -> None:
    values = {"taskSpec": '"form"', "schema": FORM, name: value}
    payload = ",".join(f'"{each}":{text}' for each, text in values.items())
    done = harness().handle(raw("DefineTask", "d", "{}", f"{{{payload}}}"))
    assert statuses(done.outgoing) == ["FAIL"]


@pytest.mark.parametrize(
    ("parameters", "payload", "meta"),
    [
        ('{"decisionElement":"a.b"', '{"taskId":"t","a":"text"}', ""),
        ('{"decisionElement":"a.5"', '{"taskId":"t","a":[1]}', ""),
        ('{"decisionElement":"d"', '{"taskId":"t","items":[{"taskId":"t"}]}', ',"inputElement":"items[*]"'),
        ('{"decisionElement":"d"', '{"taskId":"t"}', ',"inputElement":"@.payload"'),
        ('{"decisionElement":"a.b"', '{"taskId":"t","a":{}}', ""),
        ('{"decisionElement":"d"', f'{{"taskId":"t","text":"{CYRILLIC * 300_000}{HALF}"}}', ""),
        ('{"decisionElement":"d"', f'{{"taskId":"t","text":"{CYRILLIC * 100_000}{HALF}"}}', ""),
    ],
    ids=["through a text", "past a list", "a query", "the event", "fits", "grows too large", "grows"],
)
def test_every_task_that_is_accepted_is_ended_by_its_deadline(
    parameters: str, payload: str, meta: str
) -> None:
    bench = harness(with_changelog=True)
    values = f'{parameters},"timeoutOn":1,"taskIdPath":"$.taskId"}}'
    started = bench.handle(raw("StartTask", "s", values, payload, meta))
    if statuses(started.outgoing) == ["FAIL"]:
        assert bench.record("t") is None
        return
    assert statuses(bench.handle(raw("ClaimTask", "c", "{}")).outgoing) == ["SUCCESS"]
    record = bench.record("t")
    assert record is not None
    timer = timer_message(record.key, 0, TimerToken(record.started_by, 1), bench.terms.policy, bench.topics)
    assert statuses(bench.run(*bench.returned([timer])).outgoing) == ["TIMEOUT"]


def test_a_refusal_with_many_violations_is_answered_by_a_topic_of_small_messages() -> None:
    bench = defined(cluster=topics(responses=300_000))
    bench.handle(raw("StartTask", "s", '{"taskSpec":"form"}'))
    data = {"\x01" * 990 + str(number): 1 for number in range(100)}
    done = bench.handle(raw("SaveTask", "v", "{}", json.dumps({"taskId": "t", "data": data})))
    assert result(done)["error"]["code"] == 10134


def test_the_history_keeps_the_moment_and_not_how_it_was_written() -> None:
    bench = harness()
    bench.handle(raw("StartTask", "s", "{}"))
    bench.handle(raw("UpdateTask", "u", "{}", f'{{"taskId":"t","dueOn":"{" " * 400_000}5"}}'))
    record = bench.record("t")
    assert record is not None
    assert json.loads(record.parts["history/1"])["data"] == {"dueOn": 5}


def test_a_task_with_two_hundred_long_comments_can_be_seen() -> None:
    bench = harness()
    bench.handle(raw("StartTask", "s", "{}"))
    for number in range(200):
        bench.handle(raw("CommentTask", f"c{number}", "{}", f'{{"taskId":"t","text":"{CYRILLIC * 4000}"}}'))
    task = result(bench.handle(raw("GetTask", "g", "{}")))["task"]
    assert task["comments"] == 200
    assert [each["id"] for each in task["commentList"]] == list(range(164, 201)), "the newest"


def test_a_newer_definition_than_its_sender_has_seen_is_not_written_over() -> None:
    bench = defined()
    for expected, status in (("99", "FAIL"), ("0", "SUCCESS"), ("0", "FAIL"), ("1", "SUCCESS")):
        parameters = (
            f'{{"taskSpec":"form","schema":{FORM},"description":"{expected}","ifVersion":{expected}}}'
        )
        done = bench.handle(raw("DefineTask", f"e{bench.following(0)}", parameters, "{}"))
        assert statuses(done.outgoing) == [status]


def test_a_saga_that_names_a_spec_without_definition_makes_no_round_trip_for_it() -> None:
    bench = harness()
    bench.store.asked.clear()
    bench.handle(event("StartTask", "t", "s", taskSpec="review"))
    assert bench.store.asked.count("load") == 1


BRANCHES: Final = {
    "properties": {"kind": {"enum": ["a", "b"]}},
    "required": ["kind"],
    "if": {"properties": {"kind": {"const": "a"}}},
    "then": {"properties": {"x": {"type": "number"}}},
    "else": {"properties": {"y": {"type": "number"}}},
}
OPTIONAL: Final = {"properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "number"}}}


@pytest.mark.parametrize("schema", [BRANCHES, OPTIONAL])
def test_null_takes_back_what_was_saved(schema: dict[str, Any]) -> None:
    bench = defined(json.dumps(schema))
    bench.handle(raw("StartTask", "s", '{"taskSpec":"form"}'))
    bench.handle(raw("SaveTask", "v", "{}", '{"taskId":"t","data":{"kind":"a","x":1}}'))
    end = '{"taskId":"t","data":{"kind":"b","x":null}}'
    done = bench.handle(raw("ProceedTask", "p", '{"enrichPath":"data"}', end))
    assert statuses(done.outgoing) == ["PROCEEDED", "SUCCESS"]
    assert sent(done.outgoing[0]).value["payload"] == {"taskId": "t", "kind": "b"}
