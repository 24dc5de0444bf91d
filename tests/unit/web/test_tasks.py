"""One task: shown, changed by every verb, and refused in every way."""

import json
from typing import Any

import pytest

from runner.actions.policy import Policy
from runner.web.problems import Refused, status_of, unavailable
from tests.unit.web.desk import DOMAINS, NOW, REPLIES, Inquirer, problem_of

TASK = "/tasks/orders/t-1"


@pytest.fixture
def desk() -> Inquirer:
    made = Inquirer()
    made.start("t-1", taskRoles="manager", taskName="Check it", notes="call first")
    return made


# -- reading ---------------------------------------------------------------------------------------


def test_a_task_is_shown_as_it_is_now(desk: Inquirer) -> None:
    shown = desk.get("ann", TASK)

    assert shown.status_code == 200
    body = shown.json()
    assert shown.headers["etag"] == f'"{body["version"]}"'
    assert body["data"] == {"amount": 12.5}
    assert body["attributes"] == {"amount": 12.5}
    assert (body["name"], body["notes"], body["draft"]) == ("Check it", "call first", None)
    assert (body["key"], body["status"], body["roles"]) == ("t-1", "UNASSIGNED", ["manager"])


def test_numbers_keep_their_digits(desk: Inquirer) -> None:
    desk.post("ann", f"{TASK}/claim")
    sent = b'{"data": {"amount": 1234567890123456789.10, "half": 1.50}}'
    headers = {"Content-Type": "application/json"}

    saved = desk.ask("ann", "POST", f"{TASK}/draft", content=sent, headers=headers)

    assert saved.status_code == 200, saved.text
    assert '"draft":{"amount":1234567890123456789.10,"half":1.50}' in desk.get("ann", TASK).text


