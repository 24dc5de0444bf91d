"""The inbox in a real Chromium, with a real worker, Kafka, Redis and lists: what people do and see."""

import re

from playwright.sync_api import Browser, expect

from tests.e2e.inbox import Enters, done, invoice
from tests.e2e.web import Office, Web
from tests.waiting import until


def test_a_clerk_a_manager_and_an_admin(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(1001, 99.5, "Miller & Sons"))
    carla, max_, ada = enter("carla"), enter("max"), enter("ada")

    page = carla.go("/inbox/available")
    carla.row("Check invoice 1001").get_by_role("link").click()
    page.locator("#pane").get_by_role("button", name="Claim", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("The task is yours.")
    page.get_by_label("Approved amount").fill("90")
    page.get_by_label("partly delivered").check()
    expect(page.locator("#saved-at")).to_contain_text("Saved at")
    page.get_by_label("Write a comment").fill("One box is missing.")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("#comments")).to_contain_text("One box is missing.")

    page = max_.go("/tasks/default/invoice-1001")
    expect(page.locator("#task")).to_contain_text("carla")
    expect(page.locator("#pane").get_by_role("button", name="Claim", exact=True)).to_have_count(0)
    page.get_by_label("Write a comment").fill("Then pay the rest later.")
    page.get_by_role("button", name="Comment", exact=True).click()

    page = ada.go("/inbox/all/default/invoice-1001")
    page.locator(".deeds-menu > summary").click()
    page.locator(".deeds-menu").get_by_text("Assign…").click()
    page.locator(".deeds-menu").get_by_label("To whom").fill("max")
    page.locator(".deeds-menu").get_by_role("button", name="Assign", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("The task was assigned.")
    expect(page.locator(".timeline li").first).to_contain_text(re.compile(r"carla\s*→\s*(to)?\s*max"))

    page = max_.go("/inbox/mine/default/invoice-1001")
    expect(page.get_by_label("Approved amount")).to_have_value("90")
    page.get_by_role("button", name="approve").click()
    expect(page.locator("#notice")).to_contain_text("The task is finished.")
    expect(max_.row("Check invoice 1001")).to_have_count(0)
    task = web.get("max", "/tasks/default/invoice-1001").json()
    assert (task["status"], task["outcome"], task["finishedBy"]) == ("DONE", "approve", "max")
    page = max_.go("/inbox/finished/default/invoice-1001")
    expect(page.locator(".timeline")).to_contain_text("Finished: approve")


def test_what_others_do_is_seen_without_a_reload(desk: Office, web: Web, enter: Enters) -> None:
    carla, max_ = enter("carla"), enter("max")
    page, other = carla.go("/inbox/available"), max_.go("/inbox/available")
    carla.is_live()
    max_.is_live()
    page.evaluate("window.stays = true")

    desk.started(web, **invoice(1002, 10, "Live Ltd", roles=["clerk"]))
    expect(carla.row("Check invoice 1002")).to_have_count(1)
    expect(max_.row("Check invoice 1002")).to_have_count(1)
    carla.row("Check invoice 1002").get_by_role("link").click()
    expect(page.locator("#task h1")).to_have_text("Check invoice 1002")
    max_.row("Check invoice 1002").get_by_role("link").click()
    other.locator("#pane").get_by_role("button", name="Claim", exact=True).click()

    expect(carla.row("Check invoice 1002")).to_have_count(0)
    expect(page.locator(".about")).to_contain_text("max")
    expect(page.locator("#pane").get_by_role("button", name="Claim", exact=True)).to_have_count(0)
    other.get_by_label("Write a comment").fill("It is mine now.")
    other.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("#comments")).to_contain_text("It is mine now.")
    assert page.evaluate("window.stays") is True


