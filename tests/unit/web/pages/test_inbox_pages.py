"""The pages of the inbox, as somebody without a script sees them."""

import json
from pathlib import Path

import pytest

from runner.web.app import build_app
from runner.web.pages.own_pages import OwnPages
from tests.unit.web.desk import NOW, Inquirer
from tests.unit.web.pages.counting import HOSTILE, TASK, claimed, note
from tests.unit.web.pages.reader import Reader

# -- pages -----------------------------------------------------------------------------------------


def test_the_first_page_is_ones_own_tasks(ann: Reader) -> None:
    assert ann.get("/").location == "/inbox/mine"


def test_a_list_and_the_task_beside_it(ann: Reader) -> None:
    page = ann.get("/inbox/available/orders/t-1")
    assert page.status == 200
    assert page.rows() == ["Count the boxes"]
    assert page.sees("call first", "12.5", "manager", "Count it.", "Claim", "right", "wrong")


def test_a_task_is_found_in_the_list_that_it_is_in(desk: Inquirer, ann: Reader) -> None:
    assert ann.get("/tasks/orders/t-1").location == "/inbox/available/orders/t-1"
    claimed(desk)
    assert ann.get("/tasks/orders/t-1").location == TASK
    desk.post("ann", "/tasks/orders/t-1/proceed", {"answers": {"sum": 1}, "outcome": "right"})
    assert ann.get("/tasks/orders/t-1").location == "/inbox/finished/orders/t-1"
    assert Reader(desk, "root").get("/tasks/orders/t-1").location == "/inbox/finished/orders/t-1"


@pytest.mark.parametrize("view", ["mine", "available", "all", "finished"])
def test_each_list_asks_for_its_own_tasks(desk: Inquirer, view: str) -> None:
    Reader(desk, "root").get(f"/inbox/{view}?text=box&spec=count&spec=&status=DONE&overdue=&order=-priority")
    filters, order, cursor, limit = next(each for each in desk.lists.asked if each[0].text)
    assert (filters.text, filters.specs, filters.overdue) == ("box", frozenset({"count"}), None)
    assert (order.by, order.descending, cursor, limit) == ("priority", True, None, 50)
    assert (filters.mine, filters.for_me) == (view == "mine", view == "available")
    done = frozenset({"DONE"})
    usual = {"mine": frozenset({"ASSIGNED"}), "available": frozenset({"UNASSIGNED"})}
    assert filters.statuses == usual.get(view, done)


def test_filters_that_are_on_are_told_in_words(desk: Inquirer) -> None:
    query = "spec=check-invoice&status=TIMED_OUT&overdue=true&priorityFrom=70&dueFrom=1772366400000"
    page = Reader(desk, "root").get(f"/inbox/all?{query}&attributes.soldTo=4711")
    [chips] = page.root.all("ul", **{"class": "chips"})
    told = [each.all("span")[0].text for each in chips.all("a")]
    assert told == [
        "Kind: Check invoice",
        "State: Timed out",
        "Overdue: Yes",
        "Priority at least: 70",
        "Due after: 1 Mar 2026, 12:00 UTC",
        "Sold to: 4711",
    ]


def test_the_next_page_keeps_the_filters(desk: Inquirer, ann: Reader) -> None:
    for number in range(60):
        desk.start(f"n-{number}", taskRoles="manager")
    page = ann.get("/inbox/available?text=n&after=&did=claim")
    link = next(each for each in page.root.all("a", rel="next"))
    assert link.attributes["href"] == "/inbox/available?text=n&cursor=more"
    assert "First page" in ann.get(link.attributes["href"]).text


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("ann", "/inbox/all", 404),
        ("ann", "/inbox/none", 404),
        ("ann", "/overview", 403),
        ("eve", TASK, 404),
        ("ann", "/inbox/mine/other/t-1", 404),
        ("ann", "/inbox/mine/orders/~~", 404),
        ("ann", "/definitions/orders/none", 404),
        ("ann", "/definitions/other/count", 404),
        ("ann", "/static/none.css", 404),
        ("ann", "/static/own.css", 404),
        ("ann", "/inbox/mine?priorityFrom=much", 400),
        ("ann", "/inbox/mine?order=none", 400),
        ("ann", "/inbox/mine?after=none", 400),
    ],
)
def test_what_is_not_shown_is_told_on_a_page(desk: Inquirer, who: str, path: str, status: int) -> None:
    page = Reader(desk, who).get(path)
    assert page.status == status
    assert page.response.headers["content-type"].startswith("text/html")
    assert page.sees("To my tasks")


