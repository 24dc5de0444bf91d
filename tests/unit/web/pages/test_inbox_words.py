"""What pages are made of: words, dates, addresses, charts, lines of a history."""

from datetime import UTC
from typing import Any

import pytest

from runner.web.pages.addresses import InboxPlace, address, place_of
from runner.web.pages.charts import bars, columns, nice_top
from runner.web.pages.dates import Dates, span, zone_of
from runner.web.pages.languages import Words, chosen
from runner.web.pages.overview import spans_of_age
from runner.web.pages.timeline import moments
from tests.catalogues import OTHERS, compiled, path_of, source_of, updated

NOON: int = 1_772_366_400_000
"""1 March 2026, 12:00 UTC."""
ENGLISH = Dates("en", UTC, "UTC")


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_has_a_translation(language: str) -> None:
    catalog = updated(language)
    missing = [each.id for each in catalog if each.id and not all(_strings(each.string))]
    assert not missing, "translate them; python -m tests.catalogues says which are new"
    assert path_of(language, "po").read_bytes() == source_of(catalog), "python -m tests.catalogues"
    assert path_of(language, "mo").read_bytes() == compiled(catalog), "python -m tests.catalogues"


@pytest.mark.parametrize("language", OTHERS)
def test_translations_name_the_same_values(language: str) -> None:
    for message in updated(language):
        if message.id:
            for text in _strings(message.string):
                assert _values(text) <= _values(*_strings(message.id)), message.id


def _strings(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _values(*texts: str) -> set[str]:
    found = set()
    for text in texts:
        found |= {part.partition(")")[0] for part in text.split("%(")[1:]}
        found |= {part.partition("}")[0] for part in text.split("{")[1:]}
    return found


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "en"),
        ("de", "en", "de"),
        ("xx", "de", "de"),
        (None, "de-CH,en;q=0.5", "de"),
        (None, "en;q=0.2, de;q=0.3", "de"),
        (None, "de;q=0", "en"),
        (None, "de;q=much, *;q=1", "en"),
        (None, ",;," * 300 + "de", "en"),
    ],
)
def test_the_language_of_a_browser(cookie: str | None, accepted: str, language: str) -> None:
    assert chosen(cookie, accepted) == language


@pytest.mark.parametrize(
    ("said", "german"),
    [
        ("must be at least 3", "muss mindestens 3 sein"),
        ("must be at least 3 characters long", "muss mindestens 3 Zeichen lang sein"),
        ("must be a number or text", "muss eine Zahl oder Text sein"),
        ("must be 7", "muss 7 sein"),
        ("must be one of a, {b}, %(c)s", "muss eines von a, {b}, %(c)s sein"),
        ("is required", "fehlt"),
        ("what nobody translates", "what nobody translates"),
    ],
)
def test_sentences_about_answers_are_translated_with_their_values(said: str, german: str) -> None:
    assert Words("de").said(said) == german
    assert Words("en").said(said) == said


def test_moments_in_two_languages_and_zones() -> None:
    assert ENGLISH.moment(NOON) == "1 Mar 2026, 12:00 UTC"
    berlin = Dates("de", zone_of("Europe/Berlin"), "Europe/Berlin")
    assert berlin.moment(NOON) == "01.03.2026, 13:00"
    assert (berlin.short_day(NOON), ENGLISH.short_day(NOON)) == ("1.3.", "1 Mar")
    assert berlin.from_input(berlin.local_input(NOON)) == NOON
    assert berlin.local_input(None) == ""
    assert ENGLISH.moment(-5) == "1 Jan 1970, 00:00 UTC"
    assert ENGLISH.moment(10**18).startswith("30 Dec 9999") or ENGLISH.moment(10**18).startswith(
        "31 Dec 9999"
    )
    for nonsense in ("", "soon", "2026-13-01T00:00"):
        assert berlin.from_input(nonsense) is None


