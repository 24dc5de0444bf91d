"""What goes wrong in a browser: sessions that end, networks that are slow or away, processes that die."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any, Final

import pytest
import redis
from playwright.sync_api import APIResponse, Browser, Page, Route, expect

from runner.web.sign_in.sessions import read_ticket
from tests.e2e.inbox import PEOPLE, SETTINGS, Enters, Person, done, entrance, inbox, invoice
from tests.e2e.web import Office, Web
from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import RedisServer
from tests.waiting import until

SLOW: Final = {"latency": 1500, "downloadThroughput": 20_000, "uploadThroughput": 20_000, "offline": False}
QUICK: Final = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1, "offline": False}
AWAY: Final = {**QUICK, "offline": True}


@pytest.fixture(scope="module")
def desk(
    kafka: KafkaServer, valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """A worker and a process of the inbox, for all tests here: each uses tasks of its own."""
    with inbox(kafka, valkey.url, tmp_path_factory.mktemp("inbox")) as opened:
        yield opened


@pytest.fixture
def web(desk: Office) -> Web:
    return desk.webs[0]


@pytest.fixture
def enter(browser: Browser, web: Web) -> Iterator[Enters]:
    """Let people in: ``enter("carla")``."""
    with entrance(browser, web) as enters:
        yield enters


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


# -- sessions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["deleted", "signed out"])
def test_a_session_that_ends_takes_nothing_along_that_was_typed(
    desk: Office, web: Web, enter: Enters, way: str
) -> None:
    number = {"deleted": 2001, "signed out": 2002}[way]
    carla = enter("carla")
    page = carla.go(claimed(desk, web, number))
    page.get_by_label("Approved amount").fill("7")
    expect(page.locator("#saved-at")).to_contain_text("Saved at")
    page.evaluate("window.stays = true")
    if way == "deleted":
        end_session(desk, carla)
    else:
        sign_out_elsewhere(carla)
    page.get_by_label("Remark for the supplier").fill("Typed without a session.")
    expect(page.locator("#ended")).to_contain_text("Your session has ended.")
    expect(page.locator("#saved-at")).to_have_text("Could not be saved")
    page.get_by_label("as ordered").check()
    assert draft(web, number) == {"approvedAmount": 7}

    sign_in_elsewhere(carla, "carla")
    expect(page.locator("#ended")).to_have_count(0)
    saved = {"approvedAmount": 7, "reason": "as ordered", "remark": "Typed without a session."}
    until(lambda: draft(web, number) == saved, "the draft to be saved")
    expect(page.locator("#saved-at")).to_contain_text("Saved at")
    assert page.evaluate("window.stays") is True
    page.get_by_role("button", name="approve").click()
    expect(page.locator("#notice")).to_contain_text("The task is finished.")
    assert len(proceeds(web, number)) == 1


def test_nothing_is_sent_as_somebody_else(desk: Office, web: Web, enter: Enters) -> None:
    carla = enter("carla")
    page = carla.go(claimed(desk, web, 2003))
    end_session(desk, carla)
    page.get_by_label("Remark for the supplier").fill("Of carla.")
    expect(page.locator("#ended")).to_contain_text("Your session has ended.")

    sign_in_elsewhere(carla, "max")
    expect(page.locator("#ended")).to_contain_text("You are max now, and this page is that of carla.")
    page.get_by_label("Approved amount").fill("9")
    expect(page.locator("#saved-at")).to_have_text("Could not be saved")
    assert draft(web, 2003) == {}
    page.get_by_label("as ordered").check()
    page.get_by_role("button", name="approve").click()
    expect(page.locator("h1")).to_have_text("You have signed in anew")
    expect(page.locator("main")).to_contain_text("This was typed as carla; you are max now.")
    expect(page.locator("main")).to_contain_text("Of carla.")
    assert proceeds(web, 2003) == []


def test_the_page_of_somebody_else_goes_on_when_they_are_back(desk: Office, web: Web, enter: Enters) -> None:
    carla = enter("carla")
    page = carla.go(claimed(desk, web, 2004))
    end_session(desk, carla)
    page.get_by_label("Remark for the supplier").fill("Of carla.")
    sign_in_elsewhere(carla, "max")
    expect(page.locator("#ended")).to_contain_text("You are max now")
    sign_out_elsewhere(carla)
    tab = carla.context.new_page()
    tab.goto(f"{web.url}/sign-in")
    tab.get_by_role("button", name="carla", exact=True).click()
    expect(page.locator("#ended")).to_have_count(0)
    until(lambda: draft(web, 2004) == {"remark": "Of carla."}, "the draft to be saved")


@pytest.mark.parametrize("with_script", [True, False])
def test_a_form_that_is_sent_without_a_session_is_kept(
    desk: Office, web: Web, enter: Enters, with_script: bool
) -> None:
    number = 2005 + with_script
    carla = enter("carla", java_script_enabled=with_script)
    page = carla.go(claimed(desk, web, number))
    page.get_by_label("Write a comment").fill("First line.\nSecond line, <b>text</b>.")
    end_session(desk, carla)
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("h1")).to_have_text("Your session has ended")
    expect(page.locator("main")).to_contain_text("Second line, <b>text</b>.")
    sign_in_elsewhere(carla, "carla")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("h1")).to_have_text("You have signed in anew")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#notice")).to_contain_text("The comment is written.")
    [comment] = web.get("carla", f"/tasks/default/invoice-{number}/comments").json()["comments"]
    assert comment["text"] == "First line.\nSecond line, <b>text</b>."

    page.get_by_label("Approved amount").fill("12")
    page.get_by_label("as ordered").check()
    end_session(desk, carla)
    page.get_by_role("button", name="approve").click()
    expect(page.locator("h1")).to_have_text("Your session has ended")
    sign_in_elsewhere(carla, "carla")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#notice")).to_contain_text("The task is finished.")
    assert len(proceeds(web, number)) == 1


# -- networks --------------------------------------------------------------------------------------


def test_typing_and_finishing_over_a_slow_network(desk: Office, web: Web, enter: Enters) -> None:
    carla = enter("carla")
    page = carla.go(claimed(desk, web, 2011))
    carla.is_live()
    network(carla, SLOW)
    page.get_by_label("as ordered").check()
    with page.expect_request(re.compile("/answers")):
        page.get_by_label("Approved amount").fill("1")
    page.get_by_label("Approved amount").fill("12")
    page.get_by_label("Remark for the supplier").press_sequentially("Slow")
    with page.expect_request(re.compile("/answers")):
        page.get_by_label("Remark for the supplier").press_sequentially(", but sure")
    statuses: list[int] = []
    page.on("response", lambda told: statuses.append(told.status) if told.request.method == "POST" else None)
    page.get_by_role("button", name="approve").dblclick(no_wait_after=True)
    expect(page.locator("#notice")).to_contain_text("The task is finished.")
    assert set(statuses) <= {200, 303}
    assert len(proceeds(web, 2011)) == 1
    task = web.get("carla", "/tasks/default/invoice-2011").json()
    assert (task["status"], task["outcome"]) == ("DONE", "approve")
    assert draft(web, 2011)["remark"] == "Slow, but sure"


def test_the_task_that_was_pressed_last_is_shown(desk: Office, web: Web, enter: Enters) -> None:
    for number in (2012, 2013):
        desk.started(web, **invoice(number, 10, "Two Clicks"))
    carla = enter("carla")
    page = opened(carla, "/inbox/available?attributes.customer=Two Clicks")
    first = HeldUp(page, r"invoice-2012\?.*part=task")
    carla.row("Check invoice 2012").get_by_role("link").click()
    first.wait()
    carla.row("Check invoice 2013").get_by_role("link").click()
    expect(page.locator("#task h1")).to_have_text("Check invoice 2013")
    first.let_go()
    done("ada", web, "invoice-2013", "comments", {"text": "After both."})
    expect(page.locator("#comments")).to_contain_text("After both.")
    expect(page.locator("#task h1")).to_have_text("Check invoice 2013")
    assert "invoice-2013" in page.url
    expect(page.locator(".row-item.shown")).to_have_count(1)
    expect(page.locator(".row-item.shown")).to_contain_text("Check invoice 2013")


def test_a_task_that_comes_late_does_not_stand_in_place_of_another(
    desk: Office, web: Web, enter: Enters
) -> None:
    for number in (2014, 2015):
        desk.started(web, **invoice(number, 10, "Late Refresh"))
    carla = enter("carla")
    page = opened(carla, "/inbox/available/default/invoice-2014?attributes.customer=Late Refresh")
    late = HeldUp(page, r"invoice-2014\?.*part=task")
    done("ada", web, "invoice-2014", "comments", {"text": "Of the first."})
    late.wait()
    carla.row("Check invoice 2015").get_by_role("link").click()
    expect(page.locator("#task h1")).to_have_text("Check invoice 2015")
    late.let_go()
    done("ada", web, "invoice-2015", "comments", {"text": "Of the second."})
    expect(page.locator("#comments")).to_contain_text("Of the second.")
    expect(page.locator("#task h1")).to_have_text("Check invoice 2015")


def test_what_is_typed_while_the_task_is_fetched_stays(desk: Office, web: Web, enter: Enters) -> None:
    carla = enter("carla")
    page = opened(carla, claimed(desk, web, 2016))
    late = HeldUp(page, r"invoice-2016\?.*part=task")
    changed = web.ask("ada", "PATCH", "/tasks/default/invoice-2016", json={"priority": 77})
    assert changed.status_code == 200, changed.text
    late.wait()
    page.get_by_label("as ordered").check()
    page.get_by_label("Approved amount").fill("3")
    page.get_by_label("Write a comment").fill("Not sent yet")
    expect(page.locator("#saved-at")).to_contain_text("Saved at")
    page.get_by_label("Remark for the supplier").fill("Typed last")
    late.end()
    expect(page.locator(".about")).to_contain_text("77")
    expect(page.get_by_label("as ordered")).to_be_checked()
    expect(page.get_by_label("Approved amount")).to_have_value("3")
    expect(page.get_by_label("Write a comment")).to_have_value("Not sent yet")
    expect(page.locator("#stale")).to_be_hidden()
    saved = {"approvedAmount": 3, "reason": "as ordered", "remark": "Typed last"}
    until(lambda: draft(web, 2016) == saved, "the draft to be saved")


def test_another_task_is_opened_when_what_was_typed_is_saved(desk: Office, web: Web, enter: Enters) -> None:
    claimed(desk, web, 2018)
    carla = enter("carla")
    page = carla.go(claimed(desk, web, 2017))
    carla.is_live()
    network(carla, SLOW)
    page.get_by_label("Approved amount").fill("4")
    carla.row("Check invoice 2018").get_by_role("link").click()
    expect(page.locator("#task h1")).to_have_text("Check invoice 2018")
    assert draft(web, 2017) == {"approvedAmount": 4}

    network(carla, QUICK)
    page.get_by_label("Write a comment").fill("Not sent")
    asked: list[str] = []

    def refuse(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", refuse)
    carla.row("Check invoice 2017").get_by_role("link").click()
    until(lambda: page.evaluate("0") == 0 and asked, "the question whether it may be left")
    assert asked == ["What you typed here is not saved. Leave it?"]
    expect(page.get_by_label("Write a comment")).to_have_value("Not sent")
    assert "invoice-2018" in page.url
    page.once("dialog", lambda dialog: dialog.accept())
    carla.row("Check invoice 2017").get_by_role("link").click()
    expect(page.locator("#task h1")).to_have_text("Check invoice 2017")


def test_what_is_typed_offline_is_saved_when_the_network_is_back(
    desk: Office, web: Web, enter: Enters
) -> None:
    carla = enter("carla")
    page = carla.go(claimed(desk, web, 2019))
    carla.is_live()
    network(carla, AWAY)
    expect(page.locator("#offline")).to_contain_text("Not connected.")
    page.get_by_label("as ordered").check()
    page.get_by_label("Approved amount").fill("5")
    expect(page.locator("#saved-at")).to_have_text("Could not be saved")
    page.get_by_role("button", name="approve").click()
    expect(page.get_by_label("Approved amount")).to_have_value("5")
    assert draft(web, 2019) == {}
    network(carla, QUICK)
    expect(page.locator("#offline")).to_have_count(0)
    until(lambda: draft(web, 2019) == {"approvedAmount": 5, "reason": "as ordered"}, "the draft to be saved")
    assert proceeds(web, 2019) == []
    page.get_by_role("button", name="approve").click()
    expect(page.locator("#notice")).to_contain_text("The task is finished.")
    assert len(proceeds(web, 2019)) == 1


def test_an_entry_that_cannot_be_fetched_loses_nothing(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(
        web, name="Open account: Troubles", spec="open-account", taskId="account-20", roles=["clerk"]
    )
    done("carla", web, "account-20", "claim")
    carla = enter("carla")
    page = carla.go("/inbox/mine/default/account-20")
    carla.is_live()
    page.get_by_label("Full name").fill("Jane")
    network(carla, AWAY)
    page.get_by_role("button", name="Add Owners").click()
    expect(page.locator("#saved-at")).to_have_text("Could not be saved")
    expect(page.locator(".entry")).to_have_count(0)
    expect(page.get_by_label("Full name")).to_have_value("Jane")

    network(carla, SLOW)
    expect(page.locator("#offline")).to_have_count(0)
    with page.expect_request(lambda request: "part=form" in (request.post_data or "")):
        page.get_by_role("button", name="Add Owners").click()
    page.get_by_label("Full name").fill("Jane Typed Meanwhile")
    expect(page.locator(".entry")).to_have_count(1)
    expect(page.get_by_label("Full name")).to_have_value("Jane Typed Meanwhile")
    expect(page.locator("#answer-form")).to_have_js_property("noValidate", True)
    network(carla, QUICK)
    page.locator(".entry").get_by_label("Name").fill("Ann")
    expected = {"name": "Jane Typed Meanwhile", "owners": [{"name": "Ann"}]}
    until(
        lambda: web.get("carla", "/tasks/default/account-20").json()["draft"] == expected,
        "the draft to be saved",
    )
    end_session(desk, carla)
    page.get_by_role("button", name="Add Owners").click()
    expect(page.locator("#ended")).to_contain_text("Your session has ended.")
    expect(page.locator(".entry")).to_have_count(1)


# -- events ----------------------------------------------------------------------------------------


def test_a_task_that_somebody_sees_no_longer(desk: Office, web: Web, enter: Enters) -> None:
    for number in (2031, 2032):
        desk.started(web, **invoice(number, 10, "Gone Ltd"))
    carla = enter("carla")
    page = carla.go("/inbox/available/default/invoice-2031?attributes.customer=Gone Ltd")
    carla.is_live()
    expect(page.locator(".row-item")).to_have_count(2)
    page.evaluate("window.stays = true")
    page.get_by_label("Write a comment").fill("Still here")
    for number in (2031, 2032):
        done("ada", web, f"invoice-{number}", "assign", {"user": "max", "roles": ["manager"]})
    expect(page.locator(".row-item")).to_have_count(0)
    expect(page.locator("#stale")).to_contain_text("You see this task no longer.")
    expect(page.get_by_label("Write a comment")).to_have_value("Still here")
    assert page.evaluate("window.stays") is True
    page.locator("#stale").get_by_role("link").click()
    expect(page).to_have_url(re.compile("/inbox/available[?]attributes.customer=Gone"))


def test_a_process_that_is_killed_and_one_that_takes_its_place(
    desk: Office, browser: Browser, tmp_path: Any
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        **SETTINGS,
        "RUNNER_WEB__PORT": str(port),
        "RUNNER_PROJECTION__URL": f"sqlite:///{tmp_path}/own.db",
    }
    mortal = desk.open(**own)
    with entrance(browser, mortal) as enter:
        carla = enter("carla")
        page = opened(carla, "/inbox/available?attributes.customer=Killed")
        page.evaluate("window.stays = true")
        heard: list[str] = []
        events = carla.context.new_cdp_session(page)
        events.on("Network.eventSourceMessageReceived", lambda told: heard.append(told["eventName"]))
        events.send("Network.enable")

        mortal.kill()
        desk.started(desk.webs[0], **invoice(2041, 10, "Killed"))
        expect(page.locator("#offline")).to_contain_text("Not connected.")
        second = desk.open(**own)
        expect(carla.row("Check invoice 2041")).to_have_count(1)
        expect(page.locator("#offline")).to_have_count(0)
        until(lambda: page.evaluate("0") or "changes" in heard, "the stream to go on")
        assert "reload" not in heard

        # Of another role somebody is another viewer: what they see now cannot be told by changes.
        second.kill()
        desk.started(desk.webs[0], **invoice(2042, 10, "Killed", roles=["auditor"]))
        roles = {**PEOPLE, "carla": ["clerk", "auditor"]}
        desk.open(**{**own, "RUNNER_WEB__USERS": json.dumps(roles)})
        expect(carla.row("Check invoice 2042")).to_have_count(1)
        expect(page.locator("#offline")).to_have_count(0)
        until(lambda: page.evaluate("0") or "reload" in heard, "the event reload")
        assert page.evaluate("window.stays") is True


def test_a_busy_list_is_read_ever_more_rarely(web: Web, enter: Enters) -> None:
    carla = enter("carla")
    carla.page.clock.install()
    page = carla.go("/inbox/available")
    carla.is_live()
    page.clock.run_for(20_000)
    second = carla.context.new_page()
    second.goto(f"{web.url}/inbox/finished")
    asked: list[str] = []
    page.on("request", lambda request: asked.extend([request.url] * ("part=list" in request.url)))

    def hear() -> None:
        message = {"changed": [{"domain": "default", "key": "other", "version": "1"}], "gone": []}
        second.evaluate("message => new BroadcastChannel('inbox').postMessage(message)", message)

    def hears(seconds: int) -> int:
        """Let so much time go by with four changes a second; return how often the list was read."""
        before = len(asked)
        for _ in range(4 * seconds):
            hear()
            page.evaluate("0")
            page.clock.run_for(250)
        return len(asked) - before

    def hears_and_reads() -> None:
        """A change after a quiet while is shown soon."""
        before = len(asked)
        hears(1)
        until(lambda: page.evaluate("true") and len(asked) > before, "the list to be read")

    hears_and_reads()
    assert hears(20) < 12
    assert hears(20) < 6
    page.clock.run_for(30_000)
    hears_and_reads()


def test_a_link_within_the_page_loads_nothing(desk: Office, web: Web, enter: Enters) -> None:
    carla = enter("carla")
    page = carla.go(claimed(desk, web, 2101))
    page.get_by_label("Remark for the supplier").fill("It stays.")
    page.evaluate("window.stays = true")
    page.keyboard.press("Escape")
    page.evaluate("location.hash = '#content'")
    page.go_back()
    expect(page.get_by_label("Remark for the supplier")).to_have_value("It stays.")
    assert page.evaluate("window.stays") is True


def test_a_click_is_not_lost_to_an_error_that_goes_away(desk: Office, web: Web, enter: Enters) -> None:
    """The error goes when its field is left, and what is below moves up: not before the button is let go."""
    carla = enter("carla", viewport={"width": 1280, "height": 1600})
    page = carla.go(claimed(desk, web, 2102))
    page.get_by_label("as ordered").check()
    amount = page.get_by_label("Approved amount")
    amount.fill("-5")
    page.get_by_role("button", name="approve").click()
    expect(amount).to_have_attribute("aria-invalid", "true")
    amount.fill("5")
    page.get_by_role("button", name="approve").scroll_into_view_if_needed()
    box = page.get_by_role("button", name="approve").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    page.mouse.down()
    page.mouse.up()
    expect(page.locator("#notice")).to_contain_text("The task is finished.")


def test_a_task_that_was_taken_away_leaves_what_was_typed(desk: Office, web: Web, enter: Enters) -> None:
    path = claimed(desk, web, 2103)
    carla = enter("carla", java_script_enabled=False)
    page = carla.go(path)
    page.get_by_label("Approved amount").fill("8")
    page.get_by_label("as ordered").check()
    page.get_by_label("Remark for the supplier").fill("An hour of work.")
    done("ada", web, "invoice-2103", "assign", {"user": "max", "override": True})

    page.get_by_role("button", name="approve").click()
    expect(page.get_by_role("heading", name="Somebody else has this task")).to_be_visible()
    expect(page.locator(".told")).to_contain_text("An hour of work.")
    assert proceeds(web, 2103) == []


def test_a_page_that_was_refused_stays_live(desk: Office, web: Web, enter: Enters) -> None:
    """What refuses a form answers at the form's address, which takes nothing else."""
    desk.started(web, **invoice(2104, 10, "Refused"))
    ada, max_ = enter("ada"), enter("max")
    page = ada.go("/inbox/all/default/invoice-2104")
    page.locator(".deeds-menu > summary").click()
    page.locator(".deeds-menu").get_by_text("Assign…").click()
    page.locator(".deeds-menu").get_by_role("button", name="Assign", exact=True).click()
    expect(page.locator("#notice")).to_be_visible()
    expect(page).to_have_url(f"{web.url}/inbox/all/default/invoice-2104")
    ada.is_live()

    other = max_.go("/inbox/available/default/invoice-2104")
    other.locator("#pane").get_by_role("button", name="Claim", exact=True).click()
    expect(ada.row("Check invoice 2104")).to_contain_text("max")
    expect(page.locator(".about")).to_contain_text("max")


def test_what_others_say_comes_beside_a_comment_that_is_begun(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(2105, 10, "Talk"))
    max_ = enter("max")
    page = max_.go("/inbox/available/default/invoice-2105")
    max_.is_live()
    page.get_by_label("Write a comment").fill("I wonder")
    done("carla", web, "invoice-2105", "claim")
    done("carla", web, "invoice-2105", "comments", {"text": "The box is open."})
    expect(page.locator("#comments")).to_contain_text("The box is open.")
    expect(page.locator("#answer-form")).to_have_count(0)
    done("carla", web, "invoice-2105", "release")
    expect(page.locator("#answer-form")).to_have_count(1)
    expect(page.get_by_label("Write a comment")).to_have_value("I wonder")


def test_no_page_can_be_scrolled_into_nothing(desk: Office, web: Web, enter: Enters) -> None:
    carla = enter("carla")
    for path in (claimed(desk, web, 2106), "/definitions/default/open-account"):
        page = carla.go(path)
        assert page.evaluate("document.documentElement.scrollHeight - innerHeight") == 0, path