def test_who_has_not_signed_in_is_led_to_where_one_does(desk: Inquirer) -> None:
    nobody = Reader(desk, None)
    assert nobody.get("/inbox/mine?text=a b").location == "/sign-in?next=%2Finbox%2Fmine%3Ftext%3Da%2Bb"
    assert nobody.send("/tasks/orders/t-1/claim", {}).status == 401
    assert nobody.get("/inbox/mine?part=list", **{"X-Unattended": "1"}).status == 401


def test_the_overview_counts(desk: Inquirer) -> None:
    page = Reader(desk, "root").get("/overview")
    assert page.status == 200
    assert page.sees("Open", "Overdue", "Ended, by day")
    assert page.root.all("svg", role="img")


def test_definitions_show_their_form(ann: Reader) -> None:
    assert ann.get("/definitions").sees("kyc")
    page = ann.get("/definitions/orders/count")
    assert page.sees("Count it.", "Sum", "Note", "right", "Version 0", '"minimum": 1')
    assert ann.get("/definitions/orders/count?version=0").status == 200
    assert ann.get("/definitions/orders/count?version=7").status == 404


@pytest.mark.parametrize("path", ["/inbox/mine", TASK, "/definitions", "/inbox/none", "/overview"])
def test_every_page_lets_nothing_of_others_in(desk: Inquirer, path: str) -> None:
    page = Reader(desk, "root").get(path)
    policy = page.response.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.response.headers["cache-control"] == "no-store"
    for each in page.root:
        assert not {name for name in each.attributes if name == "style" or name.startswith("on")}
        assert each.tag != "style"
        assert each.tag != "script" or each.attributes["src"].startswith("/static/inbox.js?v=")


def test_what_the_script_asks_for_is_a_part(desk: Inquirer, ann: Reader) -> None:
    claimed(desk)
    note(desk)
    part = ann.get(f"{TASK}?part=list").root
    assert part.all("section", id="list")
    assert not part.all("section", id="pane")
    asked = len(desk.lists.asked)
    part = ann.get(f"{TASK}?part=task").root
    assert part.all("article", id="task")
    assert not part.all("html")
    # The list beside it was not read: its tabs alone were counted.
    assert [limit for *_, limit in desk.lists.asked[asked:]] == [200] * 3


def test_files_are_kept_by_browsers_under_the_address_of_their_content(ann: Reader) -> None:
    page = ann.get("/inbox/mine")
    for link in page.root.all("link", rel="stylesheet"):
        file = ann.get(link.attributes["href"])
        assert file.response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (
            ann.get(link.attributes["href"].partition("?")[0]).response.headers["cache-control"] == "no-cache"
        )
    assert ann.get("/static/inbox.js").response.headers["content-type"] == "text/javascript; charset=utf-8"


def test_all_that_people_wrote_is_text(desk: Inquirer) -> None:
    hostile = {
        "schema": {
            "title": HOSTILE,
            "description": HOSTILE,
            "properties": {
                HOSTILE: {"type": "string", "title": HOSTILE, "description": HOSTILE, "enum": [HOSTILE, "b"]}
            },
        },
        "description": HOSTILE,
        "outcomes": [HOSTILE],
    }
    assert desk.ask("root", "PUT", "/definitions/orders/hostile", json=hostile).status_code == 200
    desk.start(
        "h-1",
        taskRoles=[HOSTILE, "manager"],
        taskName=HOSTILE,
        taskSpec="hostile",
        notes=HOSTILE,
        taskAction=HOSTILE,
    )
    desk.post("ann", "/tasks/orders/h-1/claim")
    desk.post("ann", "/tasks/orders/h-1/comments", {"text": HOSTILE})
    desk.post("ann", "/tasks/orders/h-1/draft", {"data": {HOSTILE: HOSTILE}})
    pages = [
        Reader(desk, "ann").get(
            f"/inbox/mine/orders/h-1?text={HOSTILE}&role={HOSTILE}&attributes.amount={HOSTILE}"
        ),
        Reader(desk, "root").get("/inbox/all/orders/h-1"),
        Reader(desk, "root").get("/definitions/orders/hostile"),
        Reader(desk, "ann").get(f"/inbox/{HOSTILE}"),
        Reader(desk, "root").get("/overview"),
    ]
    for page in pages:
        assert "<script>alert" not in page.response.text
        assert not page.root.all("b")
        assert "49" not in page.text


# -- words and looks -------------------------------------------------------------------------------


