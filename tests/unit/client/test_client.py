"""Client: what is sent, what is made of the answers, and what is tried again. Both clients alike."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import httpx
import pytest

from runner.client import ApiProblem, ApiUnavailable, AsyncClient, Change, Client, calls
from runner.client.calls import path_of
from runner.tasks.path_key import path_key
from tests.unit.client.fake_api import FakeApi, Lines, a_task, answer

Use = Callable[[Any], Any]


class Run(Protocol):
    """Has a client of an API do something: ``use`` gets the client and returns what it did."""

    def __call__(self, api: FakeApi, use: Use) -> Any: ...


def _run_sync(api: FakeApi, use: Use) -> Any:
    with Client("http://runner.test", "a-token", transport=httpx.MockTransport(api)) as client:
        result = use(client)
        return list(result) if inspect.isgenerator(result) else result


def _run_async(api: FakeApi, use: Use) -> Any:
    async def run() -> Any:
        async with AsyncClient("http://runner.test", "a-token", transport=httpx.MockTransport(api)) as client:
            result = use(client)
            if inspect.isasyncgen(result):
                return [each async for each in result]
            return await result

    return asyncio.run(run())


@pytest.fixture(params=[_run_sync, _run_async], ids=["Client", "AsyncClient"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Both clients, which pause no longer than they must."""
    monkeypatch.setattr(calls, "FIRST_PAUSE_SECONDS", 0.001)
    chosen: Run = request.param
    return chosen


def test_a_command_says_who_calls_and_what_it_has_seen(run: Run) -> None:
    api = FakeApi(answer(200, {"task": a_task("ASSIGNED", owner="ann"), "after": "x"}))
    task = run(api, lambda client: client.claim("orders", "t-1", if_version="1;1/0@7"))
    [request] = api.requests
    assert (request.method, request.url.path) == ("POST", "/api/v1/tasks/orders/t-1/claim")
    assert request.headers["authorization"] == "Bearer a-token"
    assert request.headers["if-match"] == '"1;1/0@7"'
    assert (task.status, task.owner, task.is_open) == ("ASSIGNED", "ann", True)


def test_a_command_without_an_answer_is_sent_again_with_the_same_key(run: Run) -> None:
    busy = answer(503, {"title": "busy"}, retry_after="0")
    done = answer(200, {"task": a_task("DONE")})
    api = FakeApi(httpx.ConnectError("refused"), busy, answer(504, {"detail": "no reply"}), done)
    task = run(api, lambda client: client.proceed("orders", "t-1", {"ok": True}, outcome="approve"))
    assert task.status == "DONE"
    keys = api.headers("idempotency-key")
    assert len(keys) == 4
    assert len({*keys}) == 1
    assert keys[0]
    assert api.bodies() == [{"answers": {"ok": True}, "outcome": "approve"}] * 4


def test_two_commands_have_two_keys_and_a_start_the_one_it_was_given(run: Run) -> None:
    done = [answer(200, {"task": a_task()}) for _ in range(2)]
    api = FakeApi(*done)

    def twice(client: Any) -> Any:
        if isinstance(client, Client):
            return [
                client.start("orders", {"amount": 1}, roles=["clerk"], due_on=5),
                client.release("o", "1"),
            ]

        async def both() -> list[Any]:
            started = await client.start("orders", {"amount": 1}, roles=["clerk"], due_on=5)
            return [started, await client.release("o", "1")]

        return both()

    run(api, twice)
    assert len({*api.headers("idempotency-key")}) == 2
    assert api.bodies()[0] == {"domain": "orders", "data": {"amount": 1}, "roles": ["clerk"], "dueOn": 5}
    api = FakeApi(answer(200, {"task": a_task()}))
    run(api, lambda client: client.start("orders", key="mine"))
    assert api.headers("idempotency-key") == ["mine"]


def test_what_clears_is_sent_as_null(run: Run) -> None:
    api = FakeApi(answer(200, {"task": a_task()}))
    run(api, lambda client: client.update("orders", "t-1", due_on=None, priority=3))
    [request] = api.requests
    assert request.method == "PATCH"
    assert api.bodies() == [{"dueOn": None, "priority": 3}]


def test_a_refusal_is_a_problem_with_its_code_and_violations(run: Run) -> None:
    violations = [{"pointer": "/amount", "rule": "required", "message": "amount is missing"}]
    problem = {"title": "no", "detail": "answers do not fit", "code": 10134, "violations": violations}
    api = FakeApi(answer(422, problem))
    with pytest.raises(ApiProblem, match=r"answers do not fit \(code 10134\)") as caught:
        run(api, lambda client: client.proceed("orders", "t-1", {}))
    assert (caught.value.status, caught.value.code) == (422, 10134)
    assert list(caught.value.violations) == violations
    assert len(api.requests) == 1


def test_in_the_end_it_is_unavailable(run: Run) -> None:
    api = FakeApi(*[httpx.ConnectError("refused")] * calls.ATTEMPTS)
    with pytest.raises(ApiUnavailable, match="refused"):
        run(api, lambda client: client.task("orders", "t-1"))
    assert len(api.requests) == calls.ATTEMPTS


