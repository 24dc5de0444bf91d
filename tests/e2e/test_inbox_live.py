"""What a page does while things change: tasks that go, processes that die, lists that never rest."""

import json
import re
import socket
from typing import Any

from playwright.sync_api import Browser, Route, expect

from tests.e2e.inbox import PEOPLE, SETTINGS, Enters, done, entrance, invoice
from tests.e2e.inbox_troubles import claimed, opened, proceeds
from tests.e2e.web import Office, Web
from tests.waiting import until


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


def test_what_could_not_be_fetched_is_fetched_again(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(2190, 10, "Fetch"))
    max_ = enter("max")
    # A stream that begins has the list and the task read once.
    with max_.page.expect_response("**/*part=task*"):
        page = max_.go("/inbox/available/default/invoice-2190")
    max_.is_live()
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.fallback()
        else:
            refused.append(route.request.url)
            route.fulfill(status=503)

    page.route("**/inbox/*part=list*", refuse_once)
    done("carla", web, "invoice-2190", "claim")
    expect(page.locator("#task")).to_contain_text("carla")
    assert refused


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
