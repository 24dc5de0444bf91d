"""Functions on arrays."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.unit.functions.calls import check, check_refused

LINES: Final = [
    {"sku": "a", "at": {"hall": 1}},
    {"sku": "b", "at": {"hall": 2}},
    {"sku": "c", "at": {"hall": 1.0}},
]

CALLS: Final[list[tuple[str, Any, Any]]] = [
    ("add_all(@, @)", [1, "a"], [1, "a", 1, "a"]),
    ("add_all(@, `[]`)", [], []),
    ('remove_all(@, `[2, "x"]`)', [1, 2, "x", 2.0, True, None], [1, True, None]),
    ('remove_all(@, `[{"a": 1, "b": 2}, 1]`)', [{"b": 2, "a": 1.0}, True, "1"], [True, "1"]),
    ("remove_all(@, `[]`)", [1, 1], [1, 1]),
    (
        'intersect(@, `[1, true, "b", {"x": []}]`)',
        ["b", 1.0, 0, True, {"x": []}, "b"],
        ["b", 1.0, True, {"x": []}, "b"],
    ),
    ("intersect(@, `[]`)", [1], []),
    (
        "distinct(@)",
        [3, 1, 3.0, True, "3", None, False, None, [1], [1.0], {"a": 0, "b": 1}, {"b": 1, "a": 0}],
        [3, 1, True, "3", None, False, [1], {"a": 0, "b": 1}],
    ),
    ("distinct(@)", [10**25, 1e25, 2**53 + 1, float(2**53)], [10**25, 1e25, 2**53 + 1, float(2**53)]),
    ("distinct(@)", ["sa", "a", "n1", "1", 1], ["sa", "a", "n1", "1", 1]),
    ("length(distinct(@))", [[160], [[]], [["1"]], [["s1:1"]], ["1", "2"], ["1,s1:2"], [{}], [{"a": 1}]], 8),
    ("cartesian(@)", [[1, 2], ["a", "b"]], [[1, "a"], [1, "b"], [2, "a"], [2, "b"]]),
    ("cartesian(@)", [[1], []], []),
    ("cartesian(@)", [], [[]]),
    ("element_at(@, `0`)", ["a", "b"], "a"),
    ("element_at(@, `1.0`)", ["a", "b"], "b"),
    ("element_at(@, `2`)", ["a", "b"], None),
    ("element_at(@, `-1`)", ["a", "b"], None),
    ("group_by(@, 'at.hall')[*].[id, list[*].sku]", LINES, [[1, ["a", "c"]], [2, ["b"]]]),
    (
        "group_by(@, 'x')",
        [{"x": None}, {}, {"x": "null"}],
        [{"id": None, "list": [{"x": None}, {}]}, {"id": "null", "list": [{"x": "null"}]}],
    ),
    ("group_by(@, 'x')", [], []),
    ("index_array(@)", [{"a": 1}, {}], [{"a": 1, "index": 0}, {"index": 1}]),
    ("index_array(@, 'a', `5`)", [{"a": 1}, {}], [{"a": 5}, {"a": 6}]),
    ("index_array(@, null_is_left_out, `-1`)[0].index | @", [{}], -1),
    (
        "repeat(template, list, 'n')",
        {"template": {"a": {"b": 1, "c": 2}}, "list": [{"a": {"b": 5}}, 7, None, [1]]},
        [
            {"a": {"b": 5, "c": 2}},
            {"a": {"b": 1, "c": 2}, "n": 7},
            {"a": {"b": 1, "c": 2}, "n": None},
            {"a": {"b": 1, "c": 2}, "n": [1]},
        ],
    ),
    ("repeat(@, `[]`, 'n')", {}, []),
    (
        "lookup(l, r, 'at.id')",
        {
            "l": [{"n": 1, "at": {"id": 1}}, {"n": 2, "at": {"id": True}}, {"n": 3}],
            "r": [{"at": {"id": 1.0}, "x": "a"}, {"at": {"id": 9}}, {"at": {"id": 1}, "x": "b"}, {"x": "c"}],
        },
        [
            {"n": 1, "at": {"id": 1.0}, "x": "a"},
            {"n": 1, "at": {"id": 1}, "x": "b"},
            {"n": 2, "at": {"id": True}},
            {"n": 3},
        ],
    ),
    (
        "lookup(l, r, 'id', `true`)",
        {
            "l": [{"id": "a", "n": 1}, {"id": None}],
            "r": [{"id": None, "n": 0}, {"id": "a", "n": 2}, {"id": "b"}],
        },
        [{"id": "a", "n": 2}, {"id": None}, {"id": None, "n": 0}, {"id": "b"}],
    ),
    ("lookup(@, `[]`, 'id')", [{"id": 1}], [{"id": 1}]),
    ("lookup(`[]`, @, 'id')", [{"id": 1}], []),
    ("lookup(`[]`, @, 'id', `true`)", [{"id": 1}], [{"id": 1}]),
    ("group_by(@, '$.to[0]')[*].[id]", [{"to": ["x"]}, {"to": []}], [["x"], [None]]),
    (
        "distinct(@)",
        [True, 1, [True], [1], {"a": 1}, {"a": True}, {"a": 1.0}],
        [True, 1, [True], [1], {"a": 1}, {"a": True}],
    ),
    (
        "distinct(@)",
        [161, [1], "n", "n1", ["1"], [["1"]], ["s1:1"]],
        [161, [1], "n", "n1", ["1"], [["1"]], ["s1:1"]],
    ),
    ("split_array(@, `2`)", [1, 2, 3], [[1, 2], [3]]),
    ("split_array(@, `9`)", [1], [[1]]),
    ("split_array(@, `1`)", [], []),
    (
        "merge_index(l, r)",
        {"l": [{"a": 1}, {"a": 2}], "r": [{"b": 3}, {"a": 4}]},
        [{"a": 1, "b": 3}, {"a": 4}],
    ),
    ("merge_index(l, r, 'left', 'right')", {"l": [1, 2], "r": [3]}, [{"left": 1, "right": 3}, {"left": 2}]),
    (
        "merge_index(l, r, null_is_left_out, 'right')",
        {"l": [{"a": 1}], "r": [3, 4]},
        [{"a": 1, "right": 3}, {"right": 4}],
    ),
]

REFUSALS: Final = [
    ("add_all(@, 'x')", [], "right is string"),
    ("add_all(@)", [], "given 1 argument"),
    ("remove_all(@, @[0])", [1], "toRemove is number"),
    ("intersect(@, null_)", [1], "right is null"),
    ("distinct(@)", {}, "values is object"),
    ("cartesian(@)", [[1], 2], "lists is an array of array, number"),
    ("cartesian([@,@,@])", [0] * 200, "more than 1000000"),
    ("cartesian(@)", [[0, 1]] * 500, "more than 1000000"),
    ("element_at(@, `1.5`)", [1], "index is number"),
    ("element_at(@, `true`)", [1], "index is boolean"),
    ("group_by(@, 'a')", [{"a": 1}, 5], "list is an array of object, number"),
    ("group_by(@, 'a..b')", [{"a": 1}], "empty name"),
    ("index_array(@)", ["a"], "list is an array of string"),
    ("index_array(@, 'i', `0.5`)", [], "start is number"),
    ("lookup(@, `[1]`, 'id')", [{}], "right is an array of number"),
    ("lookup(@, @, '@.id')", [{}], "starts at the event"),
    ("lookup(@, @, 'id', 'yes')", [{}], "full is string"),
    ("lookup(@, @, 'id')", [{"id": 1}] * 2000, "more than 1000000"),
    ("repeat(@, `[1]`, 'n')", [], "template is array"),
    ("repeat(@, `[1]`)", {}, "given 2 arguments"),
    ("split_array(@, `0`)", [1], "size is less than 1"),
    ("split_array(@, `-3`)", [1], "size is less than 1"),
    ("split_array(@, '2')", [1], "size is string"),
    ("merge_index(@, @)", [1], "only objects can be spread"),
    ("merge_index(@, `[]`, 'a', 'b', 'c')", [1], "given 5 arguments"),
]


@pytest.mark.parametrize(("expression", "data", "expected"), CALLS)
def test_a_call_gives(expression: str, data: Any, expected: Any) -> None:
    check(expression, data, expected)


@pytest.mark.parametrize(("expression", "data", "reason"), REFUSALS)
def test_a_call_is_refused(expression: str, data: Any, reason: str) -> None:
    check_refused(expression, data, reason)