def test_an_answer_that_is_no_json_is_a_problem_too(run: Run) -> None:
    api = FakeApi(httpx.Response(400, text="<html>proxy</html>"))
    with pytest.raises(ApiProblem, match="proxy"):
        run(api, lambda client: client.task("orders", "t-1"))


def test_a_list_is_read_page_by_page(run: Run) -> None:
    pages = ({"tasks": [a_task(key="a")], "next": "c1"}, {"tasks": [a_task(key="b")], "next": None})
    api = FakeApi(*(answer(200, page) for page in pages))
    tasks = run(api, lambda client: client.tasks(for_me=True, order="due"))
    assert [task.id for task in tasks] == ["a", "b"]
    assert dict(api.requests[0].url.params) == {"forMe": "true", "order": "due"}
    assert dict(api.requests[1].url.params) == {"forMe": "true", "order": "due", "cursor": "c1"}


def test_a_list_after_a_command_waits_for_what_it_did(run: Run) -> None:
    done = answer(200, {"task": a_task(), "after": "as-claimed"})
    api = FakeApi(done, answer(200, {"counts": [{"value": "ASSIGNED", "count": 3}]}))

    def claim_and_count(client: Any) -> Any:
        if isinstance(client, Client):
            client.claim("orders", "t-1")
            return client.count("status")

        async def both() -> Any:
            await client.claim("orders", "t-1")
            return await client.count("status")

        return both()

    assert run(api, claim_and_count) == {"ASSIGNED": 3}
    assert dict(api.requests[1].url.params) == {"after": "as-claimed", "group_by": "status"}


def test_a_token_may_be_asked_for_anew_every_time() -> None:
    tokens = iter(["one", "two"])
    api = FakeApi(answer(200, a_task()), answer(200, a_task()))
    with Client("http://runner.test", lambda: next(tokens), transport=httpx.MockTransport(api)) as client:
        client.task("orders", "t-1")
        client.task("orders", "t-1")
    assert api.headers("authorization") == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("task_id", ["t-1", "a b", "größe", "~x", "a/b", "", "."])
def test_a_path_has_the_key_that_lists_give(task_id: str) -> None:
    assert path_of("orders", task_id) == f"/tasks/orders/{path_key(task_id)}"


CHANGED = 'data: {"changed":[{"domain":"orders","key":"t-1","version":"2;1/0@7"}],"gone":[]}'


def test_a_stream_that_breaks_goes_on_where_it_was(run: Run) -> None:
    first = Lines(
        "retry: 500", "id: p1", "", "event: changes", "id: p2", CHANGED, "", "id: p3", "event: chan"
    )
    second = Lines(":", "id: p4", "", "event: reload", "id: p5", 'data: {"reason":"expired"}', "")
    answers = (httpx.Response(200, stream=first), httpx.ConnectError("refused"), answer(503, {}))
    api = FakeApi(*answers, httpx.Response(200, stream=second), answer(401, {"detail": "expired"}))
    seen: list[Change] = []

    def follow(client: Any) -> Any:
        if isinstance(client, Client):
            # One at a time: what came before the error counts.
            for change in client.changes(domain="orders"):
                seen.append(change)  # noqa: PERF402
            return None

        async def all_of_them() -> None:
            async for change in client.changes(domain="orders"):
                seen.append(change)  # noqa: PERF401

        return all_of_them()

    with pytest.raises(ApiProblem, match="expired"):
        run(api, follow)
    assert api.headers("last-event-id") == [None, "p2", "p2", "p2", "p5"]
    assert seen == [Change("reload"), Change("changed", "orders", "t-1", "2;1/0@7"), Change("reload")]


def test_the_end_of_a_task_is_awaited(run: Run) -> None:
    stream = Lines("id: p1", "", "event: changes", "id: p2", CHANGED, "")
    api = FakeApi(httpx.Response(200, stream=stream), answer(200, a_task()), answer(200, a_task("DONE")))
    task = run(api, lambda client: client.wait("orders", "t-1"))
    assert task.status == "DONE"
    assert [request.url.path for request in api.requests] == [
        "/api/v1/events",
        "/api/v1/tasks/orders/t-1",
        "/api/v1/tasks/orders/t-1",
    ]


def test_comments_and_history_are_values(run: Run) -> None:
    comment = {"id": 1, "by": "ann", "at": 5, "text": "hm", "editedAt": None}
    [read] = run(FakeApi(answer(200, {"comments": [comment]})), lambda client: client.comments("o", "1"))
    assert (read.id, read.by, read.text) == (1, "ann", "hm")
    entry = {"at": 5, "event": "created", "actor": None}
    [told] = run(FakeApi(answer(200, {"history": [entry]})), lambda client: client.history("o", "1"))
    assert (told.event, told.actor, told.fields) == ("created", None, entry)


def test_both_clients_can_do_the_same() -> None:
    def methods(of: type) -> dict[str, str]:
        named = inspect.getmembers(of, inspect.isfunction)
        return {
            name: str(inspect.signature(each).replace(return_annotation=""))
            for name, each in named
            if not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient)
