"""The page of a form: what a browser checks, who can use it, and that nothing written into it breaks out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.envelope import plain
from runner.forms.form import Form
from runner.forms.words import Violation
from runner.web.pages.attributes import attributes_of, input_type
from runner.web.pages.controls import Control, shown
from runner.web.pages.fields import Field, fields_of
from tests.unit.web.pages.browser import Element, page, posts

ELEMENTS = {
    *("form", "div", "h2", "ul", "li", "a", "button", "label", "span", "p", "input", "select", "option"),
    *("textarea", "fieldset", "legend", "details", "summary"),
}


def root_of(schema: Any, **ui: Any) -> Field:
    return fields_of(plain.encode({"schema": schema, **ui}))


def page_of(schema: Any, value: Any = None, violations: Any = (), **ui: Any) -> Element:
    return page(shown(root_of(schema, **ui), {} if value is None else value, {}, violations))


def checked(schema: Any, text: str = "") -> dict[str, str]:
    """The attributes by which a browser checks the field ``a``."""
    (field,) = root_of({"properties": {"a": schema}}).parts
    found = attributes_of(field, input_type(field, text), text, needed=False)
    return {name: value for name, value in found.items() if not name.startswith("data-")}


@pytest.mark.parametrize(
    ("schema", "attributes"),
    [
        ({"type": "string", "minLength": 2, "maxLength": 5}, {"minlength": "2", "maxlength": "5"}),
        ({"type": "string", "pattern": "^[A-Z]{2}$"}, {"pattern": "(?=[^]*(?:^[A-Z]{2}$))[^]*"}),
        ({"type": "number", "minimum": 0.5, "maximum": 1e3}, {"min": "0.5", "max": "1000.0", "step": "any"}),
        ({"type": "number", "exclusiveMinimum": 0}, {"min": "0", "step": "any"}),
        ({"type": "number", "minimum": 1, "multipleOf": 0.25}, {"min": "1", "step": "0.25"}),
        ({"type": "number", "minimum": 0.1, "multipleOf": 0.25}, {"min": "0.1", "step": "any"}),
        ({"type": "integer"}, {"step": "1"}),
        ({"type": "integer", "minimum": 0.5, "exclusiveMaximum": 10}, {"min": "1", "max": "9", "step": "1"}),
        ({"type": "integer", "exclusiveMinimum": 10**30}, {"min": str(10**30 + 1), "step": "any"}),
        ({"type": "integer", "multipleOf": 5}, {"step": "5"}),
        ({"type": "string", "format": "date-time"}, {"step": "any"}),
        ({"type": "string", "format": "idn-email"}, {"inputmode": "email"}),
    ],
)
def test_a_browser_checks_what_the_form_checks(schema: Any, attributes: dict[str, str]) -> None:
    assert checked(schema) == attributes


def test_steps_count_from_what_is_in_the_control_so_there_are_none_if_that_is_wrong() -> None:
    assert checked({"type": "integer"}, "1.5") == {"step": "any"}
    assert checked({"type": "integer"}, "1e-999999999") == {"step": "any"}
    assert checked({"type": "integer"}, "7") == {"step": "1"}


def test_what_a_browser_says_is_what_the_form_says() -> None:
    schema = {
        "type": "object",
        "required": ["t", "n"],
        "properties": {
            "t": {"type": "string", "minLength": 3, "maxLength": 5, "pattern": "^[a-z]+$"},
            "n": {"type": "number", "minimum": 18, "exclusiveMaximum": 99, "multipleOf": 2},
        },
    }
    form, made = Form(plain.encode(schema)), page_of(schema)
    text, number = made.one("input", name="data/t").attributes, made.one("input", name="data/n").attributes
    for attribute, typed in (("minlength", "a"), ("maxlength", "abcdef"), ("pattern", "ABC")):
        assert said(form, {"t": typed, "n": 20}) == text[f"data-words-{attribute}"]
    for attribute, value in (("min", 2), ("max", 100), ("step", 21), ("type", "x")):
        assert said(form, {"t": "abc", "n": value}) == number[f"data-words-{attribute}"]
    assert said(form, {"t": "abc"}) == number["data-words-required"] == text["data-words-required"]


def said(form: Form, answers: Any) -> str:
    (violation,) = form.violations(answers)
    return violation.message


@pytest.mark.parametrize(
    ("schema", "text", "kind"),
    [
        ({"type": "integer"}, "12", "number"),
        ({"type": "integer"}, "twelve", "text"),
        ({"type": "number"}, "1e400", "text"),
        ({"type": "string", "format": "date"}, "2026-02-28", "date"),
        ({"type": "string", "format": "date"}, "2026-02-30", "text"),
        ({"type": "string", "format": "date"}, "0000-01-01", "text"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:30", "datetime-local"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:30:00", "text"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:30:15.1234", "text"),
        ({"type": "string", "format": "email"}, "a@b.c", "email"),
        ({"type": "string", "format": "email"}, '"a b"@c.d', "text"),
    ],
)
def test_an_input_is_plain_text_where_a_browser_would_drop_what_is_in_it(
    schema: Any, text: str, kind: str
) -> None:
    (field,) = root_of({"properties": {"a": schema}}).parts
    assert input_type(field, text) == kind


def test_only_what_has_to_be_answered_is_required_by_the_browser() -> None:
    group = {
        "type": "object",
        "required": ["b"],
        "properties": {"b": {"type": "string"}, "c": {"type": "string"}},
    }
    schema = {
        "required": ["must", "null"],
        "properties": {"must": group, "may": group, "null": {"type": ["string", "null"]}},
    }
    made = page_of(schema)
    needed = [each.attributes["name"] for each in made if "required" in each.attributes]
    assert needed == ["data/must/b"]
    assert made.one("label", **{"for": "field/must/b"}).text.split() == ["B", "required"]
    assert made.one("label", **{"for": "field/may/b"}).text.split() == [
        "B",
        "required",
        "with",
        "this",
        "part",
    ]
    assert made.one("label", **{"for": "field/may/c"}).text.split() == ["C"]


def test_a_field_is_tied_to_its_hint_and_its_error() -> None:
    schema = {"properties": {"a": {"type": "string", "description": "As on the card"}}}
    made = page_of(schema, {"a": 5}, [Violation("/a", "type", "must be text")])
    (control,) = [each for each in made if each.attributes.get("aria-invalid") == "true"]
    texts = [made.one(id=each).text for each in control.attributes["aria-describedby"].split()]
    assert texts == ["As on the card", "Error: must be text"]
    link = made.one("div", id="problems").one("a")
    assert made.one(id=link.attributes["href"][1:]) is control


def test_answers_and_groups_are_fieldsets_with_legends() -> None:
    schema = {
        "properties": {
            "c": {"enum": ["x", "y"], "title": "Which?"},
            "g": {"title": "Address", "properties": {"s": {"type": "string"}}},
            "l": {"title": "People", "type": "array", "items": {"type": "string"}},
        }
    }
    made = page_of(schema, {"l": ["a"]})
    legends = [each.text.strip() for each in made.all("legend")]
    assert legends == ["Which?", "Address", "People"]
    assert all(
        isinstance(each.children[1], Element) and each.children[1].tag == "legend"
        for each in made.all("fieldset")
    )


def test_no_script_no_style_and_no_handler_is_on_the_page() -> None:
    made = page_of({"properties": {"a": {"type": "string"}, "l": {"type": "array", "items": {}}}}, {"l": [1]})
    assert {each.tag for each in made} <= ELEMENTS
    assert not [name for each in made for name in each.attributes if name.startswith("on") or name == "style"]


def test_enter_in_a_field_saves_and_neither_adds_removes_nor_decides() -> None:
    schema = {"properties": {"l": {"type": "array", "items": {"type": "string"}}}}
    made = page(shown(root_of(schema), {"l": ["a"]}), outcomes=("approve", "reject"))
    first = made.all("button")[0]
    assert (first.attributes["name"], first.attributes["value"]) == ("do", "save")
    outcomes = [each.attributes["value"] for each in made.all("button", name="outcome")]
    assert outcomes == ["approve", "reject"]


def test_buttons_of_lists_post_without_being_stopped_by_what_is_missing() -> None:
    schema = {"properties": {"l": {"type": "array", "items": {"type": "string"}, "maxItems": 2}}}
    made = page_of(schema, {"l": ["a"]})
    for name in ("add/l", "remove/l/0"):
        assert "formnovalidate" in made.one("button", name=name).attributes
        assert (name, "") in posts(made, name)
    assert not page_of(schema, {"l": ["a", "b"]}).all("button", name="add/l")


HOSTILE = st.text(st.sampled_from("<>&\"'/=`{}%#;:!- \nabscript\u2028\x7f\U0001f600")) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</textarea><script>",
        "' onfocus='x",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "&lt;b&gt;",
        "javascript:alert(1)",
        "<!--",
        "]]>",
    ]
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
@settings(max_examples=200, deadline=None)
def test_whatever_is_written_into_a_form_is_shown_as_it_is(
    title: str, description: str, option: str, value: str, name: str
) -> None:
    texts = {"title": title, "description": description}
    schema = {
        **texts,
        "properties": {
            "t": {"type": "string", **texts},
            "l": {"type": "string", **texts},
            "c": {"enum": [option, "other"], **texts},
            "s": {"oneOf": [{"const": option, **texts}, {"const": 5}]},
            "g": {"type": "object", **texts, "properties": {name: {"type": "string", **texts}}},
            "a": {"type": "array", **texts, "items": {"type": "string"}},
            "j": texts,
        },
    }
    data = {"t": value, "l": f"\n{value}", "c": option, "g": {name: value}, "a": [value], "j": value}
    found = [Violation("/t", "x", value), Violation(f"/{name}", "x", value)]
    made = page_of(schema, data, found, uiWidgets={"s": "select"})
    assert {each.tag for each in made} <= ELEMENTS
    assert not [each for e in made for each in e.attributes if each.startswith("on") or each == "style"]
    assert all(link.attributes["href"].startswith("#") for link in made.all("a"))
    posted = dict(posts(made))
    assert posted["data/t"].replace("\r\n", "\n") == value
    assert posted["data/l"].replace("\r\n", "\n") == f"\n{value}"
    assert plain.decode(posted["json/j"].encode()) == value
    hints = [each.text for each in made.all("p") if each.attributes.get("class") == "hint"]
    assert hints.count(description) >= (6 if description else 0)
    labels = {each.text.strip() for each in made.all("label")}
    assert option.strip() in labels
    assert (title.strip() or "T") in labels


def test_a_deep_form_is_shown() -> None:
    schema: Any = {"type": "string"}
    for _ in range(12):
        schema = {"type": "object", "properties": {"a": schema}}
    control: Control = shown(root_of(schema), {})
    assert page(control).all("textarea")