def test_one_browser_has_one_stream(desk: Office, web: Web, enter: Enters) -> None:
    carla = enter("carla")
    carla.go("/inbox/available")
    carla.is_live()
    second = carla.context.new_page()
    asked: list[str] = []
    second.on("request", lambda request: asked.append(request.url))
    second.goto(f"{web.url}/inbox/available")

    desk.started(web, **invoice(1003, 10, "Two tabs"))

    expect(second.locator(".row-item").filter(has_text="Check invoice 1003")).to_have_count(1)
    expect(carla.row("Check invoice 1003")).to_have_count(1)
    assert not [url for url in asked if "/events" in url]


def test_a_form_says_what_is_wrong_at_the_field(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(1004, 10, "Wrong"))
    done("carla", web, "invoice-1004", "claim")
    for with_script in (True, False):
        carla = enter("carla", java_script_enabled=with_script)
        page = carla.go("/inbox/mine/default/invoice-1004")
        amount = page.get_by_label("Approved amount")
        amount.fill("-5")
        if not with_script:
            page.locator("#answer-form").evaluate("form => { form.noValidate = true }")
        page.get_by_role("button", name="approve").click()
        field = page.locator(".field").filter(has=amount)
        expect(field).to_contain_text("must be at least 0")
        expect(amount).to_have_attribute("aria-invalid", "true")
        carla.context.close()


def test_a_task_without_a_form_is_finished_with_a_button(desk: Office, web: Web, enter: Enters) -> None:
    for number, with_script in enumerate((True, False)):
        key = f"free-{number}"
        desk.started(web, name="Just do it", taskId=key, roles=["clerk"])
        carla = enter("carla", java_script_enabled=with_script)
        page = carla.go(f"/inbox/available/default/{key}")
        expect(page.locator("textarea[name=json]")).to_have_count(1)
        expect(page.get_by_label("Answers", exact=True)).to_be_hidden()
        page.get_by_text("Answers as JSON").click()
        page.get_by_label("Answers", exact=True).fill("{1")
        page.get_by_role("button", name="Finish", exact=True).click()
        expect(page.locator(".free .error")).to_contain_text("is not valid JSON")
        page.get_by_label("Answers", exact=True).fill("")
        page.get_by_role("button", name="Finish", exact=True).click()
        expect(page.locator("#notice")).to_contain_text("The task is finished.")
        carla.context.close()


def test_everything_works_without_a_script(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(1005, 10, "Plain"))
    desk.started(web, name="Open account: Plain", spec="open-account", taskId="account-1005", roles=["clerk"])
    carla = enter("carla", java_script_enabled=False)

    page = carla.go("/inbox/available")
    page.get_by_role("searchbox").fill("1005 invoice")
    page.keyboard.press("Enter")
    expect(page.locator(".row-item")).to_have_count(1)
    carla.row("Check invoice 1005").get_by_role("link").click()
    page.locator("#pane").get_by_role("button", name="Claim", exact=True).click()
    page.get_by_label("Approved amount").fill("7")
    page.get_by_role("button", name="Save draft").last.click()
    expect(page.locator("#notice")).to_contain_text("Your answers are saved.")
    page.get_by_label("as ordered").check()
    page.get_by_role("button", name="reject").click()
    expect(page.locator("#notice")).to_contain_text("The task is finished.")
    assert web.get("carla", "/tasks/default/invoice-1005").json()["outcome"] == "reject"

    page = carla.go("/inbox/available/default/account-1005")
    page.locator("#pane").get_by_role("button", name="Claim", exact=True).click()
    page.get_by_label("Full name").fill("Plain Jane")
    page.get_by_role("button", name="Add Owners").click()
    expect(page.get_by_label("Full name")).to_have_value("Plain Jane")
    page.locator(".entry").get_by_label("Name").fill("Jane")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".entry")).to_have_count(0)


