"""Requests that are wrong, and what is round every answer."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import Response

from runner.actions.policy import Policy
from runner.envelope.event import MetaRules
from runner.web.app import SECURITY_HEADERS
from runner.web.parts import Readiness
from tests.unit.web.desk import DOMAINS, POLICY, REPLIES, Inquirer, problem_of

TASK = "/tasks/orders/t-1"


@pytest.fixture
def desk() -> Inquirer:
    made = Inquirer()
    made.start("t-1", taskRoles="manager")
    return made


@pytest.mark.parametrize("who", [None, "nobody", ""])
def test_who_says_nothing_of_themselves_is_nobody(desk: Inquirer, who: str | None) -> None:
    for path in ("/tasks", TASK, "/me", "/domains", "/definitions", "/tasks/count"):
        refused = desk.get(who, path)
        assert problem_of(refused) == (401, None)
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert problem_of(desk.post(who, f"{TASK}/claim"))[0] == 401
    assert not desk.exchange.sent


def test_every_answer_has_the_headers_of_security(desk: Inquirer) -> None:
    answers = [
        desk.get("ann", TASK),
        desk.get(None, TASK),
        desk.get("ann", "/nothing"),
        desk.ask("ann", "TRACE", TASK),
        desk.get(None, "http://desk/health/live"),
    ]
    for answer in answers:
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"text": 1}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": "   "}, "/text"),
        ({"text": "x" * 4001}, "/text"),
        ({"text": "x", "by": "bob"}, "/by"),
        ({}, "/text"),
        ([], ""),
        ("x", ""),
        (None, ""),
    ],
)
def test_a_body_that_is_no_such_thing_is_400_and_says_where(desk: Inquirer, body: Any, pointer: str) -> None:
    refused = desk.ask("ann", "POST", f"{TASK}/comments", json=body)

    assert problem_of(refused) == (400, None)
    assert [each["pointer"] for each in refused.json()["violations"]] == [pointer]
    assert not desk.exchange.sent


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"text": NaN}',
        b'{"text": "\\ud800"}',
        b"[" * 100_000,
        b'{"text": "a"} x',
        b'{"text": 1e999999999999}',
    ],
)
def test_what_is_no_json_is_400(desk: Inquirer, body: bytes) -> None:
    refused = desk.ask(
        "ann", "POST", f"{TASK}/comments", content=body, headers={"Content-Type": "application/json"}
    )

    assert problem_of(refused)[0] in {400, 413}
    assert not desk.exchange.sent


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_a_body_that_is_not_said_to_be_json_is_415(desk: Inquirer, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}

    refused = desk.ask("ann", "POST", f"{TASK}/comments", content=b'{"text": "x"}', headers=headers)

    assert problem_of(refused) == (415, None)


def test_a_verb_that_takes_nothing_takes_nothing(desk: Inquirer) -> None:
    assert problem_of(desk.post("ann", f"{TASK}/claim", {"user": "bob"})) == (400, None)
    assert desk.post("ann", f"{TASK}/claim", {}).status_code == 200


def test_numbers_are_numbers(desk: Inquirer) -> None:
    for value in ("5", True, 5.5, 101, -1, [5], {"a": 5}):
        assert problem_of(desk.ask("root", "PATCH", TASK, json={"priority": value}))[0] == 400, value
    assert desk.ask("root", "PATCH", TASK, json={"priority": 5.0}).json()["task"]["priority"] == 5


def test_a_parameter_that_nobody_knows_is_400(desk: Inquirer) -> None:
    for path in ("/tasks?onwer=ann", f"{TASK}?full=1", "/me?x=", "/tasks/count?groupBy=spec"):
        refused = desk.get("ann", path)
        assert problem_of(refused) == (400, None)
        assert "no parameter" in refused.json()["detail"]


def test_the_wrong_path_or_method_is_said(desk: Inquirer) -> None:
    assert problem_of(desk.get("ann", "/nothing")) == (404, None)
    refused = desk.ask("ann", "DELETE", TASK)
    assert problem_of(refused) == (405, None)
    assert refused.headers["allow"]
    assert problem_of(desk.get("ann", f"{TASK}/")) == (404, None)
    assert problem_of(desk.ask("ann", "DELETE", f"{TASK}/comments/0")) == (404, None)
    assert problem_of(desk.ask("ann", "DELETE", f"{TASK}/comments/x")) == (404, None)


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_has_a_length(desk: Inquirer, key: str) -> None:
    assert problem_of(desk.post("ann", f"{TASK}/claim", key=key)) == (400, None)


def test_a_body_beyond_the_limit_is_413(desk: Inquirer) -> None:
    assert problem_of(desk.post("ann", f"{TASK}/draft", {"data": {"x": "x" * 70_000}}))[0] == 413


def test_a_command_beyond_the_limit_of_events_is_413() -> None:
    desk = Inquirer(body_bytes=2_000_000)
    desk.start("t-1", taskRoles="manager")

    assert problem_of(desk.post("ann", f"{TASK}/draft", {"data": {"x": "x" * 1_000_000}})) == (413, None)
    assert not desk.exchange.sent


def test_a_caller_who_asks_too_fast_is_told_when_to_come_back() -> None:
    desk = Inquirer(per_second=1)
    answers = [desk.get("ann", "/me") for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 429]
    assert problem_of(answers[-1]) == (429, None)
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert desk.get("bob", "/me").status_code == 200


def test_while_it_starts_nothing_but_health_is_answered(desk: Inquirer) -> None:
    desk.readiness.has_started = False

    assert problem_of(desk.get("ann", TASK)) == (503, None)
    assert desk.get(None, "http://desk/health/live").json() == {"live": True}
    ready = desk.get(None, "http://desk/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "reasons": ["it is starting"]})


def test_readiness_says_what_is_missing(desk: Inquirer) -> None:
    readiness = Readiness({"Redis": lambda: None, "lists": lambda: "they are being filled"})
    assert readiness.reasons() == ["lists: they are being filled"]
    assert desk.get(None, "http://desk/health/ready").json() == {"ready": True, "reasons": []}


def test_what_nobody_foresaw_is_500_with_an_id_and_no_trace(
    desk: Inquirer, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail() -> Response:
        raise RuntimeError("secret of the inside")

    desk.app.add_api_route("/fail", fail)

    answer = desk.get("ann", "http://desk/fail")

    assert problem_of(answer) == (500, None)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.json()["id"] in capsys.readouterr().out
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_requests_are_counted_by_the_template_of_their_path(desk: Inquirer) -> None:
    desk.get("ann", TASK)
    desk.get("ann", "/tasks/orders/other")
    desk.get("ann", "/nothing/of/that/name")
    desk.post("ann", f"{TASK}/claim")

    metrics = desk.get(None, "http://desk/metrics")

    assert metrics.headers["content-type"].startswith("text/plain")
    template = "/api/v1/tasks/{domain}/{key}"
    for line in (
        f'runner_web_requests_total{{method="GET",route="{template}",status="200"}} 1.0',
        f'runner_web_requests_total{{method="GET",route="{template}",status="404"}} 1.0',
        'runner_web_requests_total{method="GET",route="-",status="404"} 1.0',
        'runner_web_commands_total{action="ClaimTask",result="SUCCESS"} 1.0',
    ):
        assert line in metrics.text


def test_rules_of_the_topic_that_make_another_event_are_noticed() -> None:
    desk = Inquirer(rules=MetaRules(overrides={"action": "TimeoutBetween"}))
    desk.start("t-1", taskRoles="manager")

    answer = desk.post("ann", f"{TASK}/claim")

    assert answer.status_code == 500
    assert not desk.exchange.sent


def test_requests_of_several_callers_are_answered_at_the_same_time(desk: Inquirer) -> None:
    async def all_of_them() -> list[httpx.Response]:
        async with desk.client("ann") as ann, desk.client("bob") as bob:
            return await asyncio.gather(
                *(each.post(f"{TASK}/claim") for each in (ann, bob, ann, bob)),
                *(each.get(TASK) for each in (ann, bob)),
            )

    answers = asyncio.run(all_of_them())

    assert sorted(each.status_code for each in answers[:4]) == [200, 200, 409, 409]
    assert {each.status_code for each in answers[4:]} == {200}


def test_a_domain_that_trusts_payloads_is_not_fooled() -> None:
    domain = DOMAINS["orders"]
    trusting = Policy({"orders": domain}, partitions=4, allowed_streams=frozenset({REPLIES}))
    desk = Inquirer(trusting)
    desk.start("t-1", taskRoles="manager")

    body = {"answers": {"user": {"id": "root", "roles": ["admin"]}}}

    assert problem_of(desk.post("eve", f"{TASK}/proceed", body)) == (404, 10118)
    assert POLICY.domains["orders"] is domain


def test_the_document_is_served(desk: Inquirer) -> None:
    served = desk.get(None, "http://desk/openapi.json")

    assert served.status_code == 200
    assert json.loads(served.content)["openapi"].startswith("3.1")
