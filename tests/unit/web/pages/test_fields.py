"""Which field a schema makes, in which order, and with which widget."""

from __future__ import annotations

from typing import Any

import pytest

from runner.envelope import plain
from runner.forms.refusal import SchemaRefused
from runner.web.pages.fields import MAX_FIELDS, Field, Kind, Widget, fields_of, initial


def root_of(schema: Any, **ui: Any) -> Field:
    return fields_of(plain.encode({"schema": schema, **ui}))


def field_of(schema: Any, **ui: Any) -> Field:
    """The one field ``a`` of a form."""
    (found,) = root_of({"properties": {"a": schema}}, **ui).parts
    return found


def names(field: Field) -> list[str]:
    return [part.name for part in field.parts]


@pytest.mark.parametrize(
    ("schema", "kind", "widget"),
    [
        ({"type": "string"}, Kind.TEXT, Widget.TEXT),
        ({"type": "string", "maxLength": 5000}, Kind.TEXT, Widget.TEXTAREA),
        ({"pattern": "^a"}, Kind.TEXT, Widget.TEXT),
        ({"type": "string", "format": "date"}, Kind.TEXT, Widget.DATE),
        ({"type": "string", "format": "date-time"}, Kind.TEXT, Widget.DATE_TIME),
        ({"type": "string", "format": "email"}, Kind.TEXT, Widget.EMAIL),
        ({"type": "string", "format": "uuid"}, Kind.TEXT, Widget.TEXT),
        ({"type": "number"}, Kind.NUMBER, Widget.NUMBER),
        ({"type": ["integer", "number"]}, Kind.NUMBER, Widget.NUMBER),
        ({"minimum": 5}, Kind.NUMBER, Widget.NUMBER),
        ({"type": "integer"}, Kind.INTEGER, Widget.NUMBER),
        ({"type": "boolean"}, Kind.BOOLEAN, Widget.RADIO),
        ({"const": True}, Kind.BOOLEAN, Widget.CHECKBOX),
        ({"enum": ["a", "b"]}, Kind.CHOICE, Widget.RADIO),
        ({"enum": ["a", 1, None, {"x": 1}, [2], False, "c"]}, Kind.CHOICE, Widget.SELECT),
        ({"oneOf": [{"const": 1, "title": "One"}, {"const": 2}]}, Kind.CHOICE, Widget.RADIO),
        ({"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True}, Kind.CHOICES, Widget.CHECKBOXES),
        ({"type": "array", "items": {"enum": ["a"]}}, Kind.LIST, Widget.LIST),
        ({"type": "array", "items": {"type": "string"}}, Kind.LIST, Widget.LIST),
        ({"properties": {"b": {}}}, Kind.GROUP, Widget.FIELDSET),
        ({"type": "array"}, Kind.JSON, Widget.JSON),
        ({"type": "array", "prefixItems": [{}], "items": {"type": "string"}}, Kind.JSON, Widget.JSON),
        ({"type": "object"}, Kind.JSON, Widget.JSON),
        ({"type": ["string", "integer"]}, Kind.JSON, Widget.JSON),
        ({"oneOf": [{"type": "string"}, {"type": "object"}]}, Kind.JSON, Widget.JSON),
        ({"oneOf": [{"properties": {"x": {}}}, {"properties": {"y": {}}}]}, Kind.JSON, Widget.JSON),
        ({}, Kind.JSON, Widget.JSON),
        (True, Kind.JSON, Widget.JSON),
    ],
)
def test_the_field_of_a_schema(schema: Any, kind: Kind, widget: Widget) -> None:
    field = field_of(schema)
    assert (field.kind, field.widget) == (kind, widget)


@pytest.mark.parametrize(
    ("schema", "wanted", "widget"),
    [
        ({"type": "string"}, "textarea", Widget.TEXTAREA),
        ({"type": "string", "maxLength": 5000}, {"widget": "text", "rows": 3}, Widget.TEXT),
        ({"type": "string", "format": "date"}, "text", Widget.TEXT),
        ({"type": "integer"}, "text", Widget.TEXT),
        ({"type": "boolean"}, "checkbox", Widget.CHECKBOX),
        ({"type": "boolean"}, "select", Widget.SELECT),
        ({"enum": ["a"]}, "select", Widget.SELECT),
        ({"enum": list("abcdefg")}, "radio", Widget.RADIO),
        ({"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True}, "list", Widget.LIST),
        ({"type": "string"}, "json", Widget.JSON),
        ({"properties": {"b": {}}}, "json", Widget.JSON),
        ({"type": "string"}, "checkbox", Widget.TEXT),
        ({"type": "string"}, "strange", Widget.TEXT),
        ({"type": "string"}, 5, Widget.TEXT),
    ],
)
def test_a_widget_that_does_not_fit_is_read_over(schema: Any, wanted: Any, widget: Widget) -> None:
    assert field_of(schema, uiWidgets={"a": wanted, "b": "text"}).widget == widget


def test_fields_come_in_the_order_of_the_definition_then_of_the_schema() -> None:
    inner = {"properties": {name: {"type": "string"} for name in "xyz"}}
    schema = {"properties": {"a": inner, "b": {"type": "array", "items": inner}, "c": {}, "d/e": {}}}
    root = root_of(schema, uiOrder=["d~1e", "c", "a/z", "/b/y", "nothing", "c"])
    assert names(root) == ["d/e", "c", "a", "b"]
    assert names(root.parts[2]) == ["z", "x", "y"]
    assert root.parts[3].entry is not None
    assert names(root.parts[3].entry) == ["y", "x", "z"]


@pytest.mark.parametrize(
    "ui", [{}, {"uiOrder": []}, {"uiOrder": None}, {"uiWidgets": {}}, {"uiWidgets": None}]
)
def test_order_and_widgets_may_be_missing(ui: Any) -> None:
    assert names(root_of({"properties": {"b": {}, "a": {}}}, **ui)) == ["b", "a"]


def test_texts_defaults_and_rules_come_through_references_and_compositions() -> None:
    schema = {
        "required": ["a"],
        "properties": {"a": {"$ref": "#/$defs/amount", "title": "Own title", "maximum": 50}},
        "$defs": {
            "amount": {
                "allOf": [{"type": "number", "minimum": 1, "maximum": 100}, {"minimum": 5}],
                "title": "Amount",
                "description": "In euros",
                "default": 7,
            }
        },
    }
    (field,) = root_of(schema).parts
    assert (field.title, field.description, field.default) == ("Own title", "In euros", 7)
    assert (field.required, field.kind) == (True, Kind.NUMBER)
    assert (field.rule("minimum"), field.rule("maximum")) == (5, 50)


def test_a_field_beside_null_is_that_field_and_may_be_null() -> None:
    for schema in (
        {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"type": "string", "maxLength": 5}]},
        {"type": ["null", "string"], "maxLength": 5},
    ):
        field = field_of(schema)
        assert (field.kind, field.nullable, field.rule("maxLength")) == (Kind.TEXT, True, 5)
    assert not field_of({"maxLength": 5}).nullable
    assert [option.value for option in field_of({"enum": ["a", None]}).options] == ["a"]


def test_titles_are_made_of_names() -> None:
    schema: Any = {
        "properties": {
            name: {} for name in ("dateOfBirth", "first_name", "IBAN", "a-b.c", "9", "", "VATNumber")
        }
    }
    assert [part.title for part in root_of(schema).parts] == [
        "Date of birth",
        "First name",
        "IBAN",
        "A b c",
        "9",
        "",
        "VAT number",
    ]


def test_options_have_keys_that_differ_and_titles() -> None:
    field = field_of({"enum": ["1", 1, "true", True, "", " ", "red", {"a": 1}]})
    keys = [option.key for option in field.options]
    assert len(set(keys)) == len(keys)
    assert keys == ['"1"', "1", '"true"', "true", '""', '" "', "red", '{"a":1}']
    titled = field_of({"oneOf": [{"const": "a", "title": "First", "description": "Usual"}, {"const": 2}]})
    assert [(o.key, o.title, o.description) for o in titled.options] == [
        ("a", "First", "Usual"),
        ("2", "2", ""),
    ]


def test_fields_that_only_a_condition_names_are_on_the_form_and_not_required() -> None:
    schema: Any = {
        "properties": {"kind": {"enum": ["a", "b"]}},
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"properties": {"reason": {"type": "string", "minLength": 5}}, "required": ["reason"]},
        "else": {"required": ["other"]},
    }
    root = root_of(schema)
    found = {part.name: (part.kind, part.required, part.rules) for part in root.parts}
    assert found["reason"] == (Kind.TEXT, False, ())
    assert found["other"] == (Kind.JSON, False, ())
    assert not root.is_open


def test_what_is_named_nowhere_but_required_is_a_field() -> None:
    (field,) = root_of({"required": ["a"]}).parts
    assert (field.name, field.kind, field.required) == ("a", Kind.JSON, True)


@pytest.mark.parametrize(
    ("extra", "is_open"),
    [
        ({}, False),
        ({"additionalProperties": False}, False),
        ({"additionalProperties": True}, True),
        ({"additionalProperties": {"type": "string"}}, True),
        ({"unevaluatedProperties": {"type": "string"}}, True),
        ({"patternProperties": {"^x": {}}}, True),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, True),
    ],
)
def test_an_object_is_open_where_the_schema_says_so(extra: Any, is_open: bool) -> None:
    schema = {"properties": {"b": {"type": "string"}}, **extra}
    assert root_of(schema).is_open is is_open
    assert field_of({"type": "object", **schema}).is_open is is_open