def test_a_draft_saves_itself_and_survives(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, name="Open account: Draft", spec="open-account", taskId="account-1006", roles=["clerk"])
    done("carla", web, "account-1006", "claim")
    carla = enter("carla")
    page = carla.go("/inbox/mine/default/account-1006")
    page.get_by_label("Full name").fill("Draft Person")
    page.get_by_role("button", name="Add Owners").click()
    expect(page.locator(".entry")).to_have_count(1)
    page.locator(".entry").get_by_label("Name").fill("Ann")
    expect(page.locator("#saved-at")).to_contain_text("Saved at")
    until(
        lambda: (
            (web.get("carla", "/tasks/default/account-1006").json()["draft"] or {}).get("owners")
            == [{"name": "Ann"}]
        ),
        "the draft to be saved",
    )
    page.close()

    page = enter("carla").go("/inbox/mine/default/account-1006")
    expect(page.get_by_label("Full name")).to_have_value("Draft Person")
    expect(page.locator(".entry").get_by_label("Name")).to_have_value("Ann")


def test_who_sends_answers_to_a_task_that_somebody_has_changed_is_told(
    desk: Office, web: Web, enter: Enters
) -> None:
    desk.started(web, **invoice(1007, 10, "Conflict"))
    done("carla", web, "invoice-1007", "claim")
    carla = enter("carla", java_script_enabled=False)
    page = carla.go("/inbox/mine/default/invoice-1007")
    page.get_by_label("Approved amount").fill("8")
    page.get_by_label("as ordered").check()
    done("carla", web, "invoice-1007", "comments", {"text": "This changes no answer."})
    done("carla", web, "invoice-1007", "draft", {"data": {"remark": "This does."}})

    page.get_by_role("button", name="approve").click()
    expect(page.locator("#notice")).to_contain_text("Somebody has changed this task meanwhile")
    expect(page.get_by_label("Approved amount")).to_have_value("8")
    expect(page.get_by_label("Remark for the supplier")).to_have_value("This does.")
    done("carla", web, "invoice-1007", "comments", {"text": "Nor does this."})
    page.get_by_role("button", name="approve").click()
    expect(page.locator("#notice")).to_contain_text("The task is finished.")


def test_a_second_click_does_nothing_twice(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(1008, 10, "Twice"))
    carla = enter("carla", java_script_enabled=False)
    page = carla.go("/inbox/available/default/invoice-1008")
    page.get_by_label("Write a comment").fill("Once.")
    page.get_by_role("button", name="Comment", exact=True).dblclick()
    expect(page.locator("#comments")).to_contain_text("Once.")

    comments = web.get("carla", "/tasks/default/invoice-1008/comments").json()["comments"]
    assert [each["text"] for each in comments] == ["Once."]


def test_many_tasks_at_once(desk: Office, web: Web, enter: Enters) -> None:
    for number in (1010, 1011, 1012):
        desk.started(web, **invoice(number, 10, "Bulk & Co"))
    done("max", web, "invoice-1012", "claim")
    ada = enter("ada")
    page = ada.go("/inbox/all?attributes.customer=Bulk %26 Co")
    expect(page.locator(".row-item")).to_have_count(3)
    for number in (1010, 1011):
        ada.row(f"Check invoice {number}").get_by_role("checkbox").check()
    expect(page.locator("#chosen")).to_have_text("2 chosen")
    page.locator("#bulk").get_by_text("Assign…").click()
    page.locator("#bulk").get_by_label("To whom").fill("carla")
    page.locator("#bulk").get_by_role("button", name="Assign", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("2 tasks were changed.")
    expect(ada.row("Check invoice 1010")).to_contain_text("carla")

    carla = enter("carla")
    page = carla.go("/inbox/mine?attributes.customer=Bulk %26 Co")
    page.locator("#all").check()
    page.locator("#bulk").get_by_role("button", name="Give back").click()
    expect(page.locator("#notice")).to_contain_text("2 tasks were changed.")


def test_the_keyboard_alone(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(1013, 10, "Keys One", roles=["manager"], priority=99))
    max_ = enter("max")
    page = max_.go("/inbox/available?attributes.customer=Keys One")
    page.keyboard.press("j")
    expect(max_.row("Check invoice 1013").get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#task h1")).to_have_text("Check invoice 1013")
    page.keyboard.press("c")
    expect(page.locator("#notice")).to_contain_text("The task is yours.")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.get_by_label("Approved amount").focus()
    page.keyboard.type("12")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("as ordered")).to_be_checked()
    page.get_by_role("button", name="approve").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("The task is finished.")


def test_filters_are_addresses_and_have_names(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(1014, 77, "Filters Inc"))
    carla = enter("carla")
    page = carla.go("/inbox/available")
    page.locator("#filters summary").click()
    page.get_by_label("Customer").fill("Filters Inc")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".row-item")).to_have_count(1)
    expect(page.locator(".chips")).to_contain_text("Customer: Filters Inc")
    page.locator("#filters summary").click()
    page.get_by_label("Save these filters as").first.fill("Filters")
    page.get_by_label("Save these filters as").first.press("Enter")

    page = carla.go("/inbox/available")
    page.locator("#filters summary").click()
    page.locator("#saved").get_by_role("link", name="Filters").click()
    expect(page).to_have_url(re.compile(r"attributes\.customer=Filters"))
    expect(page.locator(".row-item")).to_have_count(1)
    page.get_by_role("link", name="Take this filter off").click()
    expect(page.locator(".chips")).to_have_count(0)


