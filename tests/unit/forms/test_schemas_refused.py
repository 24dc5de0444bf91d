"""Schemas that are refused when they are defined, and what bounds the work that others may cause."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings

from runner.envelope.plain import decode
from runner.forms.cost import MAX_COST
from runner.forms.form import MAX_VIOLATIONS, MAX_WORK, check_schema
from runner.forms.refusal import SchemaRefused
from runner.forms.tree import MAX_BYTES, MAX_DEPTH, MAX_SUBSCHEMAS
from runner.forms.values import MAX_WIDE
from runner.forms.words import MAX_QUOTED, Violation
from tests.unit.forms.random_schemas import answers, schemas
from tests.unit.forms.test_answers import form


def nested(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


def doubling(levels: int) -> Any:
    """A composition that refers twice to the next: 2 to the power of ``levels`` for one value."""
    definitions: Any = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
        for n in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {}}}


def unevaluated(levels: int) -> Any:
    schema: Any = {"properties": {"a": {}}}
    for _ in range(levels):
        schema = {"anyOf": [schema], "unevaluatedProperties": False}
    return schema


def of_node(node: Any) -> Any:
    return {"properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": node}}


NODE: Final = {"$ref": "#/$defs/n"}

REFUSED: Final[dict[str, tuple[Any, str | None]]] = {
    "no object": ([], ""),
    "another dialect": ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
    "an unknown type": ({"properties": {"a": {"type": "text"}}}, "/properties/a/type"),
    "a wrong keyword": ({"properties": {"a/b": {"minimum": "1"}}}, "/properties/a~1b/minimum"),
    "no schema": ({"properties": {"a": 3}}, "/properties/a"),
    "an empty composition": ({"allOf": []}, "/allOf"),
    "an unknown format": ({"properties": {"a": {"format": "colour"}}}, "/properties/a/format"),
    "expressions that a person types": ({"format": "regex"}, "/format"),
    "a remote reference": ({"$ref": "https://example.com/a"}, "/$ref"),
    "a file": ({"items": {"$ref": "file:///etc/passwd"}}, "/items/$ref"),
    "a reference to nothing": ({"$ref": "#/$defs/a"}, "/$ref"),
    "a reference into a value": ({"const": {"a": {}}, "$ref": "#/const/a"}, "/$ref"),
    "a reference to itself": ({"$ref": "#"}, ""),
    "a circle": (
        of_node({"$ref": "#/$defs/m"}) | {"$defs": {"n": {"$ref": "#/$defs/m"}, "m": NODE}},
        "/$defs/n",
    ),
    "a circle through not": (of_node({"not": {"anyOf": [NODE]}}), "/$defs/n"),
    "a dynamic reference": ({"$dynamicRef": "#a"}, "/$dynamicRef"),
    "a nested id": ({"items": {"$id": "https://example.com/"}}, "/items/$id"),
    "a vocabulary": ({"$vocabulary": {}}, "/$vocabulary"),
    "one anchor twice": ({"items": {"$anchor": "a"}, "contains": {"$anchor": "a"}}, "/contains/$anchor"),
    "look-around": ({"pattern": "(?=a)b"}, "/pattern"),
    "back-references": ({"pattern": "(a)\\1"}, "/pattern"),
    "a broken expression": ({"patternProperties": {"(": {}}}, "/patternProperties/("),
    "a long expression": ({"pattern": "a" * 1001}, "/pattern"),
    "a large expression": ({"pattern": "(?:\\p{L}{50}){50}"}, "/pattern"),
    "a number without bounds": ({"maximum": 10**50}, "/maximum"),
    "many bytes": ({"title": "x" * MAX_BYTES}, ""),
    "many levels": (nested(MAX_DEPTH), "/items" * MAX_DEPTH),
    "many subschemas": ({"allOf": [True] * MAX_SUBSCHEMAS}, None),
    "doubling": (doubling(30), None),
    "doubling downwards": (of_node({"allOf": [{"items": NODE}, {"items": NODE}]}), None),
    "two overlapping patterns downwards": (of_node({"patternProperties": {"a": NODE, "b": NODE}}), None),
    "looking again and again": (unevaluated(14), None),
}


@pytest.mark.parametrize(("schema", "pointer"), REFUSED.values(), ids=REFUSED)
def test_a_schema_is_refused_at_its_place(schema: Any, pointer: str | None) -> None:
    with pytest.raises(SchemaRefused) as refused:
        check_schema(schema)
    assert pointer is None or refused.value.pointer == pointer
    assert len(refused.value.message) < MAX_QUOTED + 50


@pytest.mark.parametrize("text", ["1e400", "1e-400", "1." + "1" * 50])
def test_a_number_of_a_schema_has_bounds(text: str) -> None:
    with pytest.raises(SchemaRefused, match="/minimum: "):
        check_schema(decode(f'{{"minimum":{text}}}'.encode()))


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/form"},
        nested(MAX_DEPTH - 1),
        {"allOf": [True] * (MAX_SUBSCHEMAS - 1)},
        {"properties": {f"f{n}": {"type": "string"} for n in range(1900)}},
        doubling(8),
        unevaluated(6),
        of_node({"properties": {"l": NODE, "r": NODE}, "items": NODE, "additionalProperties": NODE}),
        {"$ref": "#/definitions/a%20b", "definitions": {"a b": {}}},
        {"properties": {"$ref": {"type": "string"}, "enum": {}, "format": {}}},
        {"unheardOf": {"type": "nonsense"}},
    ],
)
def test_a_schema_is_taken(schema: Any) -> None:
    check_schema(schema)


def test_no_more_work_is_done_than_what_was_counted() -> None:
    costly = form({"properties": {"a": {"items": {"enum": [{"k": n} for n in range(1000)]}}}})
    cost = costly._cost.most
    assert cost < MAX_COST
    few, many = MAX_WORK // cost // 30, MAX_WORK // cost // 4 + 1
    assert costly.violations({"a": [{"k": 1}] * few}) == ()
    (refused,) = costly.violations({"a": [{"k": 1}] * many})
    assert refused == Violation("", "size", "is too large for this form")


def test_numbers_that_no_double_holds_are_few() -> None:
    unique = form({"properties": {"a": {"uniqueItems": True}}})
    assert unique.violations({"a": [10**30 + n for n in range(MAX_WIDE)]}) == ()
    (refused,) = unique.violations({"a": [10**30 + n for n in range(30_000)]})
    assert (refused.pointer, refused.rule) == (f"/a/{MAX_WIDE}", "type")


def test_what_is_wrong_in_a_large_answer_is_told_without_its_place() -> None:
    (refused,) = form({"properties": {"a": {"items": {"type": "string"}}}}).violations({"a": [1] * 200_000})
    assert (refused.pointer, refused.rule) == ("", "size")


@pytest.mark.parametrize("levels", [199, 200, 5000])
def test_answers_may_be_as_deep_as_a_message_and_not_deeper(levels: int) -> None:
    chain: Any = {f"c{n}": {"allOf": [{"$ref": f"#/$defs/c{n + 1}"}]} for n in range(25)}
    chain["c25"] = {"items": {"$ref": "#/$defs/c0"}}
    built = form({"properties": {"a": {"$ref": "#/$defs/c0"}}, "$defs": chain})
    value: Any = []
    for _ in range(levels - 2):
        value = [value]
    assert (
        bool(built.violations({"a": value})) == bool(built.draft_violations({"a": value})) == (levels > 200)
    )


@given(schemas(), answers())
@settings(max_examples=150, deadline=None)
def test_there_is_never_anything_but_a_refusal_or_violations(schema: Any, value: Any) -> None:
    try:
        check_schema(schema)
    except SchemaRefused:
        return
    built = form(schema)
    for violations in (built.violations(value), built.draft_violations(value)):
        assert len(violations) <= MAX_VIOLATIONS
        assert all(len(each.message) < MAX_QUOTED + 50 for each in violations)
