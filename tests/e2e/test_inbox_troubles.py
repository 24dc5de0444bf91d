"""What goes wrong in a browser: sessions that end, networks that are slow or away."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.inbox import Enters, done, invoice
from tests.e2e.inbox_troubles import (
    AWAY,
    QUICK,
    SLOW,
    HeldUp,
    claimed,
    draft,
    end_session,
    network,
    opened,
    proceeds,
    sign_in_elsewhere,
    sign_out_elsewhere,
)
from tests.e2e.web import Office, Web
from tests.waiting import until

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
