"""The data of a task as tables: readable, escaped, and never too much of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.envelope import plain
from runner.web.pages.context import MAX_CELLS, MAX_CHARACTERS, MAX_LEVELS, MAX_ROWS, Look, Shown, readable
from runner.web.pages.languages import USUAL
from runner.web.pages.spoken import spoken
from tests.unit.web.pages.browser import Element, parse

_PAGE = spoken(USUAL).from_string('{% from "context.html" import data %}{{ data(it) }}')

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=40,
)


def made(value: Any) -> Element:
    return parse(_PAGE.render(it=readable(value)))


def words(value: Any) -> list[str]:
    return made(value).text.split()


def test_an_object_is_rows_of_labels_and_values() -> None:
    value = {
        "customerName": "Ada",
        "amount": plain.decode(b"12.50"),
        "isNew": True,
        "note": None,
        "empty": {},
    }
    rows = [[cell.text.strip() for cell in row if cell.tag in {"th", "td"}] for row in made(value).all("tr")]
    assert rows == [
        ["Customer name", "Ada"],
        ["Amount", "12.50"],
        ["Is new", "Yes"],
        ["Note", "nothing"],
        ["Empty", "nothing"],
    ]


def test_a_list_of_flat_objects_is_one_table() -> None:
    page = made([{"name": "a", "n": 1}, {"name": "b", "x": None}])
    assert [each.text for each in page.all("th")] == ["Name", "N", "X"]
    assert [each.text.strip() for each in page.all("td")] == ["a", "1", "", "b", "", "nothing"]


def test_a_list_of_other_things_is_a_list() -> None:
    assert [each.text.strip() for each in made([1, "b", {"c": [2]}]).all("li")][:2] == ["1", "b"]


@pytest.mark.parametrize("value", [None, "", " ", [], {}])
def test_what_is_empty_says_so(value: Any) -> None:
    assert words(value) == ["nothing"]


def test_more_rows_than_are_shown_are_counted() -> None:
    assert readable(list(range(MAX_ROWS + 7))).left_out == 7
    assert readable({f"f{n}": n for n in range(MAX_ROWS + 7)}).left_out == 7
    assert readable([{"a": n} for n in range(MAX_ROWS + 7)]).left_out == 7
    assert "7 more are not shown." in made(list(range(MAX_ROWS + 7))).text
    assert "One more is not shown." in made(list(range(MAX_ROWS + 1))).text


def test_what_is_deeper_than_tables_is_json() -> None:
    value: Any = 1
    for _ in range(MAX_LEVELS + 2):
        value = {"a": value}
    assert [each.text for each in made(value).all("code")] == ['{"a":{"a":1}}']


def test_a_long_text_is_cut() -> None:
    shown = readable("x" * (MAX_CHARACTERS + 1))
    assert (len(shown.text), shown.is_cut) == (MAX_CHARACTERS, True)
    assert made("x" * (MAX_CHARACTERS + 1)).text.strip().endswith("…")


def cells(shown: Shown) -> int:
    below = [part for _, part in shown.rows] + [
        cell for line in shown.lines for cell in line if cell is not None
    ]
    return 1 + sum(cells(part) for part in below)


@pytest.mark.parametrize(
    "value",
    [
        [[[[1] * 60] * 60] * 60] * 60,
        {f"k{n}": {f"k{m}": {f"k{o}": [1] * 60 for o in range(60)} for m in range(60)} for n in range(60)},
        [{f"c{n}": "x" for n in range(6)}] * 5000,
    ],
)
def test_however_much_there_is_little_is_shown(value: Any) -> None:
    assert cells(readable(value)) < 2 * MAX_CELLS


def test_data_of_any_depth_is_shown() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    assert readable(value).look is Look.ENTRIES


@given(ANY_JSON)
@settings(max_examples=200, deadline=None)
def test_any_json_is_shown_and_nothing_breaks_out(value: Any) -> None:
    tags = {each.tag for each in made(value)}
    assert tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "ol", "li", "span", "code", "p"}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1))
def test_a_text_is_shown_as_it_is(text: str) -> None:
    (shown,) = made({"a": text}).all("td")
    assert shown.text.strip() == (text.strip() or "nothing")


def test_half_of_a_character_pair_is_shown_as_something() -> None:
    assert made({"\ud800": "\udfff"}).text
