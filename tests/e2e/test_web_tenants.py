"""Two tenants with an issuer each: what the OpenAPI document offers, none of it leads to the other tenant.

Both have users, roles and task ids of the same names. Every operation of the document is sent by the admin of
one tenant for tasks of the other; operations that the document gets later are sent as well, and one that this
test does not know fails it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import httpx
import pytest

from tests.e2e.tenants import OURS, ROLES, SECRET, SPEC, TASK, THEIRS, Tenants, two_tenants
from tests.e2e.web import API
from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import RedisServer
from tests.waiting import WAIT_SECONDS, until

NOT_FOR_CALLERS: Final = frozenset({"/health/live", "/health/ready", "/metrics"})

BODIES: Final[Mapping[tuple[str, str], Any]] = {
    ("post", "/tasks"): {"domain": OURS, "taskId": "t-9", "roles": ["clerk"]},
    ("post", "/tasks/bulk"): {"verb": "claim", "tasks": [{"domain": OURS, "key": TASK}]},
    ("patch", "/tasks/{domain}/{key}"): {"priority": 1},
    ("post", "/tasks/{domain}/{key}/claim"): {},
    ("post", "/tasks/{domain}/{key}/release"): {},
    ("post", "/tasks/{domain}/{key}/assign"): {"user": "ann", "override": True},
    ("post", "/tasks/{domain}/{key}/draft"): {"data": {"answer": "x"}, "ignoreClaim": True},
    ("post", "/tasks/{domain}/{key}/proceed"): {"answers": {"answer": "x"}},
    ("post", "/tasks/{domain}/{key}/cancel"): {"reason": "x"},
    ("post", "/tasks/{domain}/{key}/timeout"): {},
    ("post", "/tasks/{domain}/{key}/comments"): {"text": "x"},
    ("patch", "/tasks/{domain}/{key}/comments/{number}"): {"text": "x"},
    ("delete", "/tasks/{domain}/{key}/comments/{number}"): None,
    ("put", "/definitions/{domain}/{spec}"): {"schema": {"type": "object"}},
}
"""What is sent with each operation that changes something; that of a task is allowed to its own admin."""

QUERIES: Final[tuple[Mapping[str, str], ...]] = (
    {},
    {"domain": OURS},
    {"domain": OURS, "text": SECRET},
    {"text": SECRET},
    {"role": "clerk"},
    {"owner": "ann"},
    {"spec": SPEC},
    {"attributes.amount": "7"},
)
GROUPS: Final = ("status", "spec", "role", "owner", "overdue")


@pytest.fixture(scope="module")
def tenants(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tenants]:
    with two_tenants(kafka, valkey.url, tmp_path_factory.mktemp("tenants")) as found:
        yield found


def operations(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the operations of a document that callers use: method, and path behind the prefix."""
    return [
        (method, path.removeprefix(API))
        for path, methods in document["paths"].items()
        for method in methods
        if method in {"get", "post", "put", "patch", "delete"} and path not in NOT_FOR_CALLERS
    ]


def filled(path: str) -> str:
    """Return a path that leads to the tenant with something to hide."""
    return API + path.format(domain=OURS, key=TASK, number=1, spec=SPEC, version=0)


def test_every_operation_is_known_here(tenants: Tenants) -> None:
    known = {*BODIES, *((method, path) for method, path in operations(tenants.document()) if method == "get")}
    assert {*operations(tenants.document())} == known


def test_no_path_leads_to_a_task_or_definition_of_another_tenant(tenants: Tenants) -> None:
    before = tenants.seen_by_ours()
    asked = [each for each in operations(tenants.document()) if "{domain}" in each[1]]
    assert len(asked) > 15
    for method, path in asked:
        body = {} if BODIES.get((method, path)) is None else {"json": BODIES[method, path]}
        answer = tenants.ask(THEIRS, method, filled(path), **body)
        assert answer.status_code == 404, (method, path, answer.text)
        assert SECRET not in answer.text
    assert tenants.seen_by_ours() == before


def test_its_own_admin_reaches_all_of_it(tenants: Tenants) -> None:
    for method, path in operations(tenants.document()):
        if method == "get" and "{domain}" in path:
            assert tenants.ask(OURS, method, filled(path)).status_code == 200, path


