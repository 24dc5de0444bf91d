"""Two tenants on the pages: who has signed in to one reaches nothing of the other, by no page and no form.

Both are signed in as people are, with an issuer each. The routes are those of the app: a page that comes
later is looked at too, and a form for tasks that this test does not find fails it. Forms are those that the
other tenant has before them, sent with the session of the one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from runner.web.app import PAGES, describe
from runner.web.routes import sign_in
from tests.e2e.tenants import OURS, ROLES, SECRET, SPEC, TASK, THEIRS, Tenants, two_tenants
from tests.e2e.web import API
from tests.servers.kafka_server import KafkaServer
from tests.servers.login_issuer import Login
from tests.servers.redis_server import RedisServer
from tests.unit.web.pages.browser import Element, parse, posts
from tests.unit.web.pages.hostile import routes_of_pages
from tests.waiting import WAIT_SECONDS, until

FREE: Final = "t-free"
"""A task that nobody has claimed."""
OWN_PAGE: Final = "A page of our own"
FILLED: Final[Mapping[str, tuple[str, ...]]] = {
    "view": ("mine", "available", "all", "finished"),
    "domain": (OURS,),
    "in_domain": (OURS,),
    "key": (TASK, FREE),
    "spec": (SPEC,),
    "name": ("inbox.js",),
}
QUERIES: Final = (
    *(
        "",
        f"domain={OURS}",
        f"text={SECRET[:6]}",
        f"domain={OURS}&text={SECRET[:6]}",
        "role=clerk",
        "owner=ann",
    ),
    *(f"spec={SPEC}", "attributes.amount=7", "status=ASSIGNED&status=UNASSIGNED&status=DONE", "part=list"),
    *("order=attributes.amount", "overdue=false", "part=task", f"view=all&domain={OURS}"),
)
TYPED: Final = {"text": "said", "user": "ann", "reason": "why", "priority": "70", "data/answer": "x"}
NOT_OF_A_TASK: Final = {
    *("/language", "/inbox/bulk", "/sign-in/as", "/sign-out", "/sign-in/back-channel-logout"),
}
"""Routes for forms that name no task in their path; the second and the last have tests of their own."""


class Person:
    """The admin of a tenant, who has signed in with a browser."""

    def __init__(self, tenants: Tenants, tenant: str) -> None:
        self.url = tenants.web.url
        self._client = httpx.Client(base_url=self.url, timeout=WAIT_SECONDS)
        sent = self._client.get("/sign-in", params={"issuer": tenant, "next": "/"}).headers["location"]
        back = urlsplit(tenants.issuers[tenant].log_in(sent, Login("ann", ROLES)))
        assert self._client.get(f"{back.path}?{back.query}").headers["location"] == "/"

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> httpx.Response:
        return self._client.get(path)

    def send(self, path: str, pairs: list[tuple[str, str]]) -> httpx.Response:
        """Send a form with what the pages of this session carry, and an Idempotency-Key of its own."""
        fields = {**dict(pairs), "csrf": self.csrf()}
        return self._client.post(path, data=fields, headers={"Origin": self.url})

    def csrf(self) -> str:
        found = re.search(r'data-csrf="([^"]+)"', self.get("/inbox/mine").text)
        assert found is not None
        return found[1]

    def forms(self, key: str) -> list[Element]:
        """Return the forms on the page of one of our tasks that are about it."""
        page = self.get(f"/inbox/all/{OURS}/{key}")
        assert page.status_code == 200, page.text
        forms = parse(page.text).all("form", method="post")
        return [each for each in forms if each.attributes["action"].startswith(f"/tasks/{OURS}/")]


@pytest.fixture(scope="module")
def tenants(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tenants]:
    folder = tmp_path_factory.mktemp("tenants")
    _own_page(folder / "pages" / OURS)
    with two_tenants(kafka, valkey.url, folder, RUNNER_WEB__PAGES=str(folder / "pages")) as found:
        _hide_more(found)
        yield found


def _own_page(folder: Path) -> None:
    folder.mkdir(parents=True)
    text = f'<p>{OWN_PAGE} {SECRET}</p><input name="data/answer" value="">'
    (folder / f"{SPEC}.html").write_text(text)


def _hide_more(tenants: Tenants) -> None:
    """Start tasks whose spec, role, owner and data would be told where lists are filtered or counted."""
    hidden = {"spec": SECRET, "roles": [SECRET], "name": SECRET, "data": {"amount": 7, "words": SECRET}}
    for body in (
        {"domain": OURS, "taskId": FREE, "name": SECRET, "spec": SPEC, "roles": ["clerk"]},
        {"domain": OURS, "taskId": "t-2", **hidden},
        {"domain": OURS, "taskId": "t-3", **hidden, "user": SECRET},
    ):
        answer = tenants.ask(OURS, "POST", f"{API}/tasks", json=body)
        assert answer.is_success, answer.text
    path = f"{API}/tasks/{OURS}/t-3/assign"
    assert tenants.ask(OURS, "POST", path, json={"user": SECRET, "override": True}).is_success
    _listed(tenants, 4)


def _listed(tenants: Tenants, count: int) -> None:
    def found() -> bool:
        tasks = tenants.ask(OURS, "GET", f"{API}/tasks").json()["tasks"]
        return len(tasks) >= count and SECRET in {each["owner"] for each in tasks}

    until(found, "all tasks in the lists")


@pytest.fixture
def ours(tenants: Tenants) -> Iterator[Person]:
    person = Person(tenants, OURS)
    yield person
    person.close()


@pytest.fixture
def theirs(tenants: Tenants) -> Iterator[Person]:
    person = Person(tenants, THEIRS)
    yield person
    person.close()


def paths(method: str) -> list[str]:
    """Return the paths of all routes for browsers with a method."""
    app = describe()
    for router in (*PAGES, sign_in.router):
        app.include_router(router)
    return [path for each, path in routes_of_pages(app) if each == method]


def targets(path: str) -> list[str]:
    """Return addresses of a route that lead to the tenant with something to hide."""
    found = [path]
    for part in path.split("{")[1:]:
        name = part.partition("}")[0]
        found = [each.replace(f"{{{name}}}", value) for each in found for value in FILLED[name]]
    return found


def test_no_page_of_a_task_or_definition_is_shown_to_another_tenant(ours: Person, theirs: Person) -> None:
    asked = [path for path in paths("GET") if "domain}" in path]
    assert len(asked) >= 3
    for target in (target for path in asked for target in targets(path)):
        for query in ("", "?part=task", "?part=list", f"?domain={OURS}"):
            answer = theirs.get(target + query)
            assert answer.status_code == 404, (target + query, answer.text)
            assert SECRET not in answer.text
            assert OURS not in answer.text
        shown = ours.get(target)
        assert shown.status_code in {200, 303}, target
        assert SECRET in shown.text or shown.status_code == 303, target


def test_no_other_page_tells_anything_of_another_tenant(theirs: Person) -> None:
    for target in (target for path in paths("GET") if "domain}" not in path for target in targets(path)):
        for query in QUERIES:
            answer = theirs.get(f"{target}?{query}" if query else target)
            assert answer.status_code < 500, (target, query)
            assert SECRET not in answer.text, (target, query)
            # Where one signs in, all issuers are named, to be chosen from.
            assert OURS in query or OURS not in answer.text or target == "/sign-in", (target, query)


def test_lists_suggestions_counts_and_overview_are_ones_own(ours: Person, theirs: Person) -> None:
    for person, domain, counts in ((ours, OURS, range(4, 99)), (theirs, THEIRS, range(1, 2))):
        page = parse(person.get("/inbox/all").text)
        rows = [each.attributes["data-task"] for each in page.all("li") if "data-task" in each.attributes]
        assert len(rows) in counts
        assert all(each.startswith(f"{domain}/") for each in rows)
        tabs = {
            each.attributes["href"]: each.one("span").text for each in page.one("nav", id="tabs").all("a")[:4]
        }
        assert int(tabs["/inbox/all"]) in counts
        suggested = {
            option.attributes["value"] for each in page.all("select") for option in each.all("option")
        }
        assert (SECRET in suggested) is (person is ours)
        overview = parse(person.get("/overview").text)
        figures = [each.text.strip() for each in overview.one("dl", **{"class": "figures"}).all("dd")]
        assert int(figures[0]) in counts
        assert (SECRET in overview.text) is (person is ours)
        assert (SECRET in person.get("/definitions").text) is (person is ours)


def test_an_own_page_is_that_of_its_domain(ours: Person, theirs: Person) -> None:
    assert OWN_PAGE in ours.get(f"/inbox/mine/{OURS}/{TASK}").text
    answer = theirs.get(f"/inbox/mine/{THEIRS}/{TASK}")
    assert answer.status_code == 200
    assert OWN_PAGE not in answer.text
    assert 'name="data/answer"' in answer.text


def test_no_form_reaches_a_task_of_another_tenant(tenants: Tenants, ours: Person, theirs: Person) -> None:
    before, sent = tenants.seen_by_ours(), set()
    for key in (TASK, FREE):
        free = _free(tenants)
        for form in ours.forms(key):
            for pairs in pressed(form):
                # What is sent is shown to who has sent it: so it is nothing of ours.
                own = [(name, value.replace(SECRET, "theirs")) for name, value in pairs]
                answer = theirs.send(form.attributes["action"], own)
                assert answer.status_code == 404, (form.attributes["action"], answer.text)
                assert SECRET not in answer.text
                assert OURS not in answer.text
            sent.add(route_of(form))
        assert (tenants.seen_by_ours(), _free(tenants)) == (before, free)
    assert sent == {path for path in paths("POST") if path not in NOT_OF_A_TASK}


def test_every_form_does_what_it_says_for_its_own_tenant(tenants: Tenants, ours: Person) -> None:
    """What the test before sends is refused for who sends it, and for nothing else."""
    kinds = [(key == TASK, at) for key in (TASK, FREE) for at in range(len(ours.forms(key)))]
    for number, (is_claimed, at) in enumerate(kinds):
        key = f"own-{number}"
        body = {"domain": OURS, "taskId": key, "spec": SPEC, "roles": ["clerk"]}
        assert tenants.ask(OURS, "POST", f"{API}/tasks", json=body).is_success
        if is_claimed:
            assert tenants.ask(OURS, "POST", f"{API}/tasks/{OURS}/{key}/claim", json={}).is_success
            said = tenants.ask(OURS, "POST", f"{API}/tasks/{OURS}/{key}/comments", json={"text": "x"})
            assert said.is_success
        form = ours.forms(key)[at]
        answer = ours.send(form.attributes["action"], pressed(form)[0])
        assert answer.status_code == 303, (form.attributes["action"], answer.text)


def _free(tenants: Tenants) -> str:
    return tenants.ask(OURS, "GET", f"{API}/tasks/{OURS}/{FREE}").text


def pressed(form: Element) -> list[list[tuple[str, str]]]:
    """Return what a form sends that is filled in, with each of its buttons."""
    pairs = [(name, TYPED.get(name, value)) for name, value in posts(form)]
    buttons = [each.attributes for each in form.all("button") if "name" in each.attributes]
    return [[*pairs, (each["name"], each["value"])] for each in buttons] or [pairs]


def route_of(form: Element) -> str:
    """Return the path of the route that a form of a task is sent to."""
    _, verb = form.attributes["action"].partition("?")[0].removeprefix(f"/tasks/{OURS}/").split("/", 1)
    known = {"answers": "answers", "comments/1": "comments/{number}"}
    return f"/tasks/{{in_domain}}/{{key}}/{known.get(verb, '{verb}')}"


def test_many_at_once_reach_no_task_of_another_tenant(tenants: Tenants, theirs: Person) -> None:
    before, free = tenants.seen_by_ours(), _free(tenants)
    for do, more in (
        ("release", {}),
        ("claim", {}),
        ("assign", {"user": "ann"}),
        ("cancel", {"reason": "x"}),
    ):
        for key in (TASK, FREE, "none"):
            fields = [("task", f"{OURS}/{key}"), ("do", do), *more.items()]
            answer = theirs.send(f"/inbox/bulk?view=all&domain={OURS}", fields)
            assert answer.status_code == 207, answer.text
            assert "0 done, 1 not" in answer.text
            assert SECRET not in answer.text
            told = {each.text for each in parse(answer.text).all("li")}
            assert len(told) == 1
    assert (tenants.seen_by_ours(), _free(tenants)) == (before, free)


def test_an_issuer_ends_no_session_of_another_tenant(tenants: Tenants, ours: Person, theirs: Person) -> None:
    """Both tenants have an ann."""
    token: Any = tenants.issuers[THEIRS].logout_token()
    answer = httpx.post(f"{ours.url}/sign-in/back-channel-logout", data={"logout_token": token})
    assert answer.status_code == 200
    assert theirs.get("/inbox/mine").status_code == 303
    assert ours.get("/inbox/mine").status_code == 200
