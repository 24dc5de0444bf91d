"""One verb on many tasks."""

import asyncio
from typing import Any

import pytest

from runner.kafka.topic_message import TopicMessage
from runner.web.routes.bulk import IN_FLIGHT
from tests.unit.web.desk import Inquirer, problem_of


@pytest.fixture
def desk() -> Inquirer:
    made = Inquirer()
    for number in range(4):
        made.start(f"t-{number}", taskRoles="manager")
    made.start("c-1", "care", taskRoles="manager")
    return made


def named(*keys: str, domain: str = "orders") -> list[dict[str, str]]:
    return [{"domain": domain, "key": key} for key in keys]


def test_each_task_has_a_result_of_its_own(desk: Inquirer) -> None:
    desk.post("bob", "/tasks/orders/t-1/claim")
    tasks = [*named("t-0", "t-1", "none"), *named("c-1", domain="care"), *named("x", domain="nowhere")]

    answer = desk.post("ann", "/tasks/bulk", {"verb": "claim", "tasks": tasks})

    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [(each["domain"], each["key"]) for each in results] == [(t["domain"], t["key"]) for t in tasks]
    assert [each["status"] for each in results] == [200, 409, 404, 200, 404]
    assert results[0]["done"]["task"]["owner"] == "ann"
    assert results[0]["done"]["after"]
    assert results[1]["problem"]["code"] == 10131


def test_values_are_those_of_the_verb(desk: Inquirer) -> None:
    body = {"verb": "assign", "tasks": named("t-0", "t-1"), "values": {"user": "bob"}}
    answer = desk.post("root", "/tasks/bulk", body)
    assert [each["done"]["task"]["owner"] for each in answer.json()["results"]] == ["bob", "bob"]

    refused = desk.post("root", "/tasks/bulk", {**body, "values": {"usr": "bob"}})
    assert problem_of(refused) == (400, None)
    assert [each["pointer"] for each in refused.json()["violations"]] == ["/values/usr"]


@pytest.mark.parametrize("many", [0, 501])
def test_the_number_of_tasks_is_bounded(desk: Inquirer, many: int) -> None:
    tasks = named(*(f"x-{number}" for number in range(many)))
    assert problem_of(desk.post("ann", "/tasks/bulk", {"verb": "claim", "tasks": tasks}))[0] == 400


def test_the_same_task_twice_is_done_once(desk: Inquirer) -> None:
    body = {"verb": "comments", "tasks": named("t-0", "t-0"), "values": {"text": "x"}}

    answer = desk.post("ann", "/tasks/bulk", body, key="k")

    assert [each["status"] for each in answer.json()["results"]] == [201, 201]
    assert len(desk.get("ann", "/tasks/orders/t-0/comments").json()["comments"]) == 1


def test_what_is_sent_again_among_others_is_done_once(desk: Inquirer) -> None:
    body: dict[str, Any] = {"verb": "comments", "values": {"text": "x"}}
    desk.post("ann", "/tasks/bulk", {**body, "tasks": named("t-0", "t-1")}, key="k")
    desk.post("ann", "/tasks/bulk", {**body, "tasks": named("t-1", "t-2")}, key="k")

    for key in ("t-0", "t-1", "t-2"):
        assert len(desk.get("ann", f"/tasks/orders/{key}/comments").json()["comments"]) == 1


def test_each_task_may_have_a_version_that_is_meant(desk: Inquirer) -> None:
    version = desk.get("ann", "/tasks/orders/t-0").json()["version"]
    tasks = [{**named("t-0")[0], "ifVersion": version}, {**named("t-1")[0], "ifVersion": "7;1/1@7"}]

    answer = desk.post("ann", "/tasks/bulk", {"verb": "claim", "tasks": tasks})

    assert [each["status"] for each in answer.json()["results"]] == [200, 412]


def test_so_many_are_in_flight_at_a_time(desk: Inquirer) -> None:
    for number in range(120):
        desk.start(f"m-{number}", taskRoles="manager")
    ask, most, now = desk.exchange.ask, 0, 0

    async def slowly(request_id: str, value: bytes, home: int, seconds: float) -> TopicMessage:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now -= 1
        return await ask(request_id, value, home, seconds)

    desk.exchange.ask = slowly  # type: ignore[method-assign]
    tasks = named(*(f"m-{number}" for number in range(120)))

    answer = desk.post("ann", "/tasks/bulk", {"verb": "claim", "tasks": tasks})

    assert {each["status"] for each in answer.json()["results"]} == {200}
    assert most == IN_FLIGHT