def test_days_begin_at_midnight_of_the_reader() -> None:
    berlin = Dates("de", zone_of("Europe/Berlin"), "Europe/Berlin")
    starts = berlin.starts_of_days(1_774_872_000_000, 3)  # the day after the clocks went forward
    assert [berlin.local_input(each) for each in starts] == [f"2026-03-{day}T00:00" for day in (28, 29, 30)]
    assert starts[2] - starts[1] == 23 * 3_600_000


@pytest.mark.parametrize(
    ("ms", "told"), [(0, (0, "min")), (59_999, (0, "min")), (3_600_000, (1, "h")), (-172_800_000, (2, "d"))]
)
def test_how_long_a_time_is(ms: int, told: tuple[int, str]) -> None:
    assert span(ms) == told


def test_places_lead_back_with_their_filters() -> None:
    place = place_of([("view", "mine"), ("text", "a b"), ("after", "x"), ("did", "claim")], ["mine"], "all")
    assert place == InboxPlace("mine", [("text", "a b")])
    assert place.deed_address("d", "k", "claim") == "/tasks/d/k/claim?view=mine&text=a+b"
    assert place.task_address("d", "k", ("did", "x")) == "/inbox/mine/d/k?text=a+b&did=x"
    assert place_of([("view", "//evil")], ["mine"], "mine").view == "mine"
    assert address("/x", [("a", "\ud800&=")]) == "/x?a=%3F%26%3D"


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (2, 2), (3, 5), (9, 10), (11, 20), (21, 25), (26, 50), (999, 1000)]
)
def test_charts_end_at_round_numbers(value: int, top: int) -> None:
    assert nice_top(value) == top


def test_columns_and_bars_are_as_long_as_their_values() -> None:
    chart = columns([("a", 5), ("b", 10), ("c", 0)])
    assert [each.height for each in chart.columns] == [55.0, 110.0, 0.0]
    assert [each.y for each in chart.columns] == [55.0, 0.0, 110.0]
    assert chart.total == 15
    assert columns([]).total == 0
    assert [each.part for each in bars([("a", 10, ""), ("b", 5, "")])] == [100, 50]


def test_every_age_is_of_one_span() -> None:
    spans = spans_of_age(Words("en"), NOON)
    labels = [label for label, _ in spans]
    assert labels == ["< 1 h", "1-4 h", "4-24 h", "1-3 d", "3-7 d", "7-28 d", "> 28 d"]

    def labels_of(created: int) -> list[str]:
        return [
            label
            for label, span in spans
            if (span.lowest is None or span.lowest <= created)
            and (span.highest is None or created <= span.highest)
        ]

    for younger, older, hours in zip(labels, labels[1:], (1, 4, 24, 72, 168, 672), strict=False):
        age = hours * 3_600_000
        assert labels_of(NOON - age + 1) == [younger]
        assert labels_of(NOON - age) == [older]


def test_saving_again_and_again_is_one_line() -> None:
    def entry(event: str, actor: str = "ann", was: Any = None, **more: Any) -> dict[str, Any]:
        return {"at": NOON, "event": event, "actor": actor, "from": was, "to": None, "data": None, **more}

    told = moments(
        [
            entry("created", to={"user": None, "roles": ["clerk"]}),
            entry("saved"),
            entry("saved"),
            entry("saved", "bob"),
            entry("assigned", was={"user": None, "roles": ["clerk"]}, to={"user": "ann", "roles": []}),
            entry("updated", data=b'{"priority": 9, "dueOn": null, "notes": true}'),
            entry("escalated", "timer", data=b'{"level": 2}'),
            entry("of another version"),
            entry("cancelled", data=b'{"reason": "why", "for": "bob"}'),
        ],
        Words("en"),
        ENGLISH,
    )
    assert [(each.what, each.times) for each in told] == [
        ("Cancelled", 1),
        ("of another version", 1),
        ("Escalated", 1),
        ("Changed", 1),
        ("Claimed", 1),
        ("Answers saved", 1),
        ("Answers saved", 2),
        ("Created", 1),
    ]
    assert (told[4].came_from, told[4].went_to, told[0].reason) == ("clerk", "ann", "why")
    assert (told[2].by_itself, told[2].actor, told[7].came_from) == (True, None, None)