def test_german_and_the_zone_of_the_browser(desk: Office, web: Web, enter: Enters) -> None:
    desk.started(web, **invoice(1015, 10, "Deutsch", dueOn=1_900_000_000_000))
    carla = enter("carla", locale="de-DE")
    page = carla.go("/inbox/available/default/invoice-1015")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator(".about")).to_contain_text("17.03.2030, 18:46")
    page.get_by_role("button", name="Übernehmen", exact=True).click()
    page.get_by_label("Approved amount").fill("-1")
    page.get_by_role("button", name="approve").click()
    expect(page.locator("#answers")).to_contain_text("muss mindestens 0 sein")
    page.locator(".me summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


HOSTILE = '<script>window.hacked = 1</script><img src=x onerror="window.hacked=1">"\'{{ 7 * 7 }}'


def test_what_people_write_is_text(desk: Office, web: Web, enter: Enters) -> None:
    schema = {
        "type": "object",
        "title": HOSTILE,
        "properties": {
            HOSTILE: {"type": "string", "title": HOSTILE, "description": HOSTILE, "default": HOSTILE}
        },
    }
    put = web.ask(
        "ada",
        "PUT",
        "/definitions/default/hostile",
        json={"schema": schema, "description": HOSTILE, "outcomes": [HOSTILE[:60]]},
    )
    assert put.status_code == 200, put.text
    desk.started(
        web,
        name=HOSTILE,
        spec="hostile",
        taskId=HOSTILE,
        roles=["clerk"],
        notes=HOSTILE,
        data={HOSTILE: [HOSTILE]},
    )
    carla = enter("carla")
    page = carla.go("/inbox/available")
    carla.row("hacked").get_by_role("link").click()
    page.locator("#pane").get_by_role("button", name="Claim", exact=True).click()
    page.get_by_label("Write a comment").fill(HOSTILE)
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator("#comments")).to_contain_text(HOSTILE)
    expect(page.locator("#task h1")).to_have_text(HOSTILE)
    assert page.evaluate("window.hacked") is None
    page.goto(f"{web.url}/definitions/default/hostile")
    assert page.evaluate("window.hacked") is None
    assert "49" not in page.locator("main").inner_text()


def test_nobody_without_a_session_sees_anything(web: Web, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        for path in ("/", "/inbox/mine", "/overview", "/definitions", "/tasks/default/x"):
            page.goto(web.url + path)
            assert page.url.startswith(f"{web.url}/sign-in?next=")


def test_what_is_for_admins_is_not_for_others(web: Web, enter: Enters) -> None:
    carla = enter("carla")
    for path, status in (
        ("/overview", 403),
        ("/inbox/all", 404),
        ("/tasks/default/none", 404),
        ("/nowhere", 404),
    ):
        answer = carla.page.goto(web.url + path)
        assert answer is not None
        assert (path, answer.status) == (path, status)
