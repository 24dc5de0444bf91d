"""The HTTP API with a real worker, Kafka, Redis and lists: every verb, repeats across processes, kill -9."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.site import Site, session_ms
from tests.e2e.web import Office, Web, create_topics, office, web_settings
from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import RedisServer
from tests.waiting import until


@pytest.fixture(scope="module")
def desk(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """A worker and two processes of the API, for all tests here: each uses tasks of its own."""
    folder = tmp_path_factory.mktemp("web")
    site = Site(kafka, valkey.url, folder, session_ms(kafka), settings=web_settings())
    create_topics(site)
    with office(site) as opened:
        opened.open()
        opened.open()
        yield opened


def test_the_life_of_a_task(desk: Office) -> None:
    web, other = desk.pair

    def done(who: str, verb: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        answer = web.post(who, f"{path}/{verb}", body)
        assert answer.status_code == status, answer.text
        task: dict[str, Any] = answer.json()["task"]
        return task

    path = desk.started(web, data={"amount": 7}, name="Check the invoice")
    assert done("ann", "claim")["owner"] == "ann"
    assert done("ann", "draft", {"data": {"sum": 1}})["status"] == "ASSIGNED"
    assert done("ann", "comments", {"text": "hm"}, 201)["comments"] == 1
    assert web.ask("ann", "PATCH", path, json={"priority": 80}).json()["task"]["priority"] == 80
    assert done("ann", "release")["owner"] is None
    assert done("root", "assign", {"user": "bob"})["owner"] == "bob"
    assert web.ask("ann", "PATCH", f"{path}/comments/1", json={"text": "ah"}).status_code == 200
    assert web.ask("ann", "DELETE", f"{path}/comments/1").status_code == 200
    assert done("bob", "proceed", {"answers": {"ok": True}})["status"] == "DONE"
    # Whichever process is asked.
    shown = other.get("bob", path).json()
    assert (shown["status"], shown["data"], shown["draft"]) == ("DONE", {"amount": 7}, {"sum": 1})
    history = other.get("ann", f"{path}/history").json()["history"]
    assert [each["event"] for each in history][-1] == "proceeded"


def test_cancel_and_timeout(desk: Office) -> None:
    web = desk.webs[0]
    cancelled, timed_out = desk.started(web), desk.started(web)

    web.post("ann", f"{cancelled}/claim")
    assert web.post("ann", f"{cancelled}/cancel", {"reason": "gone"}).json()["task"]["status"] == "CANCELLED"
    assert web.post("ann", f"{timed_out}/timeout").status_code == 403
    assert web.post("root", f"{timed_out}/timeout").json()["task"]["status"] == "TIMED_OUT"
    assert web.post("ann", f"{cancelled}/claim").json()["code"] == 10136


def test_lists_have_what_was_just_done_where_they_are_told_of_it(desk: Office) -> None:
    for web in desk.pair:
        path = desk.started(web)
        for _ in range(5):
            for verb, owner in (("claim", "ann"), ("release", None)):
                done = web.post("ann", f"{path}/{verb}").json()
                page = web.get("ann", "/tasks", params={"after": done["after"], "limit": 200}).json()
                [row] = [each for each in page["tasks"] if each["key"] == done["task"]["key"]]
                assert (page["complete"], row["owner"]) == (True, owner)


def test_definitions_are_put_listed_and_used(desk: Office) -> None:
    web = desk.webs[0]
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    put = web.ask("root", "PUT", "/definitions/default/invoice", json={"schema": schema, "outcomes": ["ok"]})
    assert put.json() == {"definition": {"domain": "default", "taskSpec": "invoice", "version": 0}}
    assert web.get("ann", "/definitions/default/invoice").json()["schema"] == schema
    assert web.get("ann", "/definitions/default/invoice/0").status_code == 200

    def is_listed() -> bool:
        listed = web.get("ann", "/definitions").json()["definitions"]
        return any(each["taskSpec"] == "invoice" for each in listed)

    until(is_listed, "the definition in the list")
    path = desk.started(web, spec="invoice")
    refused = web.post("ann", f"{path}/proceed", {"answers": {"sum": "much"}})
    assert (refused.status_code, refused.json()["code"]) == (422, 10134)
    finished = web.post("ann", f"{path}/proceed", {"answers": {"sum": 1}, "outcome": "ok"})
    assert finished.json()["task"]["status"] == "DONE"
    assert web.get("ann", path).json()["outcome"] == "ok"


def test_bulk_changes_many_tasks(desk: Office) -> None:
    web = desk.webs[0]
    paths = [desk.started(web) for _ in range(5)]
    tasks = [{"domain": "default", "key": path.rsplit("/", 1)[1]} for path in paths]

    answer = web.post(
        "ann", "/tasks/bulk", {"verb": "claim", "tasks": [*tasks, {"domain": "care", "key": "no"}]}
    )

    assert [each["status"] for each in answer.json()["results"]] == [200] * 5 + [404]


def test_two_who_claim_at_the_same_moment(desk: Office) -> None:
    path = desk.started(desk.webs[0])
    answers: list[httpx.Response] = []
    claims = [
        threading.Thread(target=lambda w=web, u=who: answers.append(w.post(u, f"{path}/claim")))
        for web, who in zip(desk.pair, ("ann", "bob"), strict=True)
    ]
    for each in claims:
        each.start()
    for each in claims:
        each.join()

    assert sorted(each.status_code for each in answers) == [200, 409]
    [lost] = [each for each in answers if each.status_code == 409]
    assert lost.json()["code"] == 10131


def test_the_same_key_is_carried_out_once_whoever_is_asked(desk: Office) -> None:
    path = desk.started(desk.webs[0])

    answers = [web.post("ann", f"{path}/comments", {"text": "once"}, key="k") for web in desk.pair * 2]

    assert {each.status_code for each in answers} == {201}
    assert len(comments(desk.webs[0], path)) == 1
    body = {"domain": "default", "roles": ["manager"], "data": {"n": 1}}
    started = [web.post("sam", "/tasks", body, key="s").json()["task"]["id"] for web in desk.pair]
    assert started[0] == started[1]


def test_no_reply_in_time_is_504_and_the_same_key_asks_again(desk: Office) -> None:
    path = desk.started(desk.webs[0])
    impatient = desk.open(RUNNER_WEB__COMMANDSECONDS="1")

    desk.worker.suspend()
    try:
        late = impatient.post("ann", f"{path}/comments", {"text": "late"}, key="k")
    finally:
        desk.worker.resume()

    assert late.status_code == 504
    assert "Idempotency-Key" in late.json()["detail"]
    again = impatient.post("ann", f"{path}/comments", {"text": "late"}, key="k")
    while again.status_code == 504:
        again = impatient.post("ann", f"{path}/comments", {"text": "late"}, key="k")
    assert again.status_code == 201, again.text
    assert len(comments(impatient, path)) == 1


def test_a_process_that_is_killed_in_a_command_is_no_loss(desk: Office) -> None:
    path = desk.started(desk.webs[0])
    doomed = desk.open()
    lost: list[Exception] = []

    def ask() -> None:
        try:
            doomed.post("ann", f"{path}/comments", {"text": "once"}, key="k")
        except httpx.TransportError as error:
            lost.append(error)

    asking = threading.Thread(target=ask)
    before = sum(desk.site.ends(desk.site.requests).values())
    desk.worker.suspend()
    try:
        asking.start()
        until(lambda: sum(desk.site.ends(desk.site.requests).values()) > before, "the command in the log")
        doomed.kill()
        asking.join()
    finally:
        desk.worker.resume()

    assert lost
    again = desk.webs[1].post("ann", f"{path}/comments", {"text": "once"}, key="k")
    assert again.status_code == 201, again.text
    assert len(comments(desk.webs[0], path)) == 1


def test_what_is_being_answered_is_finished_after_a_signal(desk: Office) -> None:
    path = desk.started(desk.webs[0])
    ending = desk.open()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(ending.post("ann", f"{path}/claim")))
    before = sum(desk.site.ends(desk.site.requests).values())
    desk.worker.suspend()
    try:
        asking.start()
        until(lambda: sum(desk.site.ends(desk.site.requests).values()) > before, "the command in the log")
        ending.terminate()
        ending.wait_for("stopping")
    finally:
        desk.worker.resume()
    asking.join()

    assert [each.status_code for each in answers] == [200]
    assert ending.wait() == 0
    assert ending.events("stopped")


def test_topics_that_get_more_partitions_are_followed(desk: Office) -> None:
    web = desk.webs[0]
    replies = desk.site.settings["RUNNER_TOPICS__REPLIES"]
    desk.site.widen_topic(replies, desk.site.partitions + 2)

    def is_followed() -> bool:
        return all(len(each.events("partitions")) > 1 for each in desk.pair)

    until(is_followed, "the new partitions to be read")
    for _ in range(12):
        path = desk.started(web)
        assert web.post("ann", f"{path}/claim").status_code == 200


def test_health_metrics_and_the_document_are_served(desk: Office) -> None:
    web = desk.webs[0]
    assert web.get("ann", "/health/ready").json() == {"ready": True, "reasons": []}
    assert web.get("ann", "/health/live").json() == {"live": True}
    assert "runner_web_requests_total" in web.get("ann", "/metrics").text
    assert web.get("ann", "/openapi.json").json()["info"]["title"] == "Tasks"


def comments(web: Web, path: str) -> list[dict[str, Any]]:
    """Return the comments on a task."""
    found: list[dict[str, Any]] = web.get("ann", f"{path}/comments").json()["comments"]
    return found
