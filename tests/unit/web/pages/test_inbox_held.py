"""Forms that cannot be carried out now: refused, or held until somebody goes on."""

import json
import re
from typing import Any

import pytest

from runner.errors import StoreUnavailable
from runner.web.problems import Refused, unavailable
from tests.unit.web.desk import Inquirer
from tests.unit.web.pages.browser import posts
from tests.unit.web.pages.counting import HOSTILE, TASK, claimed
from tests.unit.web.pages.reader import Reader


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