def test_a_schema_without_fields_is_one_text_of_json() -> None:
    assert root_of({}).kind is root_of({"additionalProperties": {"type": "string"}}).kind is Kind.JSON


def test_a_tree_that_refers_to_itself_ends_in_json() -> None:
    schema = {
        "properties": {"root": {"$ref": "#/$defs/n"}},
        "$defs": {
            "n": {
                "properties": {
                    "v": {"type": "string"},
                    "l": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                }
            }
        },
    }
    (root,) = root_of(schema).parts
    inner = root.parts[1].entry
    assert inner is not None
    assert inner.parts[1].entry is not None or inner.parts[1].kind is Kind.JSON


def test_a_form_of_too_many_fields_ends_in_json() -> None:
    defs: dict[str, Any] = {"d0": {"properties": {f"f{n}": {"type": "string"} for n in range(40)}}}
    for level in range(1, 4):
        defs[f"d{level}"] = {"properties": {f"p{n}": {"$ref": f"#/$defs/d{level - 1}"} for n in range(20)}}
    root = root_of({"properties": {"a": {"$ref": "#/$defs/d3"}}, "$defs": defs})
    assert count(root) < 2 * MAX_FIELDS
    assert any(part.kind is Kind.JSON for part in walk(root))


def walk(field: Field) -> list[Field]:
    below = [*field.parts, *([] if field.entry is None else [field.entry])]
    return [field] + [each for part in below for each in walk(part)]


def count(field: Field) -> int:
    return len(walk(field))


def test_a_field_that_takes_no_value_is_not_shown() -> None:
    assert names(root_of({"properties": {"a": False, "b": {"allOf": [False]}, "c": {}}})) == ["c"]


@pytest.mark.parametrize("definition", [b"", b"[]", b"{", b"{}", b'{"uiOrder":[]}'])
def test_what_is_no_definition_is_a_value_error(definition: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser and of our own
        fields_of(definition)


def test_a_schema_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(SchemaRefused):
        root_of({"$ref": "http://x.invalid/"})


def test_a_required_list_begins_with_the_entries_it_needs() -> None:
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 2}
    assert initial(root_of({"required": ["a"], "properties": {"a": schema, "b": schema}})) == {"a": ["", ""]}
