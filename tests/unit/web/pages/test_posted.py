"""What was posted as JSON: blank and missing, numbers, lists without a script, and any input at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runner.envelope import plain
from runner.envelope.values import deep_merge
from runner.forms.form import Form
from runner.forms.refusal import SchemaRefused
from runner.web.pages.controls import control_of, controls, problems, shown
from runner.web.pages.fields import ANYTHING, Field, fields_of, initial
from runner.web.pages.names import ADD, DATA, PREFIXES
from runner.web.pages.posted import NOT_JSON, Posted, number_of, read_posted, shown_value, wrong_with
from tests.unit.forms.random_schemas import answers, schemas
from tests.unit.web.pages.browser import page, posts
from tests.unit.web.pages.forms import Case, cases

_SLOW = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def root_of(schema: Any, **ui: Any) -> Field:
    return fields_of(plain.encode({"schema": schema, **ui}))


def posted(
    properties: dict[str, Any],
    pairs: list[tuple[str, str]],
    saved: Any = None,
    required: tuple[str, ...] = (),
) -> Posted:
    return read_posted(root_of({"properties": properties, "required": list(required)}), pairs, saved)


ADDRESS: Any = {
    "type": "object",
    "required": ["street"],
    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
}
PEOPLE: Any = {
    "type": "array",
    "items": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
}


# -- blank and missing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema", [{"type": "string"}, {"type": "integer"}, {"enum": ["x"]}, {"type": "boolean"}]
)
@pytest.mark.parametrize("blank", ["", " ", "\r\n"])
def test_a_blank_field_is_left_out(schema: Any, blank: str) -> None:
    assert posted({"a": schema}, [("data/a", blank)]).data == {}
    assert posted({"a": schema}, [("data/a", blank)], required=("a",)).data == {}


def test_a_blank_required_field_is_a_violation_at_the_field() -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a", "b"]}
    given_ = read_posted(root_of(schema), [("data/a", "  "), ("data/b", "")])
    found = wrong_with(given_, Form(plain.encode(schema)))
    assert [(each.pointer, each.message) for each in found] == [("/a", "is required"), ("/b", "is required")]


def test_a_blank_field_takes_back_what_is_saved() -> None:
    saved = {"a": "x", "b": 5, "c": "", "d": None}
    fields = {name: {"type": "integer" if name == "b" else "string"} for name in "abcd"}
    assert posted(fields, [(f"data/{name}", "") for name in "abcd"], saved).data == {"a": None, "b": None}


def test_a_field_that_was_not_on_the_page_keeps_what_is_saved() -> None:
    given_ = posted(
        {"a": {"type": "string"}, "b": ADDRESS, "l": PEOPLE}, [("data/a", "new")], {"b": {"street": "x"}}
    )
    assert given_.data == {"a": "new"}


def test_a_blank_field_that_may_be_null_is_null_where_it_is_required() -> None:
    schema = {"type": ["string", "null"]}
    assert posted({"a": schema}, [("data/a", "")], required=("a",)).data == {"a": None}
    assert posted({"a": schema}, [("data/a", "")]).data == {}


def test_a_group_that_may_be_left_out_is_left_out_if_all_in_it_is_blank() -> None:
    blank = [("data/a/street", ""), ("data/a/city", " ")]
    assert posted({"a": ADDRESS}, blank).data == {}
    assert posted({"a": ADDRESS}, blank, {"a": {"street": "x"}}).data == {"a": None}
    assert posted({"a": ADDRESS}, [*blank, ("data/a/city", "Ulm")]).data == {"a": {"city": "Ulm"}}
    assert posted({"a": ADDRESS}, blank, required=("a",)).data == {"a": {}}


def test_the_fields_of_a_required_group_are_required() -> None:
    schema = {"properties": {"a": ADDRESS}, "required": ["a"]}
    found = wrong_with(read_posted(root_of(schema), [("data/a/street", "")]), Form(plain.encode(schema)))
    assert [(each.pointer, each.rule) for each in found] == [("/a/street", "required")]


def test_a_box_that_is_not_ticked_is_false_and_one_that_must_be_ticked_is_missing() -> None:
    schema = {"properties": {"a": {"type": "boolean"}, "b": {"const": True}}}
    root = root_of(schema, uiWidgets={"a": "checkbox"})
    assert read_posted(root, [("data/a", "false"), ("data/b", "false")]).data == {"a": False}
    both = [(f"data/{name}", value) for name in "ab" for value in ("false", "true")]
    assert read_posted(root, both).data == {"a": True, "b": True}


def test_a_field_of_an_object_that_is_gone_from_its_json_text_is_taken_back() -> None:
    saved = {"a": {"x": 1, "y": {"z": 1, "w": 2}}}
    assert posted({"a": {}}, [("json/a", '{"y":{"z":3}}')], saved).data == {
        "a": {"x": None, "y": {"z": 3, "w": None}}
    }


def test_more_fields_of_an_open_object_are_json_of_their_own() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "integer"}}
    given_ = read_posted(root_of(schema), [("data/a", "x"), ("more", '{"n":1,"a":"not this"}')], {"m": 2})
    assert given_.data == {"a": "x", "n": 1, "m": None}


def test_a_task_without_a_definition_takes_any_json() -> None:
    assert read_posted(ANYTHING, [("json", '{"a":[1.50]}')]).data == {"a": [1.5]}
    assert read_posted(ANYTHING, [("json", "")]).data == {}


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", b"1"),
        (" 1.50 ", b"1.50"),
        ("-0", b"-0"),
        ("007", b"7"),
        (".5", b"0.5"),
        ("5.", b"5"),
        ("+5", b"5"),
        ("1E400", b"1E400"),
        ("0.1000000000000000000001", b"0.1000000000000000000001"),
        ("9" * 5000, b"9" * 5000),
    ],
)
def test_a_number_is_the_one_that_was_typed(text: str, number: bytes) -> None:
    assert plain.encode(number_of(text.strip())) == number


@pytest.mark.parametrize(
    "text", ["", ".", "-", "1,5", "1 000", "0x1", "NaN", "Infinity", "1e", "e5", "1_0", "٣", "²"]
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer"}, "abc"),
        ({"type": "integer"}, "1,5"),
        ({"type": "number"}, "1e"),
        ({"type": ["number", "null"]}, "x"),
        ({"type": "boolean"}, "perhaps"),
        ({"enum": ["red", "blue", 3]}, "green"),
        ({"type": "string", "enum": ["red"]}, "<b>"),
    ],
)
def test_what_does_not_convert_is_reported_at_the_field_in_the_words_of_the_form(
    schema: Any, text: str
) -> None:
    given_ = posted({"a": schema}, [("data/a", text)])
    assert (given_.data, given_.typed) == ({}, {"data/a": text})
    assert given_.violations == Form(plain.encode({"properties": {"a": schema}})).violations({"a": text})
    control = shown(root_of({"properties": {"a": schema}}), {}, given_.typed, given_.violations)
    assert control.parts[0].errors == [given_.violations[0].message]


@pytest.mark.parametrize(("kind", "text"), [("integer", "1.5"), ("integer", "1e-3"), ("number", "1e100000")])
def test_a_number_that_cannot_be_an_answer_is_told_in_the_words_of_the_form(kind: str, text: str) -> None:
    given_ = posted({"a": {"type": kind}}, [("data/a", text)])
    form = Form(plain.encode({"properties": {"a": {"type": kind}}}))
    assert given_.violations == form.violations({"a": plain.decode(text.encode())}) != ()
    assert given_.typed == {"data/a": text}


@pytest.mark.parametrize("text", ['{"a":', "abc", "'a'", "[1,]", "NaN", '"\\ud800"', "[" * 100_000])
def test_text_that_is_no_json_is_kept_as_it_was_typed(text: str) -> None:
    given_ = posted({"a": {}}, [("json/a", text)], required=("a",))
    assert (given_.data, given_.typed) == ({}, {"json/a": text})
    assert [each.message for each in given_.violations] == [NOT_JSON]
    form = Form(plain.encode({"properties": {"a": {}}, "required": ["a"]}))
    assert [each.message for each in wrong_with(given_, form)] == [NOT_JSON]
    root = root_of({"properties": {"a": {}}})
    (area,) = page(shown(root, {}, given_.typed, given_.violations)).all("textarea", name="json/a")
    assert area.text.removeprefix("\n") == text


@pytest.mark.parametrize(
    ("local", "zone", "moment"),
    [
        ("2026-03-01T10:30", "+01:00", "2026-03-01T10:30:00+01:00"),
        ("2026-03-01T10:30:15.5", "Z", "2026-03-01T10:30:15.5Z"),
        ("2026-03-01T10:30:00Z", None, "2026-03-01T10:30:00Z"),
        ("2026-03-01T10:30:00Z", "+01:00", "2026-03-01T10:30:00Z"),
        ("tomorrow", "Z", "tomorrow"),
    ],
)
def test_a_moment_is_local_time_and_offset(local: str, zone: str | None, moment: str) -> None:
    pairs = [("data/a", local)] + ([] if zone is None else [("zone/a", zone)])
    assert posted({"a": {"type": "string", "format": "date-time"}}, pairs).data == {"a": moment}


def test_breaks_of_lines_are_one_sign() -> None:
    assert posted({"a": {"type": "string"}}, [("data/a", "1\r\n2\r3\n4")]).data == {"a": "1\n2\n3\n4"}


# -- lists -----------------------------------------------------------------------------------------


def test_entries_are_in_the_order_of_their_numbers_whatever_these_are() -> None:
    pairs = [("data/l/10/name", "c"), ("data/l/2/name", "b"), ("entry/l/1", ""), ("data/l/01/name", "x")]
    assert posted({"l": PEOPLE}, pairs).data == {"l": [{}, {"name": "b"}, {"name": "c"}]}


def test_an_entry_keeps_its_place_also_if_it_is_blank_or_does_not_convert() -> None:
    pairs = [("data/l/0", "1"), ("data/l/1", "x"), ("data/l/2", ""), ("data/l/3", "4")]
    given_ = posted({"l": {"type": "array", "items": {"type": "integer"}}}, pairs)
    assert given_.data == {"l": [1, None, None, 4]}
    assert [each.pointer for each in given_.violations] == ["/l/1"]
    texts = posted({"l": {"type": "array", "items": {"type": "string"}}}, pairs)
    assert texts.data == {"l": ["1", "x", "", "4"]}


def test_an_entry_is_added_without_a_script_and_shows_its_defaults() -> None:
    people = {
        "type": "array",
        "items": {**PEOPLE["items"], "properties": {"name": {"type": "string", "default": "Ada"}}},
    }
    given_ = posted({"l": people}, [("entry/l", ""), ("data/l/0/name", "Bob"), (f"{ADD}/l", "")])
    assert (given_.data, given_.changed) == ({"l": [{"name": "Bob"}, {"name": "Ada"}]}, "/l/1")


def test_an_entry_is_removed_and_what_was_typed_in_others_moves_up_with_them() -> None:
    pairs = [("data/l/0/name", "a"), ("data/l/1/age", "old"), ("data/l/1/name", "b"), ("remove/l/0", "")]
    given_ = posted({"l": PEOPLE}, pairs)
    assert (given_.data, given_.changed) == ({"l": [{"name": "b"}]}, "/l")
    assert given_.typed == {"data/l/0/age": "old"}
    assert [each.pointer for each in given_.violations] == ["/l/0/age"]


def test_a_list_without_entries_is_left_out_taken_back_or_empty() -> None:
    assert posted({"l": PEOPLE}, [("entry/l", "")]).data == {}
    assert posted({"l": PEOPLE}, [("entry/l", "")], {"l": [{}]}).data == {"l": None}
    assert posted({"l": PEOPLE}, [("entry/l", "")], required=("l",)).data == {"l": []}


def test_lists_within_entries_have_buttons_of_their_own() -> None:
    schema = {
        "l": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
            },
        }
    }
    given_ = posted(schema, [("entry/l/3", ""), ("data/l/3/tags/0", "x"), ("add/l/3/tags", "")])
    assert (given_.data, given_.changed) == ({"l": [{"tags": ["x", ""]}]}, "/l/0/tags/1")


def test_several_of_a_list_are_chosen_by_boxes() -> None:
    schema = {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b", 1]}}
    pairs = [("entry/l", ""), ("data/l", "1"), ("data/l", "b"), ("data/l", "b"), ("data/l", "z")]
    given_ = posted({"l": schema}, pairs)
    assert given_.data == {"l": [1, "b"]}
    assert [(each.pointer, each.message) for each in given_.violations] == [
        ("/l/2", "must be one of a, b, 1")
    ]


# -- any input -------------------------------------------------------------------------------------

_SEGMENTS = st.sampled_from(["a", "b", "c", "~0~1", "0", "1", "999999999", "9" * 30, "", "x" * 50, "%", "²"])
_PATHS = st.lists(_SEGMENTS, max_size=6).map("/".join)
_NAMED = st.builds("/".join, st.tuples(st.sampled_from(sorted(PREFIXES)), _PATHS)).map(
    lambda name: name.rstrip("/")
)
_TYPED = st.text(st.characters()) | st.sampled_from(
    ["1", "true", "{}", '{"a":1}', "[[]]", "2020-01-01T10:00", "1e999999999"]
)
PAIRS = st.lists(st.tuples(_NAMED | st.text(st.characters()), _TYPED), max_size=12)


@given(schemas(), PAIRS, answers() | st.none())
@_SLOW
def test_any_pairs_of_any_form_are_read_and_shown(
    schema: Any, pairs: list[tuple[str, str]], saved: Any
) -> None:
    try:
        root = root_of(schema)
    except SchemaRefused:
        assume(False)
    form = Form(plain.encode(schema))
    given_ = read_posted(root, pairs, saved)
    found = wrong_with(given_, form, saved)
    control = shown(root, shown_value(given_, saved), given_.typed, found)
    _check_all_told(control, found)
    plain.encode(given_.data)


@given(cases(), st.data())
@_SLOW
def test_any_values_in_the_names_of_a_page_are_read_and_told(case: Case, data: st.DataObject) -> None:
    root, form = fields_of(case.definition), Form(case.schema)
    made = page(shown(root, case.answers))
    names = sorted({each.attributes["name"] for each in made if "name" in each.attributes})
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(names), _TYPED), max_size=10))
    given_ = read_posted(root, [*posts(made), *pairs], case.answers)
    found = wrong_with(given_, form, case.answers)
    _check_all_told(shown(root, shown_value(given_, case.answers), given_.typed, found), found)


def _check_all_told(control: Any, found: Any) -> None:
    """Every violation is in the summary, with a link to an element that is on the page, and at a field."""
    made = page(control)
    ids = {each.attributes.get("id") for each in made}
    told = [each.message for each in problems(control)]
    assert sorted(told) == sorted(each.message for each in found)
    assert {f"#{id_}" for id_ in ids} >= {link.attributes["href"] for link in made.all("a")}
    for violation in found:
        at = control_of(control, violation.pointer)
        assert violation.message in at.errors
        shown_at = [each for each in made.all("p") if each.attributes.get("id") == f"{at.id}:error"]
        assert violation.message.replace("\0", "\ufffd") in shown_at[0].text


def test_every_violation_of_a_form_is_at_its_own_field() -> None:
    schema = {
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "age": {"minimum": 18}, "home": ADDRESS, "people": PEOPLE},
    }
    data = {"age": 3, "home": {}, "people": [{"name": "a"}, {"name": 1, "x": 1}], "y": 1}
    found = Form(plain.encode(schema)).violations(data)
    control = shown(root_of(schema), data, {}, found)
    told = {each.pointer: each.errors for each in controls(control) if each.errors}
    assert told == {
        "": ["is not a field of this form"],
        "/name": ["is required"],
        "/age": ["must be at least 18"],
        "/home/street": ["is required"],
        "/people/1": ["is not a field of this form"],
        "/people/1/name": ["must be text"],
    }


@pytest.mark.parametrize("pairs", [[("data" + "/a" * 100_000, "x")], [("add" + "/0" * 100_000, "x")]])
def test_a_name_of_any_length_is_read_over(pairs: list[tuple[str, str]]) -> None:
    assert posted({"a": ADDRESS}, pairs).data == {}


def test_a_form_posts_the_same_after_a_failed_attempt() -> None:
    root = root_of({"properties": {"n": {"type": "integer"}, "j": {}, "l": PEOPLE}})
    pairs = [
        ("data/n", "many"),
        ("json/j", "{"),
        ("entry/l", ""),
        ("data/l/0/age", "old"),
        ("data/l/0/name", "b"),
    ]
    first = read_posted(root, pairs)
    made = page(shown(root, shown_value(first, None), first.typed, first.violations))
    assert read_posted(root, posts(made)) == first


def test_a_draft_and_what_is_posted_over_it_are_shown_as_one() -> None:
    saved = {"a": "x", "b": {"c": 1}}
    given_ = Posted({"b": {"d": 2}}, {}, (), None)
    assert shown_value(given_, saved) == deep_merge(saved, given_.data) == {"a": "x", "b": {"c": 1, "d": 2}}


def test_initial_values_are_defaults() -> None:
    schema = {
        "required": ["home"],
        "properties": {
            "n": {"type": "integer", "default": 5},
            "home": {"type": "object", "properties": {"country": {"type": "string", "default": "DE"}}},
            "other": {"type": "object", "properties": {"country": {"type": "string", "default": "DE"}}},
            "wrong": {"type": "integer", "default": {"not": "a number"}},
        },
    }
    root = root_of(schema)
    assert initial(root) == {"n": 5, "home": {"country": "DE"}, "wrong": {"not": "a number"}}
    assert json.loads(dict(posts(page(shown(root, initial(root)))))["json/wrong"]) == {"not": "a number"}
    assert DATA in PREFIXES
