"""What people are told of what was not done: in their language, with a way out, whatever the code."""

from http import HTTPStatus
from typing import Final

import pytest

from runner import errors
from runner.web.pages.languages import Words
from runner.web.pages.notices import refused_notice
from runner.web.pages.refusals import refusal
from runner.web.problems import Refused, status_of
from tests.unit.web.desk import Inquirer
from tests.unit.web.pages.reader import Reader

GERMAN: Final = Words("de")
ENGLISH: Final = Words("en")
CODES: Final = {name: code for name, code in vars(errors).items() if name.isupper() and isinstance(code, int)}
STATUSES: Final = [status.value for status in HTTPStatus if status >= 400]
DETAIL: Final = "the <b>worker</b> says so in English"


def test_the_codes_are_all_of_them() -> None:
    assert set(errors.HTTP_OF_CODE) <= set(CODES.values())
    assert len(CODES) >= 20


@pytest.mark.parametrize("name", CODES)
def test_every_code_has_a_german_title_and_a_way_out(name: str) -> None:
    code = CODES[name]
    for detail in (DETAIL, "it has 9 bytes; the topic takes 8"):
        assert_german(status_of(code, detail), detail, code)


@pytest.mark.parametrize("status", [*STATUSES, 499, 599])
def test_every_status_has_a_german_title_and_a_way_out(status: int) -> None:
    assert_german(status, DETAIL)
    assert_german(status, DETAIL, code=77_777)


def assert_german(status: int, detail: str, code: int | None = None) -> None:
    told, english = (refusal(words, status, detail, code) for words in (GERMAN, ENGLISH))
    assert told.title
    assert told.title != english.title
    assert told.text
    assert told.text != english.text
    # What the API says is English, and is marked as that.
    if told.detail:
        assert told.is_english
        assert '<span lang="en">' in told.sentences
    assert "<b>" not in told.sentences
    notice = refused_notice(GERMAN, Refused(status, detail, code=code))
    assert (notice.kind, notice.title, notice.text) == ("bad", told.title, told.sentences)


def test_what_is_known_says_no_more_and_what_is_not_says_it_in_english() -> None:
    assert not refusal(GERMAN, 409, DETAIL, errors.OWNED_BY_ANOTHER).detail
    assert refusal(GERMAN, 409, "no more", errors.TASK_EXISTS).detail == "No more."
    assert refusal(GERMAN, 403, "is dotted.", errors.FORBIDDEN).detail == "Is dotted."
    assert refusal(GERMAN, 400).sentences == refusal(GERMAN, 400).text


def test_details_that_people_meet_are_translated() -> None:
    told = refusal(GERMAN, 400, "choose tasks, and what is to be done to them")
    assert told.detail == "Wählen Sie Aufgaben, und was mit ihnen geschehen soll."
    assert "lang" not in told.sentences


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/inbox/none", 404, "Diese Seite wurde nicht gefunden"),
        ("/overview", 403, "Das dürfen Sie nicht"),
        ("/inbox/mine?order=none", 400, "Das wurde nicht verstanden"),
    ],
)
def test_german_pages_of_refusal(path: str, status: int, title: str) -> None:
    page = Reader(Inquirer(), "ann", **{"Accept-Language": "de"}).get(path)
    assert page.status == status
    assert page.root.one("h1").text.strip() == title
    assert page.sees("Zu meinen Aufgaben")


def test_a_german_page_marks_what_is_english() -> None:
    page = Reader(Inquirer(), "ann", **{"Accept-Language": "de"}).get("/inbox/mine?order=none")
    [detail] = page.root.all("p", lang="en")
    assert "none" in detail.text
    page = Reader(Inquirer(), "ann", **{"Accept-Language": "de"}).get("/overview")
    assert page.sees("Nur die Verwaltung sieht den Überblick.")
    assert not page.root.all("p", lang="en")


def test_german_notices_and_lists_of_what_was_not_done() -> None:
    desk = Inquirer()
    desk.start("t-1", taskRoles="manager")
    ann, bob = (Reader(desk, who, **{"Accept-Language": "de"}) for who in ("ann", "bob"))
    form = bob.get("/inbox/available/orders/t-1").form("/claim")
    assert ann.press(ann.get("/inbox/available/orders/t-1").form("/claim")).status == 303
    assert bob.press(form).sees("Jemand anderes hat diese Aufgabe", "Machen Sie mit einer anderen weiter")
    sent = [("csrf", "csrf-of-the-desk"), ("key", "k"), ("do", "claim")]
    page = bob.send("/inbox/bulk", [*sent, ("task", "orders/t-1"), ("task", "orders/none")])
    assert page.sees("t-1 Jemand anderes hat diese Aufgabe.", "none Diese Aufgabe ist nicht da.")
    assert bob.send("/inbox/bulk", sent).sees("Wählen Sie Aufgaben, und was mit ihnen geschehen soll.")
