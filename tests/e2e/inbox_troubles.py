"""What goes wrong for somebody in a browser, on purpose; and what is left of it."""

import re
from typing import Any, Final

import redis
from playwright.sync_api import APIResponse, Page, Route, expect

from runner.web.sign_in.sessions import read_ticket
from tests.e2e.inbox import Person, done, invoice
from tests.e2e.web import Office, Web
from tests.waiting import until

SLOW: Final = {"latency": 1500, "downloadThroughput": 20_000, "uploadThroughput": 20_000, "offline": False}
QUICK: Final = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1, "offline": False}
AWAY: Final = {**QUICK, "offline": True}


def claimed(desk: Office, web: Web, number: int) -> str:
    """Start an invoice that carla claims, and return the path of its page."""
    desk.started(web, **invoice(number, 10, f"Troubles {number}"))
    done("carla", web, f"invoice-{number}", "claim")
    return f"/inbox/mine/default/invoice-{number}"


def draft(web: Web, number: int) -> dict[str, Any]:
    """Return the draft of an invoice, without what it begins with; empty where there is none."""
    found: dict[str, Any] | None = web.get("carla", f"/tasks/default/invoice-{number}").json()["draft"]
    return {name: value for name, value in (found or {}).items() if name != "urgent"}


def proceeds(web: Web, number: int) -> list[dict[str, Any]]:
    """Return the entries of a history that finish the task."""
    history = web.get("carla", f"/tasks/default/invoice-{number}/history").json()["history"]
    return [each for each in history if each["event"] == "proceeded"]


def end_session(desk: Office, person: Person) -> None:
    """End the session of a browser, as a logout at the issuer does."""
    [cookie] = [each for each in person.context.cookies() if each.get("name", "").endswith("-session")]
    ticket = read_ticket(cookie.get("value"))
    assert ticket is not None
    with redis.Redis.from_url(desk.site.redis_url) as client:
        assert client.delete(f"{desk.site.prefix}:web:{{{ticket.digest}}}:session") == 1


def sign_out_elsewhere(person: Person) -> None:
    """End the session of a browser in another tab."""
    tab = person.context.new_page()
    tab.goto(f"{person.web.url}/sign-out")
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.get_by_role("heading", name="You are signed out")).to_be_visible()
    tab.close()


def sign_in_elsewhere(person: Person, who: str) -> None:
    """Sign in in the tab that a link of the page opens, and close it."""
    with person.context.expect_page() as opened:
        person.page.get_by_role("link", name="Sign in again").click()
    tab = opened.value
    tab.get_by_role("button", name=who, exact=True).click()
    expect(tab).to_have_url(f"{person.web.url}/inbox/mine")
    tab.close()


def network(person: Person, conditions: dict[str, Any]) -> None:
    """Let the network of a page be as it is told, from now on."""
    if not hasattr(person, "network"):
        person.network = person.context.new_cdp_session(person.page)  # type: ignore[attr-defined]
        person.network.send("Network.enable")  # type: ignore[attr-defined]
    person.network.send("Network.emulateNetworkConditions", conditions)  # type: ignore[attr-defined]


def opened(person: Person, path: str) -> Page:
    """Open a page, and return once it has looked again for what had changed before it had its stream."""
    part = "task" if "/default/" in path else "list"
    with person.page.expect_response(re.compile(f"part={part}")) as answer:
        person.go(path)
    answer.value.finished()
    person.is_live()
    return person.page


class HeldUp:
    """Answers to a page from addresses of a pattern, which wait until they are let go."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page = page
        self._routes: list[tuple[Route, APIResponse]] = []
        self._is_over = False
        page.route(re.compile(pattern), self._hold)

    def _hold(self, route: Route) -> None:
        if self._is_over:
            route.continue_()
        else:
            self._routes.append((route, route.fetch()))

    def wait(self) -> None:
        """Return once one waits."""

        def is_there() -> bool:
            self._page.evaluate("0")
            return bool(self._routes)

        until(is_there, "an answer to be held up")

    def let_go(self) -> None:
        """Let the first one go on, and return when it has come."""
        route, told = self._routes.pop(0)
        with self._page.expect_response(lambda answer: answer.request == route.request) as answer:
            route.fulfill(response=told)
        answer.value.finished()

    def end(self) -> None:
        """Let all of them go on, and those to come."""
        self._is_over = True
        while self._routes:
            self.let_go()