def test_pages_are_in_the_language_of_the_browser_or_the_one_that_was_chosen(desk: Inquirer) -> None:
    german = Reader(desk, **{"Accept-Language": "fr;q=0.9, de-AT;q=0.8, en;q=0.5"})
    page = german.get(TASK)
    assert page.sees("Meine Aufgaben", "Worum es geht", "Angelegt")
    assert page.root.one("html").attributes["lang"] == "de"
    chosen = german.press(page.form("/language"), "English")
    assert chosen.location == TASK
    assert chosen.response.headers["set-cookie"].startswith("runner-language=en;")
    filtered = german.get("/inbox/mine?spec=gr%C3%B6%C3%9Fe&text=a+b&did=claim")
    assert german.press(filtered.form("/language"), "English").location == (
        "/inbox/mine?spec=gr%C3%B6%C3%9Fe&text=a+b"
    )
    refused = german.press(page.form("/comments"), "", {"text": " "})
    assert german.press(refused.form("/language"), "English").location == "/"
    assert Reader(desk, Cookie="runner-language=de").get("/inbox/mine").sees("Meine Aufgaben")
    for back in ("//evil", "https://evil", "/\\evil"):
        fields = {"csrf": "csrf-of-the-desk", "language": "none", "back": back}
        answer = german.send("/language", fields)
        assert (answer.location, "set-cookie" in answer.response.headers) == ("/", False)


def test_what_is_wrong_is_told_in_german_too(desk: Inquirer) -> None:
    claimed(desk)
    german = Reader(desk, **{"Accept-Language": "de"})
    page = german.press(german.get(TASK).form("/answers"), "right", {"data/sum": "0"})
    assert page.sees("Es gibt ein Problem", "muss mindestens 1 sein")
    assert page.root.one("input", name="data/sum").attributes["data-words-min"] == "muss mindestens 1 sein"
    page = german.press(page.form("/answers"), "right", {"data/sum": "x"})
    assert page.sees("muss eine ganze Zahl sein")


def test_moments_are_those_of_the_browser(desk: Inquirer) -> None:
    assert Reader(desk).get(TASK).sees("UTC")
    there = Reader(desk, Cookie="runner-zone=Asia/Tokyo").get(TASK)
    assert there.root.one("html").attributes["data-zone"] == "Asia/Tokyo"
    assert "UTC" not in there.text
    for nonsense in ("../../etc/passwd", "None/Where", "x" * 500):
        assert Reader(desk, Cookie=f"runner-zone={nonsense}").get(TASK).sees("UTC")


def test_a_page_of_ones_own_stands_in_place_of_a_form(desk: Inquirer, tmp_path: Path) -> None:
    (tmp_path / "count.html").write_text(
        "<p>For {{ task.name }}: {{ data.amount }}</p>"
        '<input type="text" name="data/sum" value="{{ answers.sum | default("") }}">'
    )
    (tmp_path / "form.html").write_text("never")
    object.__setattr__(desk.parts, "own_pages", OwnPages(tmp_path))
    claimed(desk)
    ann = Reader(desk)
    page = ann.get(TASK)
    assert page.sees("For Count the boxes: 12.5", "right")
    assert ann.press(page.form("/answers"), "right", {"data/sum": "x"}).sees("must be a whole number")
    assert ann.press(page.form("/answers"), "right", {"data/sum": "2"}).status == 303
    desk.start("t-2", taskRoles="manager", taskSpec="other")
    assert ann.get("/inbox/mine/orders/t-2").status == 200


def test_a_style_of_ones_own_comes_after_ours(desk: Inquirer) -> None:
    object.__setattr__(desk.parts, "stylesheet", b":root { --accent: #060; }")
    desk.app = build_app(desk.parts)
    ann = Reader(desk)
    styles = [each.attributes["href"] for each in ann.get("/inbox/mine").root.all("link", rel="stylesheet")]
    assert styles[-1] == "/static/own.css"
    assert ann.get(styles[-1]).response.content == b":root { --accent: #060; }"


def test_now_is_the_time_of_the_desk(desk: Inquirer, ann: Reader) -> None:
    desk.start("t-2", taskRoles="manager", taskName="Late", dueOn=NOW - 7_200_000)
    page = ann.get("/inbox/available")
    [late] = [each for each in page.root.all("time") if "overdue" in each.attributes["class"]]
    assert late.text == "2 h late"
    assert json.loads(json.dumps(late.attributes["datetime"])).startswith("2026-11-18T")


def test_a_deadline_that_is_not_over_is_not_late_where_the_task_is(desk: Inquirer, ann: Reader) -> None:
    desk.start("t-2", taskRoles="manager", dueOn=NOW - 7_200_000, timeoutOn=NOW + 10_800_000)
    told = ann.get("/inbox/available/orders/t-2").root.all("time", **{"data-countdown": "long"})
    assert [(each.attributes["class"], each.text) for each in told] == [
        ("due overdue", "2 h late"),
        ("due soon", "3 h left"),
    ]