def test_no_list_count_or_definition_tells_of_another_tenant(tenants: Tenants) -> None:
    for query in QUERIES:
        answer = tenants.ask(THEIRS, "GET", f"{API}/tasks", params=query)
        assert SECRET not in answer.text
        assert all(task["domain"] == THEIRS for task in answer.json().get("tasks", ())), query
        for group in GROUPS:
            path = f"{API}/tasks/count"
            counts = tenants.ask(THEIRS, "GET", path, params={**query, "group_by": group}).json()["counts"]
            seen = 0 if OURS in query.values() or SECRET in query.values() else 1
            assert sum(each["count"] for each in counts) == seen, (query, group)
    definitions = tenants.ask(THEIRS, "GET", f"{API}/definitions")
    assert SECRET not in definitions.text
    assert SECRET in tenants.ask(OURS, "GET", f"{API}/definitions").text
    assert SECRET in tenants.ask(OURS, "GET", f"{API}/tasks").text


def test_who_one_is_names_no_domain_of_another_tenant(tenants: Tenants) -> None:
    for path in ("/me", "/domains"):
        assert OURS not in tenants.ask(THEIRS, "GET", API + path).text
        assert OURS in tenants.ask(OURS, "GET", API + path).text


def test_no_list_of_tasks_reaches_another_tenant(tenants: Tenants) -> None:
    before = tenants.seen_by_ours()
    answer = tenants.ask(THEIRS, "POST", f"{API}/tasks/bulk", json=BODIES["post", "/tasks/bulk"])
    assert [each["status"] for each in answer.json()["results"]] == [404]
    answer = tenants.ask(THEIRS, "POST", f"{API}/tasks", json=BODIES["post", "/tasks"])
    assert answer.status_code in {403, 404}
    assert tenants.seen_by_ours() == before
    assert tenants.ask(OURS, "GET", f"{API}/tasks/{OURS}/t-9").status_code == 404


def test_a_cursor_of_one_tenant_shows_the_other_nothing(tenants: Tenants) -> None:
    for number in range(2):
        body = {"domain": OURS, "taskId": f"more-{number}", "name": SECRET}
        assert tenants.ask(OURS, "POST", f"{API}/tasks", json=body).is_success
    until(lambda: len(_listed(tenants, OURS)) == 3, "all tasks in the list")
    cursor = tenants.ask(OURS, "GET", f"{API}/tasks", params={"limit": 1}).json()["next"]
    answer = tenants.ask(THEIRS, "GET", f"{API}/tasks", params={"limit": 1, "cursor": cursor})
    assert answer.status_code in {200, 400}
    assert SECRET not in answer.text


def test_no_stream_tells_of_another_tenant(tenants: Tenants) -> None:
    streams = {tenant: _Listener(tenants, tenant) for tenant in (OURS, THEIRS)}
    for stream in streams.values():
        stream.opened.wait(WAIT_SECONDS)
    for priority in (10, 20):
        for tenant in (OURS, THEIRS):
            path = f"{API}/tasks/{tenant}/{TASK}"
            assert tenants.ask(tenant, "PATCH", path, json={"priority": priority}).is_success
        # What the other tenant does is told before: the changes of both are in one log and one table.
        version = tenants.ask(THEIRS, "GET", f"{API}/tasks/{THEIRS}/{TASK}").json()["version"]
        streams[THEIRS].wait_for(version)
        version = tenants.ask(OURS, "GET", f"{API}/tasks/{OURS}/{TASK}").json()["version"]
        streams[OURS].wait_for(version)
    assert f'"{OURS}"' in streams[OURS].text
    assert f'"{OURS}"' not in streams[THEIRS].text


def _listed(tenants: Tenants, tenant: str) -> list[Any]:
    found: list[Any] = tenants.ask(tenant, "GET", f"{API}/tasks").json()["tasks"]
    return found


class _Listener:
    """Listens to the stream of a tenant's admin, in a thread, until the process of the API ends."""

    def __init__(self, tenants: Tenants, tenant: str) -> None:
        self.text = ""
        self.opened = threading.Event()
        self._url = f"{tenants.web.url}{API}/events"
        self._token = tenants.issuers[tenant].token(roles=ROLES)
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_for(self, words: str) -> None:
        """Return once the stream has told this."""
        until(lambda: words in self.text, f"{words} in the stream")

    def _listen(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with (
            suppress(httpx.TransportError),
            httpx.stream("GET", self._url, headers=headers, timeout=WAIT_SECONDS) as response,
        ):
            assert response.status_code == 200, response.read()
            for line in response.iter_lines():
                self.text += line + "\n"
                if line.startswith("id:"):
                    self.opened.set()
