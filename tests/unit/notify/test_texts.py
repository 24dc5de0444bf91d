"""Templates: two languages come with the runner, one's own win, and an error shows at the start."""

import json
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from runner.errors import PoisonError
from runner.notify.notice import EVENTS, read_notice
from runner.notify.texts import LONGEST_SUBJECT, Texts, TextSettings
from runner.notify.unusable import Unusable
from runner.tasks.path_key import id_of
from tests.unit.notify.builders import cloud_event, notice

EVIL = "<img src=x onerror=alert(1)>"


def texts(folder: Path | None = None, **settings: object) -> Texts:
    return Texts(TextSettings(folder, **settings), [], [])  # type: ignore[arg-type]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "en").mkdir()
    (tmp_path / "fr").mkdir()
    (tmp_path / "fr" / "any.subject.txt").write_text("Tâche {{ task.name }}")
    (tmp_path / "fr" / "any.txt").write_text("Bonjour")
    return tmp_path


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_words_of_its_own_in_both_languages(event: str) -> None:
    made = {
        language: texts().letter(notice(event), language, None, for_chat=False) for language in ("en", "de")
    }
    assert made["en"].subject != made["de"].subject
    assert made["en"].text != made["de"].text
    for letter in made.values():
        assert "Order 7" in letter.subject
        assert "t-1" in letter.text
        assert letter.html is not None
        assert "t-1" in letter.html


def test_html_is_escaped_also_in_what_macros_give() -> None:
    shown = notice("assigned", actor=EVIL, task={"owner": EVIL, "name": EVIL, "roles": [EVIL]})
    letter = texts().letter(shown, "en", None, for_chat=False)
    assert letter.html is not None
    assert "<img" not in letter.html
    assert letter.html.count("&lt;img") >= 4
    assert EVIL in letter.text


def test_a_subject_is_one_line_however_it_is_written() -> None:
    shown = notice(task={"name": "a\r\nBcc: x\u2028y\u0085z\x0bw " + "long " * 100})
    subject = texts().letter(shown, "en", None, for_chat=False).subject
    assert subject.startswith("New task: a Bcc: x y")
    assert len(subject.splitlines()) == 1
    assert len(subject) == LONGEST_SUBJECT


def test_in_a_chat_nobody_is_called_and_nothing_is_linked_by_what_people_wrote() -> None:
    shown = notice(task={"name": "@everyone <!channel> [here](http://evil)"})
    letter = texts(link="https://tasks/{id}").letter(shown, "en", None, for_chat=True)
    for text in (letter.subject, letter.text):
        assert not any(sign in text for sign in ("@everyone", "<!", "[here]", "]("))
    assert "https://tasks/t-1" in letter.text


def test_the_link_is_escaped() -> None:
    shown = notice(task={"domain": "a b/../c"})
    letter = texts(link="https://tasks/{domain}/{id}?x").letter(shown, "en", None, for_chat=False)
    assert "https://tasks/a%20b%2F..%2Fc/t-1?x" in letter.text


@pytest.mark.parametrize("task_id", ["t-1:pay", "a/b c", "Größe?#%", "..", "half \ud800"])
def test_the_link_names_the_task_as_the_inbox_does(task_id: str) -> None:
    shown = read_notice(json.dumps(cloud_event() | {"subject": task_id}).encode(), 1_000_000)
    letter = texts(link="https://tasks/{key}").letter(shown, "en", None, for_chat=False)
    [line] = [line for line in letter.text.splitlines() if "https://tasks/" in line]
    assert id_of(line.partition("https://tasks/")[2].strip()) == task_id.replace("\ud800", "?")


def test_moments_are_shown_in_the_zone_and_as_the_language_writes_them() -> None:
    shown = notice(task={"dueOn": 1_795_000_000_000})
    berlin = texts(zone=ZoneInfo("Europe/Berlin"))
    assert "Fällig: 18.11.2026 12:06 CET" in berlin.letter(shown, "de", None, for_chat=False).text
    assert "Due: 2026-11-18 11:06 UTC" in texts(zone=UTC).letter(shown, "en", None, for_chat=False).text


@pytest.mark.parametrize("moment", [10**30, -(10**30), 1.5, "soon", True, [1]])
def test_a_moment_that_is_none_does_no_harm(moment: object) -> None:
    assert texts().letter(notice(task={"dueOn": moment}), "en", None, for_chat=False).text


def test_a_language_without_templates_falls_back(own: Path) -> None:
    made = texts(own, language="de")
    assert made.languages == {"en", "de", "fr"}
    for language in (None, "xx", "../en"):
        assert made.letter(notice(), language, None, for_chat=False).subject.startswith("Neue Aufgabe")
    assert made.letter(notice(), "fr", None, for_chat=False).subject == "Tâche Order 7"


def test_own_templates_win_the_more_special_the_sooner(own: Path) -> None:
    (own / "en" / "created.txt").write_text("mine of created")
    (own / "en" / "urgent.subject.txt").write_text("URGENT {{ task.name }}")
    made = Texts(TextSettings(own), ["urgent"], ["en"])
    letter = made.letter(notice("created"), "en", None, for_chat=False)
    assert letter.text == "mine of created"
    # The HTML that comes with the runner would hide the text that somebody wrote.
    assert letter.html is None
    assert made.letter(notice("reminded"), "en", None, for_chat=False).html is not None
    assert made.letter(notice("created"), "en", "urgent", for_chat=False).subject == "URGENT Order 7"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ tsak }}", "en/created.txt line 1: 'tsak' is undefined"),
        ("\n{{ task.nmae }}", "en/created.txt line 2: 'dict object' has no attribute 'nmae'"),
        ("\n\n{% if %}", "en/created.txt line 3"),
        ("{{ task.dueOn + 1 }}", "en/created.txt line 1"),
        ("{% include 'nowhere' %}", "nowhere"),
        ("{% include '/etc/passwd' %}", "passwd"),
        ("{{ ''.__class__.__mro__ }}", "en/created.txt line 1: access to attribute '__class__'"),
        ("{{ 1 | nosuch }}", "No filter named 'nosuch'"),
    ],
)
def test_an_error_in_a_template_is_named_at_the_start(own: Path, template: str, said: str) -> None:
    (own / "en" / "created.txt").write_text(template)
    with pytest.raises(Unusable, match=r"^notify\.templates has an error in") as refused:
        texts(own)
    assert said in str(refused.value)


def test_an_error_that_only_one_notification_brings_out_is_poison(own: Path) -> None:
    (own / "en" / "created.txt").write_text("{% if task.level == -1 %}{{ 1 // (task.level + 1) }}{% endif %}")
    made = texts(own)
    with pytest.raises(PoisonError, match=r"en/created\.txt line 1") as refused:
        made.letter(notice(task={"level": -1}), "en", None, for_chat=False)
    assert refused.value.reason == "TEMPLATE"


def test_what_a_route_asks_for_must_be_there(own: Path) -> None:
    with pytest.raises(Unusable, match="is xx, which has no templates"):
        Texts(TextSettings(own), [], ["xx"])
    (own / "fr" / "any.txt").unlink()
    with pytest.raises(Unusable, match=r"has no fr/any\.txt"):
        texts(own)
    with pytest.raises(Unusable, match="which is no folder"):
        texts(own / "nowhere")
