"""Answers: what a form says of them, rule by rule, in words for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.envelope.plain import Written, decode
from runner.forms.form import MAX_POINTER, MAX_VIOLATIONS, Form, form_of
from runner.forms.words import Violation

PERSON: Any = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 18},
        "address": {"$ref": "#/$defs/address"},
        "phones": {"type": "array", "items": {"type": "object", "properties": {"no": {"type": "string"}}}},
    },
    "$defs": {
        "address": {
            "properties": {
                "city": {"type": "string"},
                "country": {"type": "object", "properties": {"code": {"type": "string"}}},
            }
        }
    },
}
VALID: Any = {"name": "Ada", "age": 36}


def form(schema: Any) -> Form:
    return Form(json.dumps(schema).encode())


def found(schema: Any, answers: Any) -> list[tuple[str, str]]:
    """What is wrong with answers, as pointers and rules; texts of JSON keep their numbers."""
    value = decode(answers.encode()) if isinstance(answers, str) else answers
    return [(each.pointer, each.rule) for each in form(schema).violations(value)]


def message(schema: Any, value: Any) -> str:
    """What is said of one field ``a`` of a form."""
    (violation,) = form({"properties": {"a": schema}}).violations({"a": value})
    assert violation.pointer == "/a"
    return violation.message


def test_valid_answers_have_no_violations() -> None:
    full = {**VALID, "address": {"city": "London", "country": {"code": "GB"}}, "phones": [{"no": "1"}]}
    assert form(PERSON).violations(VALID) == form(PERSON).violations(full) == ()


def test_unknown_wrong_missing_and_blank_are_all_named_in_the_order_of_the_answers() -> None:
    answers = {"x": 1, "name": " \t", "phones": "none", "address": {"city": 1}}
    assert found(PERSON, answers) == [
        ("/x", "unknown"),
        ("/name", "required"),
        ("/phones", "type"),
        ("/address/city", "type"),
        ("/age", "required"),
    ]


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u00a0"])
def test_a_required_text_that_is_blank_is_missing_and_an_optional_one_is_not(blank: str) -> None:
    schema = {"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    assert found(schema, {"a": blank, "b": blank}) == [("/a", "required")]


@pytest.mark.parametrize("answers", [None, [], "text", 1, True])
def test_answers_are_an_object(answers: Any) -> None:
    assert form({}).violations(answers) == (Violation("", "type", "must be an object"),)


@pytest.mark.parametrize(
    ("answers", "pointer"),
    [
        ({"x": 1}, "/x"),
        ({"address": {"x": 1}}, "/address/x"),
        ({"address": {"country": {"x": 1}}}, "/address/country/x"),
        ({"phones": [{"no": "1"}, {"x": 1}]}, "/phones/1/x"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_an_unknown_field_is_refused_wherever_it_is(answers: Any, pointer: str) -> None:
    assert found(PERSON, {**VALID, **answers}) == [(pointer, "unknown")]


@pytest.mark.parametrize(
    "schema",
    [
        {"additionalProperties": True},
        {"unevaluatedProperties": {"type": "integer"}},
        {"patternProperties": {"^x": {}}},
        {"properties": {"x": {}}},
        {"allOf": [{"properties": {"x": {}}}, {"properties": {"y": {}}}]},
        {"$ref": "#/$defs/x", "$defs": {"x": {"properties": {"x": {}}}}},
        {"allOf": [{"$ref": "#there"}], "$defs": {"x": {"$anchor": "there", "properties": {"x": {}}}}},
        {"if": {"required": ["y"]}, "else": {"properties": {"x": {}}}},
        {"enum": [{"x": 1}]},
    ],
)
def test_a_field_that_the_schema_allows_in_its_own_way_is_known(schema: Any) -> None:
    assert found(schema, {"x": 1}) == []
    assert found(_nested(schema), {"o": {"x": 1}}) == []


def _nested(schema: Any) -> Any:
    inner = {keyword: value for keyword, value in schema.items() if keyword != "$defs"}
    outer: Any = {"properties": {"o": {"type": "object", **inner}}}
    return {**outer, "$defs": schema.get("$defs", {})}


def test_a_field_of_no_type_takes_anything() -> None:
    assert found({"properties": {"a": {}, "b": True}}, {"a": {"x": {"y": 1}}, "b": [{"z": 1}]}) == []


def test_one_definition_is_closed_where_it_stands_alone_and_open_in_a_composition() -> None:
    inner = {"properties": {"at": {"type": "object", "properties": {"x": {}}}}}
    more: Any = {"properties": {"at": {"properties": {"y": {}}}}}
    schema = {
        "properties": {"alone": {"$ref": "#/$defs/i"}, "both": {"allOf": [{"$ref": "#/$defs/i"}, more]}},
        "$defs": {"i": inner},
    }
    assert found(schema, {"both": {"at": {"x": 1, "y": 1}}}) == []
    assert found(schema, {"alone": {"at": {"x": 1, "y": 1}}}) == [("/alone/at/y", "unknown")]


def test_a_tree_may_refer_to_itself() -> None:
    schema = {
        "properties": {"root": {"$ref": "#/$defs/n"}},
        "$defs": {
            "n": {"type": "object", "properties": {"l": {"$ref": "#/$defs/n"}, "r": {"$ref": "#/$defs/n"}}}
        },
    }
    assert found(schema, {"root": {"l": {"r": {"l": {}}}}}) == []
    assert found(schema, {"root": {"l": {"r": {"l": {"x": 1}}}}}) == [("/root/l/r/l/x", "unknown")]


def test_what_a_failed_part_of_a_composition_knows_is_not_called_unknown() -> None:
    schema = {"allOf": [{"properties": {"a": {"type": "integer"}, "b": {}}}]}
    assert found(schema, {"a": "x", "b": 1, "c": 1}) == [("/a", "type"), ("/c", "unknown")]


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"minimum": 18}, 17, "must be at least 18"),
        ({"exclusiveMaximum": 1.5}, 2, "must be less than 1.5"),
        ({"type": "string"}, 1, "must be text"),
        ({"type": ["integer", "boolean"]}, "x", "must be true or false or a whole number"),
        ({"type": ["string", "null"]}, 1, "must be text"),
        ({"enum": ["red", "blue", 3]}, "x", "must be one of red, blue, 3"),
        ({"const": {"a": [1]}}, 1, 'must be {"a":[1]}'),
        ({"format": "email"}, "x", "is not a valid email"),
        ({"pattern": "^[A-Z]{2}$"}, "x", "must match ^[A-Z]{2}$"),
        ({"maxLength": 2}, "abc", "must be no longer than 2 characters"),
        ({"multipleOf": 0.01}, 0.015, "must be a multiple of 0.01"),
        ({"uniqueItems": True}, [1, 1.0], "must not have the same entry twice"),
        (
            {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 1}]},
            "abc",
            "must be no longer than 1 characters",
        ),
        ({"oneOf": [{}, {}]}, 1, "must fit exactly one of what is allowed here"),
        (False, 1, "is not a field of this form"),
    ],
)
def test_the_words_of_a_message(schema: Any, value: Any, words: str) -> None:
    assert message(schema, value) == words


def test_a_message_repeats_200_characters_at_most() -> None:
    assert len(message({"const": "x" * 5000}, "y" * 5000)) < 250
    assert len(message({"enum": ["x" * 50] + [str(n) for n in range(500)]}, "y" * 5000)) < 250
    assert len(message({"pattern": "^" + "x" * 900}, "y" * 5000)) < 250


def test_a_pointer_that_is_too_long_ends_at_what_it_is_in() -> None:
    (violation,) = form({"properties": {"a": {"type": "object"}}}).violations({"a": {"x" * MAX_POINTER: 1}})
    assert (violation.pointer, violation.rule) == ("/a", "unknown")


def test_a_hundred_violations_are_told_at_most() -> None:
    assert len(form({}).violations({f"f{n}": 1 for n in range(1000)})) == MAX_VIOLATIONS


@pytest.mark.parametrize(
    ("schema", "text", "valid"),
    [
        ({"type": "integer"}, "1.0", True),
        ({"type": "integer"}, "1e2", True),
        ({"type": "integer"}, "1.5", False),
        ({"multipleOf": 0.01}, "19.99", True),
        ({"multipleOf": 0.01}, "0.0150000000000000000000001", False),
        ({"maximum": 100000000000000000000000000}, "100000000000000000000000001", False),
        ({"maximum": 100000000000000000000000000}, "100000000000000000000000000", True),
        ({"maximum": 9007199254740993}, "9007199254740994", False),
        ({"minimum": 0.1}, "0.0999999999999999999999999", False),
        ({"const": 0.1}, "0.10", True),
        ({"const": 0.1}, "0.1000000000000000000001", False),
        ({"enum": [1]}, "1.0", True),
        ({"type": "number"}, "1e400", True),
        ({"type": "number"}, "1e100000", False),
        ({"type": "integer"}, "1" + "0" * 500, True),
        ({"type": "integer"}, "1" + "0" * 5000, False),
        ({"type": "integer"}, "-0", True),
        ({"type": "number"}, "true", False),
    ],
)
def test_numbers_are_compared_exactly_as_they_were_sent(schema: Any, text: str, valid: bool) -> None:
    assert (found({"properties": {"a": schema}}, f'{{"a":{text}}}') == []) == valid


def test_answers_are_not_changed() -> None:
    answers = decode(b'{"a":1.50,"b":[1.0]}')
    form({"properties": {"a": {}, "b": {}}}).violations(answers)
    assert isinstance(answers, dict)
    assert isinstance(answers["a"], Written)


def test_half_of_a_character_pair_is_no_text() -> None:
    assert found({"properties": {"a": {}}}, '{"a":["x","\\ud800"]}') == [("/a/1", "type")]
    assert found({"additionalProperties": True}, '{"\\ud800":1}') == [("/\\ud800", "type")]


def test_a_form_is_compiled_once() -> None:
    text = json.dumps(PERSON).encode()
    assert form_of(text) is form_of(bytes(bytearray(text)))
