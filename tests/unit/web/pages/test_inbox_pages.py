"""The pages of the inbox, as somebody without a script sees and uses them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runner.errors import StoreUnavailable
from runner.web.app import build_app
from runner.web.pages.own_pages import OwnPages
from runner.web.problems import Refused, unavailable
from tests.unit.web.desk import NOW, Inquirer
from tests.unit.web.pages.browser import posts
from tests.unit.web.pages.reader import Reader

TASK = "/inbox/mine/orders/t-1"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["sum"],
    "properties": {
        "sum": {"type": "integer", "minimum": 1, "title": "Sum"},
        "note": {"type": "string", "title": "Note"},
        "parts": {"type": "array", "title": "WebComponents", "items": {"type": "string", "title": "Part"}},
    },
}
HOSTILE = "<script>alert(1)</script>\"'><b>{{ 7 * 7 }}"


@pytest.fixture
def desk() -> Inquirer:
    made = Inquirer()
    body = {"schema": SCHEMA, "description": "Count it.", "outcomes": ["right", "wrong"]}
    assert made.ask("root", "PUT", "/definitions/orders/count", json=body).status_code == 200
    made.start("t-1", taskRoles="manager", taskName="Count the boxes", taskSpec="count", notes="call first")
    return made


@pytest.fixture
def ann(desk: Inquirer) -> Reader:
    return Reader(desk)


def note(desk: Inquirer) -> None:
    """Let the lists have the task as it is now."""
    desk.lists.note(next(iter(desk.lists._rows)))


def claimed(desk: Inquirer) -> None:
    assert desk.post("ann", "/tasks/orders/t-1/claim").status_code == 200


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


# -- deeds -----------------------------------------------------------------------------------------


def test_claim_fill_in_and_finish(desk: Inquirer, ann: Reader) -> None:
    page = ann.get("/inbox/available/orders/t-1?text=t")
    done = ann.press(page.form("/claim"))
    assert re.fullmatch(r"/inbox/available/orders/t-1\?text=t&after=[^&]+&did=claim", done.location)
    note(desk)
    page = ann.follow(done)
    assert page.sees("The task is yours.", "ann (you)")

    saved = ann.press(page.form("/answers"), "Save draft", {"data/sum": "3"})
    note(desk)
    page = ann.follow(saved)
    assert page.sees("Your answers are saved.")
    assert page.root.one("input", name="data/sum").attributes["value"] == "3"
    finished = ann.press(page.form("/answers"), "right")
    assert finished.location.startswith("/inbox/available?text=t&after=")
    assert finished.location.endswith("did=proceed")
    task = desk.get("ann", "/tasks/orders/t-1").json()
    assert (task["status"], task["outcome"], task["draft"]) == ("DONE", "right", {"sum": 3})


def test_what_is_wrong_is_told_at_the_field_and_what_was_typed_stays(desk: Inquirer, ann: Reader) -> None:
    claimed(desk)
    page = ann.press(ann.get(TASK).form("/answers"), "right", {"data/sum": "0", "data/note": "hm"})
    assert page.status == 422
    assert page.sees("There is a problem", "must be at least 1")
    assert page.root.one("input", name="data/sum").attributes["value"] == "0"
    assert page.root.one("input", name="data/note").attributes["value"] == "hm"
    page = ann.press(page.form("/answers"), "Save draft", {"data/sum": "some"})
    assert page.status == 422
    assert page.sees("must be a whole number")
    assert desk.get("ann", "/tasks/orders/t-1").json()["draft"] is None


def test_entries_are_added_and_taken_out_without_saving(desk: Inquirer, ann: Reader) -> None:
    claimed(desk)
    page = ann.press(ann.get(TASK).form("/answers"), "Add WebComponents", {"data/note": "hm"})
    assert page.status == 200
    assert len(page.root.all("div", **{"class": "entry"})) == 1
    assert page.root.one("input", name="data/note").attributes["value"] == "hm"
    part = ann.press(page.form("/answers"), "Remove Part 1", {"part": "form"}).root
    assert not part.all("div", **{"class": "entry"})
    assert not part.all("html")
    assert desk.get("ann", "/tasks/orders/t-1").json()["draft"] is None


def test_the_same_form_sent_twice_is_one_deed(desk: Inquirer, ann: Reader) -> None:
    claimed(desk)
    form = ann.get(TASK).form("/comments")
    assert [ann.press(form, "", {"text": "once"}).status for _ in range(2)] == [303, 303]
    form = ann.get(TASK).form("/answers")
    assert [ann.press(form, "wrong", {"data/sum": "1"}).status for _ in range(2)] == [303, 303]

    assert len(desk.get("ann", "/tasks/orders/t-1/comments").json()["comments"]) == 1


def test_answers_to_what_has_changed_are_not_sent(desk: Inquirer, ann: Reader) -> None:
    claimed(desk)
    page = ann.get(TASK)
    desk.post("ann", "/tasks/orders/t-1/comments", {"text": "changes nothing"})
    desk.post("ann", "/tasks/orders/t-1/draft", {"data": {"note": "meanwhile"}})
    page = ann.press(page.form("/answers"), "right", {"data/sum": "4"})
    assert page.status == 412
    assert page.sees("Somebody has changed this task meanwhile")
    assert page.root.one("input", name="data/sum").attributes["value"] == "4"
    assert page.root.one("input", name="data/note").attributes["value"] == "meanwhile"
    desk.post("ann", "/tasks/orders/t-1/comments", {"text": "changes nothing"})
    assert ann.press(page.form("/answers"), "right").status == 303
    assert desk.get("ann", "/tasks/orders/t-1").json()["status"] == "DONE"


def test_a_task_that_somebody_else_has_taken(desk: Inquirer) -> None:
    bob = Reader(desk, "bob")
    page = bob.get("/inbox/available/orders/t-1")
    claimed(desk)
    page = bob.press(page.form("/claim"))
    assert page.status == 409
    assert page.sees("Somebody else has this task", "Owner ann")
    assert not page.root.all("button", **{"data-verb": "claim"})


def test_the_script_saves_and_hears_what_is_next(desk: Inquirer, ann: Reader) -> None:
    claimed(desk)
    fields = {"csrf": "csrf-of-the-desk", "do": "save", "data/sum": "5"}
    form = ann.get(TASK).form("/answers")
    fields |= {
        each.attributes["name"]: each.attributes["value"] for each in form.all("input", type="hidden")
    } | fields
    told = ann.send("/tasks/orders/t-1/answers", fields, Accept="application/json").response
    assert told.status_code == 200
    assert told.json()["said"].startswith("Saved at ")
    again = {**fields, "key": "another", "data/sum": "6"}
    refused = ann.send("/tasks/orders/t-1/answers", again, Accept="application/json").response
    assert (refused.status_code, refused.json()["said"]) == (412, "Somebody has changed this task meanwhile")
    again |= {"basis": told.json()["basis"], "version": told.json()["version"], "key": "third"}
    assert ann.send("/tasks/orders/t-1/answers", again, Accept="application/json").status == 200
    assert desk.get("ann", "/tasks/orders/t-1").json()["draft"] == {"sum": 6}
    wrong = ann.send(
        "/tasks/orders/t-1/answers", {**again, "data/sum": "x"}, Accept="application/json"
    ).response
    assert wrong.status_code == 422


def test_comments_are_written_changed_and_deleted_by_their_authors(desk: Inquirer, ann: Reader) -> None:
    page = ann.follow(ann.press(ann.get(TASK).form("/comments"), "", {"text": "first\r\nsecond"}))
    assert page.sees("The comment is written.", "first second")
    page = ann.follow(ann.press(page.form("/comments/1"), "Save", {"text": "better"}))
    assert page.sees("The comment is changed.", "better", "edited")
    bob = Reader(desk, "bob").get(TASK)
    assert not [form for form in bob.root.all("form") if "/comments/1" in form.attributes.get("action", "")]
    page = ann.follow(ann.press(page.form("/comments/1"), "Delete"))
    assert page.sees("The comment is deleted.", "This comment was deleted.")
    assert ann.press(page.form("/comments"), "", {"text": "  "}).status == 400


def test_admins_assign_change_and_cancel(desk: Inquirer) -> None:
    claimed(desk)
    root = Reader(desk, "root")
    page = root.get("/inbox/all/orders/t-1")
    page = root.follow(root.press(page.form("/assign"), "", {"user": "bob", "roles": "clerk, manager"}))
    assert page.sees("The task was assigned.", "Owner bob", "clerk, manager")
    assert root.press(page.form("/assign")).sees("Name a user, a role, or both")
    page = root.follow(
        root.press(page.form("/update"), "", {"dueOn": "2027-03-01T12:30", "priority": "90", "notes": ""})
    )
    assert page.sees("The task is changed.", "1 Mar 2027, 12:30 UTC", "Priority 90")
    assert desk.get("root", "/tasks/orders/t-1").json()["notes"] is None
    for field, value, said in (
        ("priority", "much", "A priority is a number of 0 to 100"),
        ("dueOn", "soon", "Write a date and a time"),
    ):
        assert root.press(page.form("/update"), "", {field: value}).sees(said)
    assert root.press(page.form("/update")).sees("Nothing was changed")
    assert root.press(page.form("/cancel"), "", {"reason": " "}).sees("Say why the task is cancelled")
    done = root.press(page.form("/cancel"), "", {"reason": "no boxes"})
    assert done.location.startswith("/inbox/all?after=")
    page = root.get("/inbox/finished/orders/t-1")
    assert page.sees("Cancelled", "no boxes", "ann → to bob")


def test_a_task_without_a_definition_takes_any_answers(desk: Inquirer, ann: Reader) -> None:
    desk.start("t-2", taskRoles="manager", taskName="Free")
    desk.post("ann", "/tasks/orders/t-2/claim")
    page = ann.get("/inbox/mine/orders/t-2")
    wrong = ann.press(page.form("/answers"), "Finish", {"json": "[1"})
    assert wrong.status == 422
    assert wrong.sees("is not valid JSON")
    assert ann.press(wrong.form("/answers"), "Finish", {"json": "[1]"}).sees("must be an object")
    assert ann.press(page.form("/answers"), "Finish", {"json": '{"ok": 1.50}'}).status == 303
    desk.start("t-3", taskRoles="manager")
    page = ann.get("/inbox/mine/orders/t-3")
    assert page.sees("This task has no form.", "Finish")
    [folded] = page.root.all("details", **{"class": "free"})
    assert ("open" in folded.attributes, folded.one("textarea").text.strip()) == (False, "")
    # A browser would ask for it, and nobody would see where.
    assert "required" not in folded.one("textarea").attributes
    assert ann.press(page.form("/answers"), "Finish").status == 303
    resumed = {each.task_id: each for each in desk.exchange.resumed}
    assert b'"ok":1.50' in (resumed["t-2"].value or b"")


def test_a_draft_of_free_answers_is_kept_and_blank_takes_it_back(desk: Inquirer, ann: Reader) -> None:
    desk.start("t-2", taskRoles="manager")
    desk.post("ann", "/tasks/orders/t-2/claim")
    desk.post("ann", "/tasks/orders/t-2/draft", {"data": {"half": 1}})
    page = ann.get("/inbox/mine/orders/t-2")
    [folded] = page.root.all("details", **{"class": "free"})
    assert "open" in folded.attributes
    assert json.loads(folded.one("textarea").text) == {"half": 1}
    page = ann.follow(ann.press(page.form("/answers"), "Save draft", {"json": ""}))
    assert page.sees("Your answers are saved.")
    [folded] = page.root.all("details", **{"class": "free"})
    assert ("open" in folded.attributes, folded.one("textarea").text.strip()) == (False, "")
    desk.post("ann", "/tasks/orders/t-2/draft", {"data": {"half": 2}})
    assert ann.press(ann.get("/inbox/mine/orders/t-2").form("/answers"), "Finish").status == 303
    resumed = {each.task_id: each for each in desk.exchange.resumed}
    assert b'"half":2' in (resumed["t-2"].value or b"")


def test_many_at_once_and_what_was_not_done(desk: Inquirer, ann: Reader) -> None:
    desk.start("t-2", taskRoles="manager")
    page = ann.get("/inbox/available?text=t")
    form = page.form("/inbox/bulk")
    done = ann.send(
        form.attributes["action"],
        [
            *((n, v) for n, v in (("csrf", "csrf-of-the-desk"), ("key", "k"), ("do", "claim"))),
            ("task", "orders/t-1"),
            ("task", "orders/t-2"),
        ],
    )
    assert done.location.startswith("/inbox/available?text=t&after=")
    assert done.location.endswith("&did=bulk&n=2")
    again = Reader(desk, "bob").send(
        form.attributes["action"],
        [
            ("csrf", "csrf-of-the-desk"),
            ("key", "k"),
            ("do", "claim"),
            ("task", "orders/t-1"),
            ("task", "orders/none"),
        ],
    )
    assert again.status == 207
    assert again.sees("0 done, 2 not:", "t-1 Somebody else has this task.", "none This task is not there.")
    for fields in (
        {"do": "claim"},
        {"do": "explode", "task": "orders/t-1"},
        {"do": "cancel", "task": "orders/t-1", "reason": ""},
    ):
        assert ann.send("/inbox/bulk", {"csrf": "csrf-of-the-desk", **fields}).status == 400


def test_a_form_of_others_is_refused(desk: Inquirer, ann: Reader) -> None:
    for fields in ({"csrf": "guessed"}, {"csrf": "guessed ann"}, {"csrf": " ann"}, {"csrf": "é"}, {}):
        assert ann.send("/tasks/orders/t-1/claim", fields).status == 401
    plain = {"Content-Type": "text/plain"}
    assert ann.send("/tasks/orders/t-1/claim", {"csrf": "csrf-of-the-desk"}, **plain).status == 415
    assert desk.get("ann", "/tasks/orders/t-1").json()["owner"] is None
    assert ann.send("/tasks/orders/t-1/explode", {"csrf": "csrf-of-the-desk"}).status == 404


def test_what_another_site_has_sent_is_not_held(ann: Reader) -> None:
    for who in (ann, Reader(ann._desk, None)):
        page = who.send("/tasks/orders/t-1/comments", {"text": "planted"}, Origin="https://evil.example")
        assert page.status == 403
        assert "planted" not in page.response.text
        assert not page.root.all("form")


@pytest.mark.parametrize(
    ("path", "typed"),
    [("comments", {"text": f"one\r\ntwo {HOSTILE}"}), ("answers", {"data/sum": "7", "data/note": HOSTILE})],
)
def test_a_form_without_a_session_is_held_until_somebody_goes_on(
    desk: Inquirer, ann: Reader, path: str, typed: dict[str, str]
) -> None:
    claimed(desk)
    form = ann.get(f"{TASK}?text=t").form(f"/{path}")
    sent = {**dict(posts(form)), **typed, **({"outcome": "right"} if path == "answers" else {})}
    page = Reader(desk, None).send(form.attributes["action"], sent)
    assert page.status == 401
    assert page.sees("Your session has ended", "Sign in in a new tab")
    assert page.sees(*(" ".join(text.split()) for text in typed.values()))
    assert page.root.one("a", target="_blank").attributes["href"] == "/sign-in?next=/"
    held = page.root.one("form")
    assert held.attributes["action"] == form.attributes["action"]
    assert "csrf-of-the-desk" not in page.response.text

    page = ann.press(held, "Go on")
    assert (page.status, page.sees("You have signed in anew", "Nothing was done yet")) == (401, True)
    task = desk.get("ann", "/tasks/orders/t-1").json()
    assert (task["status"], task["comments"]) == ("ASSIGNED", 0)

    again = page.root.one("form")
    assert sorted(dict(posts(again)).items()) == sorted(sent.items())
    assert ann.press(again, "Go on").status == 303
    task = desk.get("ann", "/tasks/orders/t-1").json()
    if path == "answers":
        assert (task["status"], task["outcome"]) == ("DONE", "right")
        [resumed] = desk.exchange.resumed
        assert json.loads(resumed.value or b"")["payload"]["data"] == {
            "amount": 12.5,
            "sum": 7,
            "note": HOSTILE,
        }
    else:
        [comment] = desk.get("ann", "/tasks/orders/t-1/comments").json()["comments"]
        assert comment["text"] == typed["text"].replace("\r\n", "\n")


def test_who_sends_what_somebody_else_has_typed_is_told(desk: Inquirer, ann: Reader) -> None:
    form = ann.get(TASK).form("/comments")
    held = Reader(desk, None).send(form.attributes["action"], {**dict(posts(form)), "text": "of ann"})
    sent = [(name, value) for name, value in posts(held.root.one("form")) if name != "csrf"]
    page = Reader(desk, "bob").send(form.attributes["action"], [*sent, ("csrf", "of-a-session-before ann")])
    assert page.sees("This was typed as ann; you are bob now.", "it is sent as bob", "of ann")
    assert not desk.get("ann", "/tasks/orders/t-1/comments").json()["comments"]
    assert Reader(desk, "bob").press(held.root.one("form"), "Go on").sees("This was typed as ann")
    assert Reader(desk, "bob").press(page.root.one("form"), "Go on").status == 303
    assert desk.get("ann", "/tasks/orders/t-1/comments").json()["comments"][0]["by"] == "bob"


@pytest.mark.parametrize(
    ("path", "fields", "told"),
    [
        ("/tasks/orders/t-1/claim", {}, "Claim t-1"),
        ("/tasks/orders/t-1/cancel", {"reason": "twice"}, "Cancel the task t-1 Reason twice"),
        ("/tasks/orders/t-1/answers", {"outcome": "right"}, "Finish t-1 Outcome right"),
        ("/tasks/orders/t-1/answers", {"do": "save", "data/sum": "7"}, "Save draft t-1 Sum 7"),
        ("/tasks/orders/t-1/answers", {"add/lines": "", "data/sum": "7"}, "send it. Sum 7"),
        ("/tasks/orders/t-1/answers", {"data/a/gr%C3%B6%C3%9Fe~1m": "7"}, "Save draft t-1 Größe/m 7"),
        ("/tasks/orders/t-1/comments/1", {"do": "delete", "text": "old"}, "Delete t-1 Text old"),
        ("/inbox/bulk", {"do": "release", "task": "orders/t-1"}, "Give back Task orders/t-1"),
    ],
)
def test_who_goes_on_is_told_what_is_done(ann: Reader, path: str, fields: dict[str, str], told: str) -> None:
    page = ann.send(path, {"csrf": "of-a-session-before ann", **fields})
    assert page.sees(told)


def test_the_script_hears_that_the_session_of_its_page_has_ended(desk: Inquirer) -> None:
    for who in ("ann", None):
        answer = Reader(desk, who).send(
            "/tasks/orders/t-1/answers", {"csrf": "of-a-session-before ann"}, Accept="application/json"
        )
        assert answer.status == 401
        assert answer.response.json()["detail"] == "the session of this page has ended; sign in again"


def test_what_cannot_be_sent_now_is_held_as_well(desk: Inquirer, ann: Reader) -> None:
    form = ann.get(TASK).form("/comments")
    sent = {**dict(posts(form)), "text": "kept"}
    desk.store.is_away = True
    page = ann.send(form.attributes["action"], sent)
    assert (page.status, page.sees("kept")) == (503, True)
    desk.store.is_away = False
    assert ann.press(page.root.one("form"), "Go on").status == 303
    assert desk.get("ann", "/tasks/orders/t-1/comments").json()["comments"][0]["text"] == "kept"


def test_what_does_not_answer_is_told_kindly(desk: Inquirer, ann: Reader) -> None:
    page = ann.get("/inbox/available/orders/t-1")
    desk.exchange.trouble = Refused(504, "no reply yet", code=None)
    told = ann.press(page.form("/claim"))
    assert (told.status, told.sees("No answer yet")) == (504, True)
    desk.exchange.trouble = unavailable("nothing answers")
    assert ann.press(page.form("/claim")).status == 503
    desk.store.is_away = True
    away = ann.get(TASK)
    assert (away.status, away.response.headers["retry-after"]) == (503, "2")
    assert "10.0.0.7" not in away.response.text
    assert StoreUnavailable.__name__ not in away.response.text


def test_what_nobody_foresaw_is_a_page_with_an_id(
    desk: Inquirer, ann: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(desk.lists, "page", fails)
    page = ann.get("/inbox/mine")
    assert page.status == 500
    assert re.search("in the log under [0-9a-f]{16}", page.text)
    assert "secret" not in page.response.text


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
