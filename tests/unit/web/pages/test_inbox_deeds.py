"""What is done on the pages of the inbox: each form changes its task, once."""

import json
import re

from tests.unit.web.desk import Inquirer
from tests.unit.web.pages.counting import TASK, claimed, note
from tests.unit.web.pages.reader import Reader


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