def test_the_same_version_is_not_shown_again(desk: Inquirer) -> None:
    tag = desk.get("ann", TASK).headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = desk.get("ann", TASK, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    desk.post("ann", f"{TASK}/claim")
    assert desk.get("ann", TASK, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("path", ["", "/history", "/comments"])
def test_who_does_not_see_a_task_is_told_that_there_is_none(desk: Inquirer, path: str) -> None:
    unseen = desk.get("eve", TASK + path)
    missing = desk.get("eve", "/tasks/orders/t-1x" + path)

    assert problem_of(unseen) == problem_of(missing) == (404, 10118)
    assert unseen.text.replace("t-1", "") == missing.text.replace("t-1x", "")


@pytest.mark.parametrize("key", ["~", "~!", "~dC0x", "a b", "~" + "A" * 400, "%2e%2e"])
def test_what_is_no_key_is_no_task(desk: Inquirer, key: str) -> None:
    assert problem_of(desk.get("ann", f"/tasks/orders/{key}"))[0] == 404


def test_a_domain_that_cannot_be_reached_has_no_tasks(desk: Inquirer) -> None:
    assert problem_of(desk.get("root@care", TASK)) == (404, 10118)
    assert problem_of(desk.get("root", "/tasks/nowhere/t-1")) == (404, 10118)
    assert problem_of(desk.post("root@care", f"{TASK}/cancel", {"reason": "x"})) == (404, 10118)
    assert desk.get("root@orders", TASK).status_code == 200


def test_a_task_that_redis_has_lost_is_waited_for(desk: Inquirer) -> None:
    key = desk.start("t-2", taskRoles="manager")
    desk.store.lost.add(key)

    lost = desk.get("ann", "/tasks/orders/t-2")

    assert problem_of(lost) == (503, None)
    assert int(lost.headers["retry-after"]) > 0
    # Who does not see it in the lists either is told nothing of it.
    assert problem_of(desk.get("eve", "/tasks/orders/t-2")) == (404, 10118)


def test_a_finished_task_that_is_gone_is_not_waited_for(desk: Inquirer) -> None:
    key = desk.start("t-2", taskRoles="manager")
    assert desk.post("ann", "/tasks/orders/t-2/proceed").status_code == 200
    desk.lists.note(key)
    desk.store.lost.add(key)

    assert problem_of(desk.get("ann", "/tasks/orders/t-2")) == (404, 10118)


def test_an_outage_of_redis_says_no_more_than_that(desk: Inquirer) -> None:
    desk.store.is_away = True

    for answer in (desk.get("ann", TASK), desk.post("ann", f"{TASK}/claim")):
        assert problem_of(answer) == (503, None)
        assert answer.headers["retry-after"]
        assert "10.0.0.7" not in answer.text


def test_whoever_took_part_sees_a_task_for_ever(desk: Inquirer) -> None:
    desk.start("t-2", taskUser="ann")
    for each in ({"user": "eve"}, {"user": "ann"}):
        assert desk.post("root", "/tasks/orders/t-2/assign", {**each, "override": True}).status_code == 200
        if each["user"] == "eve":
            assert desk.post("eve", "/tasks/orders/t-2/comments", {"text": "I was here"}).status_code == 201

    assert desk.get("eve", "/tasks/orders/t-2").status_code == 200
    assert problem_of(desk.get("bob", "/tasks/orders/t-2")) == (404, 10118)


# -- every verb ------------------------------------------------------------------------------------


def test_the_life_of_a_task(desk: Inquirer) -> None:
    def done(who: str, verb: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        answer = desk.post(who, f"{TASK}/{verb}", body)
        assert answer.status_code == status, answer.text
        task: dict[str, Any] = answer.json()["task"]
        assert answer.headers["etag"] == f'"{task["version"]}"'
        assert answer.json()["after"]
        return task

    assert done("ann", "claim")["owner"] == "ann"
    assert done("ann", "release", {})["owner"] is None
    assert done("root", "assign", {"user": "bob"})["owner"] == "bob"
    assert done("bob", "draft", {"data": {"sum": 1}})["status"] == "ASSIGNED"
    assert done("bob", "comments", {"text": "hm"}, 201)["comments"] == 1
    updated = desk.ask("bob", "PATCH", TASK, json={"priority": 90, "dueOn": 5, "notes": None})
    assert updated.json()["task"]["priority"] == 90
    edited = desk.ask("bob", "PATCH", f"{TASK}/comments/1", json={"text": "ah"})
    assert (edited.status_code, edited.json()["comment"]) == (200, {"id": 1})
    assert desk.get("bob", f"{TASK}/comments").json()["comments"][0]["text"] == "ah"
    assert desk.ask("bob", "DELETE", f"{TASK}/comments/1").json()["task"]["comments"] == 0
    assert desk.get("bob", TASK).json()["draft"] == {"sum": 1}
    finished = done("bob", "proceed", {"answers": {"ok": True}})
    assert finished["status"] == "DONE"

    entries = desk.get("bob", f"{TASK}/history").json()["history"]
    assert [each["event"] for each in entries] == [
        *("created", "assigned", "released", "assigned", "saved", "commented"),
        *("updated", "comment_edited", "comment_deleted", "proceeded"),
    ]
    assert desk.get("bob", TASK).json()["finishedBy"] == "bob"
    [resumed] = desk.exchange.resumed
    assert (resumed.status, resumed.section("payload")["data"]) == (
        "PROCEEDED",
        {"amount": 12.5, "sum": 1, "ok": True},
    )


def test_a_plain_task_is_told_whole_when_it_ends(desk: Inquirer) -> None:
    answer = desk.post("ann", f"{TASK}/proceed", {"answers": {"ok": True}})

    assert answer.json()["task"]["status"] == "DONE"
    assert answer.json()["after"]


def test_cancel_ends_a_task_with_its_reason(desk: Inquirer) -> None:
    desk.post("ann", f"{TASK}/claim")

    assert desk.post("ann", f"{TASK}/cancel", {"reason": "gone"}).json()["task"]["status"] == "CANCELLED"
    assert desk.exchange.resumed[0].error()["message"] == "gone"


def test_timeout_is_for_timeout_roles_where_there_are_any_else_for_admins(desk: Inquirer) -> None:
    desk.start("c-1", "care", taskRoles="manager, nurse")

    assert problem_of(desk.post("ann", f"{TASK}/timeout")) == (403, 14)
    assert problem_of(desk.post("ann", "/tasks/care/c-1/timeout")) == (403, 14)
    assert desk.post("root", f"{TASK}/timeout").json()["task"]["status"] == "TIMED_OUT"
    assert desk.post("nia", "/tasks/care/c-1/timeout").json()["task"]["status"] == "TIMED_OUT"


def test_a_task_is_started_for_start_roles(desk: Inquirer) -> None:
    body = {
        "domain": "orders",
        "taskId": "new one",
        "data": {"amount": 7},
        "roles": ["manager"],
        "priority": 9,
    }

    started = desk.post("sam", "/tasks", body)

    assert started.status_code == 201, started.text
    assert (
        started.json()["task"] | {"id": "new one", "priority": 9, "roles": ["manager"]}
        == started.json()["task"]
    )
    shown = desk.get("ann", started.headers["location"].removeprefix("/api/v1"))
    assert shown.json()["data"] == {"amount": 7}
    [(request_id, value, _)] = desk.exchange.sent
    event = json.loads(value)
    assert "sagaMeta" not in event
    assert event["payload"] == {"taskId": "new one", "data": {"amount": 7}}
    assert event["eventMeta"]["inputElement"] == "data"
    assert event["eventMeta"]["parameters"]["taskIdPath"] == "$.taskId"
    assert event["requestMeta"]["id"] == request_id
    # What it goes on with is told where its replies are told.
    desk.post(
        "ann", started.headers["location"].removeprefix("/api/v1") + "/proceed", {"answers": {"by": "ann"}}
    )
    [resumed] = desk.exchange.resumed
    assert (resumed.topic, resumed.key) == (REPLIES, request_id)
    assert resumed.section("payload")["data"] == {"amount": 7, "by": "ann"}


def test_nobody_starts_tasks_where_no_start_roles_are_named(desk: Inquirer) -> None:
    assert problem_of(desk.post("root", "/tasks", {"domain": "closed"})) == (403, 14)
    assert problem_of(desk.post("ann", "/tasks", {"domain": "orders"})) == (403, 14)
    assert problem_of(desk.post("sam", "/tasks", {"domain": "nowhere"})) == (404, 10027)
    assert not desk.exchange.sent


def test_a_task_without_an_id_is_the_same_for_the_same_request(desk: Inquirer) -> None:
    body = {"domain": "orders", "data": [1], "roles": ["manager"]}

    first, again, other = (
        desk.post("sam", "/tasks", body, key=key).json()["task"]["id"] for key in ("k", "k", "l")
    )

    assert first == again != other
    assert len({desk.post("sam", "/tasks", body).json()["task"]["id"] for _ in range(2)}) == 2


# -- repeats ---------------------------------------------------------------------------------------


def test_the_same_key_is_carried_out_once(desk: Inquirer) -> None:
    answers = [desk.post("ann", f"{TASK}/comments", {"text": "once"}, key="k") for _ in range(3)]

    assert [each.status_code for each in answers] == [201] * 3
    assert answers[0].json()["comment"] == {"id": 1}
    assert desk.get("ann", f"{TASK}/comments").json()["comments"][1:] == []
    assert len({sent for sent, _, _ in desk.exchange.sent}) == 1


def test_a_repeat_is_answered_whatever_its_sender_may_do_by_now(desk: Inquirer) -> None:
    desk.start("t-2", taskRoles="clerk")
    desk.post("root", "/tasks/orders/t-2/assign", {"user": "ann"})
    desk.post("root", "/tasks/orders/t-2/assign", {"user": None, "override": True})
    desk.post("root", "/tasks/orders/t-2/assign", {"user": "ann"})
    released = [desk.post("ann", "/tasks/orders/t-2/release", key="k") for _ in range(2)]

    # By now ann does not even see the task: only who has sent it can send it again.
    assert [each.status_code for each in released] == [200, 200], released[1].text
    assert problem_of(desk.post("ann", "/tasks/orders/t-2/release", key="l")) == (404, 10118)


def test_the_command_that_ended_a_task_is_answered_again(desk: Inquirer) -> None:
    ended = [desk.post("ann", f"{TASK}/proceed", {"answers": {"a": 1}}, key="k") for _ in range(2)]

    assert [each.json()["task"]["status"] for each in ended] == ["DONE", "DONE"]
    assert len(desk.exchange.resumed) == 1
    assert problem_of(desk.post("ann", f"{TASK}/proceed", {"answers": {"a": 2}}, key="k")) == (409, 10119)


def test_keys_of_two_callers_never_meet(desk: Inquirer) -> None:
    for who in ("ann", "bob"):
        assert desk.post(who, f"{TASK}/comments", {"text": "mine"}, key="k").json()["comment"]

    assert [each["by"] for each in desk.get("ann", f"{TASK}/comments").json()["comments"]] == ["ann", "bob"]


# -- refusals --------------------------------------------------------------------------------------


def test_seen_but_not_allowed_is_forbidden(desk: Inquirer) -> None:
    desk.post("ann", f"{TASK}/claim")

    assert problem_of(desk.post("bob", f"{TASK}/release")) == (403, 14)
    assert problem_of(desk.post("bob", f"{TASK}/assign", {"user": "bob"})) == (403, 14)
    assert problem_of(desk.ask("bob", "PATCH", TASK, json={"priority": 1})) == (403, 14)
    assert len(desk.exchange.sent) == 1


def test_what_the_worker_refuses_has_its_status_and_its_words(desk: Inquirer) -> None:
    desk.start("one", taskUser="ann")
    desk.start("done", taskRoles="manager")
    desk.post("ann", "/tasks/orders/done/proceed")
    desk.post("ann", f"{TASK}/claim")
    refused = [
        (desk.post("bob", f"{TASK}/claim"), (409, 10131)),
        (desk.post("bob", f"{TASK}/proceed"), (409, 10131)),
        (desk.post("ann", "/tasks/orders/one/release"), (409, 10133)),
        (desk.post("ann", "/tasks/orders/done/claim"), (409, 10119)),
        (desk.post("ann", "/tasks/orders/done/cancel", {"reason": "x"}), (409, 10119)),
        (desk.ask("ann", "PATCH", f"{TASK}/comments/7", json={"text": "x"}), (404, 10135)),
        (desk.ask("ann", "PATCH", TASK, json={}), (400, 10009)),
        (desk.post("root", "/tasks/orders/one/assign", {}), (400, 10009)),
        (
            desk.post("ann", f"{TASK}/comments", {"text": "x"}, headers={"If-Match": '"9;1/1@1"'}),
            (412, 10132),
        ),
    ]
    for answer, expected in refused:
        assert problem_of(answer) == expected, answer.text


def test_if_match_is_the_version_that_is_meant(desk: Inquirer) -> None:
    tag = desk.get("ann", TASK).headers["etag"]

    assert desk.post("ann", f"{TASK}/comments", {"text": "x"}, headers={"If-Match": "*"}).status_code == 201
    assert problem_of(desk.post("ann", f"{TASK}/claim", headers={"If-Match": tag})) == (412, 10132)
    now = desk.get("ann", TASK).headers["etag"]
    assert problem_of(desk.post("ann", f"{TASK}/claim", headers={"If-Match": f"W/{now}"})) == (412, 10132)
    assert desk.post("ann", f"{TASK}/claim", headers={"If-Match": now}).status_code == 200


def test_answers_that_do_not_fit_the_form_are_named(desk: Inquirer) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    assert desk.ask("root", "PUT", "/definitions/orders/kyc", json={"schema": schema}).status_code == 200
    desk.start("form", taskSpec="kyc", taskRoles="manager")

    refused = desk.post("ann", "/tasks/orders/form/proceed", {"answers": {"sum": "much", "stray": 1}})

    assert problem_of(refused) == (422, 10134)
    assert {each["pointer"] for each in refused.json()["violations"]} == {"/sum", "/stray"}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("the response has 1200000 bytes; topic 'responses' takes 1000000", 413),
        ("there is no topic 'elsewhere' to answer on", 502),
        ("forwarded 3 times without finding the task's home", 502),
    ],
)
def test_what_cannot_be_delivered_is_too_large_or_somebody_elses_fault(text: str, status: int) -> None:
    assert status_of(13020, text) == status


def test_an_answer_that_is_too_large_for_the_saga_is_413() -> None:
    big = Inquirer(body_bytes=2_000_000)
    big.start("t-1", taskRoles="manager", decisionElement="decided", notes="n" * 4000)
    halves = [{"data": {f"f{n}": "x" * 510_000}} for n in range(2)]
    assert big.post("ann", f"{TASK}/claim").status_code == 200
    assert big.post("ann", f"{TASK}/draft", halves[0]).status_code == 200

    assert problem_of(big.post("ann", f"{TASK}/draft", halves[1] | {"ignoreClaim": False})) == (413, 13020)


def test_no_reply_says_that_it_may_still_happen(desk: Inquirer) -> None:
    desk.exchange.trouble = Refused(504, "no reply within 15 s: the command may still be carried out")
    assert problem_of(desk.post("ann", f"{TASK}/claim")) == (504, None)
    desk.exchange.trouble = unavailable("Kafka does not answer")
    away = desk.post("ann", f"{TASK}/claim")
    assert problem_of(away) == (503, None)
    assert away.headers["retry-after"]


def test_a_command_for_a_task_that_is_being_restored_goes_to_its_home(desk: Inquirer) -> None:
    key = desk.start("t-2", home=3, taskRoles="manager")
    desk.store.lost.add(key)

    answer = desk.post("ann", "/tasks/orders/t-2/claim")

    assert answer.status_code == 200
    assert desk.exchange.sent[-1][2] == 3
    assert problem_of(desk.post("eve", "/tasks/orders/t-2/claim")) == (404, 10118)
    assert problem_of(desk.post("ann", "/tasks/orders/t-2/timeout")) == (403, 14)


def test_a_command_says_who_its_caller_is_and_nothing_more(desk: Inquirer) -> None:
    desk.post("ann@orders", f"{TASK}/claim")

    [(request_id, value, home)] = desk.exchange.sent
    event = json.loads(value)
    assert event["requestMeta"] == {
        "id": request_id,
        "channel": "http",
        "claims": {"sub": "ann", "roles": ["manager"], "tenant": "orders"},
    }
    assert request_id.startswith("web-")
    assert home == 1
    assert event["eventMeta"]["responseStream"] == REPLIES
    assert event["eventMeta"]["requestTime"] == 0


def test_the_deployment_is_named_where_there_is_one() -> None:
    desk = Inquirer(Policy(DOMAINS, deployment="blue", partitions=4, allowed_streams=frozenset({REPLIES})))
    desk.start("t-1", taskRoles="manager")

    assert desk.post("ann", f"{TASK}/claim").status_code == 200
    assert json.loads(desk.exchange.sent[0][1])["eventMeta"]["deployments"] == ["blue"]


def test_moments_are_those_of_redis(desk: Inquirer) -> None:
    assert desk.get("ann", TASK).json()["createdOn"] == NOW
