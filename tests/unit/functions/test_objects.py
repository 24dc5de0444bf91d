"""Functions on objects and dotted paths."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.unit.functions.calls import called, check, check_refused

ORDER: Final = {
    "id": 7,
    "lines": [{"sku": "a", "qty": None}, {"sku": "b", "qty": 2}],
    "to": {"name": "", "a.b": 1},
}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


CALLS: Final[list[tuple[str, Any, Any]]] = [
    (
        'deep_merge(@, `{"to": {"name": "x"}, "lines": [], "id": null}`)',
        ORDER,
        {"id": None, "lines": [], "to": {"name": "x", "a.b": 1}},
    ),
    ("deep_merge(@)", {"a": 1}, {"a": 1}),
    ('deep_merge(@, `{"a": {"b": 1}}`, `{"a": {"c": 2}}`)', {"a": 0}, {"a": {"b": 1, "c": 2}}),
    (
        "deep_diff(old, new)",
        {
            "old": {"a": 1, "b": {"c": [1, 2], "d": 0}, "e": 1, "f": True},
            "new": {"a": 1.0, "b": {"c": [1, 3, 4], "d": 0}, "g": None, "f": 1},
        },
        [
            {
                "field": "b",
                "differences": [
                    {
                        "field": "c",
                        "differences": [{"field": "1", "old": 2, "new": 3}, {"field": "2", "new": 4}],
                    }
                ],
            },
            {"field": "e", "old": 1},
            {"field": "f", "old": True, "new": 1},
            {"field": "g", "new": None},
        ],
    ),
    ("deep_diff(@, @)", ORDER, []),
    (
        "deep_diff(a, b)",
        {"a": {"x": [1]}, "b": {"x": {"0": 1}}},
        [{"field": "x", "old": [1], "new": {"0": 1}}],
    ),
    ("deep_diff(a, b)", {"a": 1, "b": [1]}, [{"old": 1, "new": [1]}]),
    ("deep_diff(a, b)", {"a": 1}, [{"old": 1, "new": None}]),
    ("k_vtoo('k', @)", [1], {"k": [1]}),
    (
        "ltoo(@, 'id')",
        [{"id": "a", "n": 1}, {"id": 2.0}, {"id": "a", "n": 3}],
        {"a": {"id": "a", "n": 3}, "2": {"id": 2.0}},
    ),
    ("ltoo(@, 'a.0')", [{"a": [True]}], {"true": {"a": [True]}}),
    ("otol(@, 'k', 'v')", {"a": 1, "b": None}, [{"k": "a", "v": 1}, {"k": "b", "v": None}]),
    ("get_element(@, 'lines.1.sku')", ORDER, "b"),
    ("get_element(@, '01')", [1, 2], None),
    ("get_element(@, 'lines.-1')", ORDER, None),
    ("get_element(@, 'id.x')", ORDER, None),
    ("get_element(@, '0.a')", {"0": {"a": 5}}, 5),
    ("get_element(@, '$.lines[-1].sku')", ORDER, "b"),
    ("get_element(@, '$')", ORDER, ORDER),
    ("get_element(@, `\"lines[1]['sku']\"`)", ORDER, "b"),
    ("get_element(@, `\"to['a.b']\"`)", ORDER, 1),
    ("get_element(@, '$[1]')", [1, 2], 2),
    ("get_element(@, '$ref')", {"$ref": 5}, 5),
    ("get_element(@, '@type')", {"@type": 5}, 5),
    ("set_element(@, '$.a.b', `1`)", {}, {"a": {"b": 1}}),
    ("set_element(@, 'a[0].b', `1`)", {"a": [{"c": 2}]}, {"a": [{"c": 2, "b": 1}]}),
    ("set_element(@, 'a[-1]', `1`)", {"a": [5, 6]}, {"a": [5, 1]}),
    ("set_element(@, `\"['a.b']\"`, `1`)", {"a": 0}, {"a": 0, "a.b": 1}),
    (
        'remove_elements(@, `["$.id", "lines[0].qty", "to[\'a.b\']"]`)',
        ORDER,
        {"lines": [{"sku": "a"}, {"sku": "b", "qty": 2}], "to": {"name": ""}},
    ),
    ("remove_elements(@, 'lines[-1].qty') | lines[-1]", ORDER, {"sku": "b"}),
    ("ltoo(@, '$.id')", [{"id": 1}], {"1": {"id": 1}}),
    ("set_element(@, 'a.b', `1`)", {}, {"a": {"b": 1}}),
    ("set_element(@, 'a', `{\"x\": 1}`)", {"a": {"y": 2}, "z": 0}, {"a": {"x": 1}, "z": 0}),
    ("set_element(@, 'a.1.c', 'new')", {"a": [0, {"b": 1}]}, {"a": [0, {"b": 1, "c": "new"}]}),
    ("set_element(@, '2', @[0])", [1, 2], [1, 2, 1]),
    ("set_element(@, 'a.b', null_)", {"a": None}, {"a": {"b": None}}),
    (
        'remove_elements(@, `["id", "to.name", "lines.0.qty", "no.such", "id.x"]`)',
        ORDER,
        {"lines": [{"sku": "a"}, {"sku": "b", "qty": 2}], "to": {"a.b": 1}},
    ),
    ("remove_elements(@, 'a')", {"a": 1}, {}),
    ("remove_elements(@, '0')", [1], [1]),
    (
        "remove_nulls(@)",
        {"a": None, "b": [None, {"c": None, "d": ""}], "e": False},
        {"b": [{"d": ""}], "e": False},
    ),
    ("remove_nulls(@, `true`)", {"a": None, "b": [None, {"c": None, "d": ""}], "e": 0}, {"b": [{}], "e": 0}),
    ("remove_nulls(@)", nested(199), nested(199)),
    ("find_paths(@, 'sku$|^id$')", ORDER, ["id", "lines.0.sku", "lines.1.sku"]),
    ("find_paths(@, '')", {"a": {"b": []}, "c": 1}, ["a", "a.b", "c"]),
    ("find_paths(@, '^(?i)LINES[.]\\d+$')", ORDER, ["lines.0", "lines.1"]),
    ("find_paths(@, 'x')", [], []),
    (
        "[type(@), type(id), type(lines), type(to.name), type(no), type(!id)]",
        ORDER,
        ["OBJECT", "NUMBER", "ARRAY", "STRING", "NULL", "BOOLEAN"],
    ),
    ("type(`1.5`)", ORDER, "NUMBER"),
]

REFUSALS: Final = [
    ("deep_merge(@, lines)", ORDER, "object is an array of object"),
    ("deep_merge()", ORDER, "given 0 arguments"),
    ("deep_diff(@)", ORDER, "given 1 argument"),
    ("deep_diff([@], [a])", nested(202), "deeper than 200"),
    ("k_vtoo(id, @)", ORDER, "key is number"),
    ("ltoo(@, 'id')", [{"id": "a"}, {"id": []}], "keyField of entry 1 leads to no text, number or boolean"),
    ("ltoo(@, 'id')", [{}], "keyField of entry 0"),
    ("ltoo(@, 'id')", [1], "pairs is an array of number"),
    ("otol(@, 'k', 'k')", {}, "are the same"),
    ("otol(@, 'k', 'v')", [], "obj is array"),
    ("get_element(@, '')", ORDER, "empty"),
    ("get_element(@, '.a')", ORDER, "empty name"),
    ("get_element(@, '@.id')", ORDER, "starts at the event"),
    ("get_element(@, 'lines[*].sku')", ORDER, "is a query"),
    ("get_element(@, '$..sku')", ORDER, "is a query"),
    ("get_element(@, 'lines[0')", ORDER, "path 'lines[0'"),
    ("set_element(@, '@.id', `1`)", ORDER, "starts at the event"),
    ("set_element(@, 'lines[*].sku', `1`)", ORDER, "is a query"),
    ("set_element(@, 'to[0]', `1`)", ORDER, "0 is an index, and no array is there"),
    ("set_element(@, 'lines[5]', `1`)", ORDER, "5 is no index of an array of 2"),
    ("set_element(@, `\"lines['0']\"`, `1`)", ORDER, "'0' is no index of an array of 2"),
    ("remove_elements(@, '$')", ORDER, "names no field"),
    ("remove_elements(@, '@')", ORDER, "starts at the event"),
    ("ltoo(@, '$..id')", [{"id": 1}], "is a query"),
    ("get_element(id, 'a')", ORDER, "obj is number"),
    ("get_element(nothing, 'a')", ORDER, "obj is null"),
    ("set_element(@, 'id.x', `1`)", ORDER, "through a scalar at 'x'"),
    ("set_element(@, '3', `1`)", [1, 2], "'3' is no index of an array of 2"),
    ("set_element(@, 'a', `1`)", [1, 2], "'a' is no index"),
    ("set_element(id, 'a', `1`)", ORDER, "obj is number"),
    ("remove_elements(@, `[1]`)", ORDER, "fields is an array of number"),
    ("remove_elements(@, 'a..b')", ORDER, "empty name"),
    ("remove_nulls(id)", ORDER, "is number"),
    ("remove_nulls(@, 'yes')", ORDER, "emptyStrings is string"),
    ("remove_nulls(@)", nested(202), "deeper than 200"),
    ("find_paths(@, '(')", ORDER, "no RE2 expression"),
    ("find_paths(@, '(a)\\1')", ORDER, "no RE2 expression"),
    ("find_paths(@, 'a(?=b)')", ORDER, "no RE2 expression"),
    ("find_paths(@, '((a{100}){100}){100}')", ORDER, "no RE2 expression"),
    ("find_paths(@, '" + "a" * 257 + "')", ORDER, "256 characters"),
    ("find_paths(id, 'a')", ORDER, "input is number"),
    ("type(@, @)", ORDER, "given 2 arguments"),
    ("type(&a)", ORDER, "value is expression"),
]


@pytest.mark.parametrize(("expression", "data", "expected"), CALLS)
def test_a_call_gives(expression: str, data: Any, expected: Any) -> None:
    check(expression, data, expected)


@pytest.mark.parametrize(("expression", "data", "reason"), REFUSALS)
def test_a_call_is_refused(expression: str, data: Any, reason: str) -> None:
    check_refused(expression, data, reason)


def test_a_path_may_have_a_thousand_characters_and_a_hundred_names() -> None:
    assert called(f"get_element(@, '{'.'.join(['a'] * 100)}')", nested(100)) == 1
    check_refused(f"get_element(@, '{'.'.join(['a'] * 101)}')", nested(1), "100 names")
    check_refused(f"get_element(@, '{'a' * 1025}')", nested(1), "1024 characters")


def test_what_lies_off_the_way_is_shared_and_what_lies_on_it_is_copied() -> None:
    data = {"on": {"x": 1}, "off": {"y": 2}}
    changed: Any = called("set_element(@, 'on.x', `5`)", data)
    assert changed == {"on": {"x": 5}, "off": {"y": 2}}
    assert changed["off"] is data["off"]
    assert data["on"] == {"x": 1}
