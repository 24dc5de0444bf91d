"""Drafts: names and types only, whatever else the schema says, and null everywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from runner.forms.refusal import SchemaRefused
from tests.unit.forms.random_schemas import answers, schemas
from tests.unit.forms.test_answers import PERSON, form


def found(schema: Any, draft: Any) -> list[tuple[str, str]]:
    return [(each.pointer, each.rule) for each in form(schema).draft_violations(draft)]


@pytest.mark.parametrize(
    "draft",
    [
        {},
        {"age": 3},
        {"name": None, "address": None},
        {"name": "", "phones": [None, {}]},
        {"address": {"country": {"code": None}}},
    ],
)
def test_what_is_not_finished_is_no_violation(draft: Any) -> None:
    assert found(PERSON, draft) == []


@pytest.mark.parametrize(
    ("draft", "violation"),
    [
        ({"x": 1}, ("/x", "unknown")),
        ({"age": "3"}, ("/age", "type")),
        ({"age": 3.5}, ("/age", "type")),
        ({"address": {"country": {"x": 1}}}, ("/address/country/x", "unknown")),
        ({"phones": [{"no": 1}]}, ("/phones/0/no", "type")),
        ([], ("", "type")),
    ],
)
def test_names_and_types_are_checked(draft: Any, violation: tuple[str, str]) -> None:
    assert found(PERSON, draft) == [violation]


@pytest.mark.parametrize(
    "rule",
    [
        {"enum": ["x"]},
        {"const": "x"},
        {"pattern": "x"},
        {"format": "email"},
        {"minLength": 5},
        {"maxLength": 1},
        {"not": {}},
    ],
)
def test_rules_of_a_value_wait_for_the_answers(rule: Any) -> None:
    assert found({"properties": {"a": {"type": "string", **rule}}}, {"a": "abc"}) == []
    assert found({"properties": {"a": {"type": "string", **rule}}}, {"a": 1}) == [("/a", "type")]


@pytest.mark.parametrize(
    "composition",
    [
        {"allOf": [{"properties": {"x": {"type": "string"}}}]},
        {"anyOf": [{"required": ["y"]}, {"properties": {"x": {"type": "string"}}}]},
        {"oneOf": [{"properties": {"x": {"type": "string"}}}, {"required": ["y"]}]},
        {"if": {"required": ["z"]}, "then": {"properties": {"x": {"type": "string"}}}},
        {"if": {"required": ["z"]}, "else": {"properties": {"x": {"type": "string"}}}},
        {"dependentSchemas": {"z": {"properties": {"x": {"type": "string"}}}}},
        {"$ref": "#/$defs/d", "$defs": {"d": {"properties": {"x": {"type": "string"}}}}},
    ],
)
def test_a_name_anywhere_in_a_composition_is_known_with_its_type(composition: Any) -> None:
    assert found(composition, {"x": "t"}) == []
    assert found(composition, {"x": 1}) == [("/x", "type")]
    assert found(composition, {"other": 1}) == [("/other", "unknown")]


@given(schemas(), answers())
@settings(max_examples=100, deadline=None)
def test_valid_answers_are_a_valid_draft(schema: Any, value: Any) -> None:
    try:
        built = form(schema)
    except SchemaRefused:
        return
    if not built.violations(value):
        assert built.draft_violations(value) == ()
