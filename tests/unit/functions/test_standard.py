"""The standard functions of JMESPath: what its specification says, refused in words of JSON."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.unit.functions.calls import called, check, check_refused

ROWS: Final = [{"n": 2, "t": "b"}, {"n": 1, "t": "a"}, {"n": 2.0, "t": "c"}]

CALLS: Final[list[tuple[str, Any, Any]]] = [
    ("abs(@)", -1.5, 1.5),
    ("abs(@)", -(10**25), 10**25),
    ("avg(@)", [1, 2], 1.5),
    ("avg(@)", [], None),
    ("ceil(@)", 1.2, 2),
    ("ceil(@)", -1.2, -1),
    ("ceil(@)", 7, 7),
    ("ceil(@)", 1e300, 1e300),
    ("floor(@)", 1.8, 1),
    ("floor(@)", -1.2, -2),
    ("contains(@, 'b')", "abc", True),
    ("contains(@, 'B')", "abc", False),
    ("contains(@, `1`)", [1.0], True),
    ("contains(@, `1`)", [True], False),
    ("contains(@, `true`)", [1], False),
    ("contains(@, `[1]`)", [[True]], False),
    ('contains(@, `{"a": [0]}`)', [{"a": [False]}], False),
    ('contains(@, `{"a": 1, "b": 2}`)', [{"b": 2.0, "a": 1}], True),
    ("contains(@, nothing)", [None], True),
    ("ends_with(@, 'c')", "abc", True),
    ("starts_with(@, 'b')", "abc", False),
    ("join(', ', @)", ["a", "b"], "a, b"),
    ("join('-', @)", [], ""),
    ("keys(@)", {"b": 1, "a": 2}, ["b", "a"]),
    ("values(@)", {"b": 1, "a": None}, [1, None]),
    ("length(@)", "äö", 2),
    ("length(@)", [1, 2, 3], 3),
    ("length(@)", {}, 0),
    ("map(&n, @)", [{"n": 1}, {}, 5], [1, None, None]),
    ("map(&map(&@, @), @)", [[1], []], [[1], []]),
    ("max(@)", [1, 3, 2.5], 3),
    ("max(@)", ["a", "c", "b"], "c"),
    ("max(@)", [], None),
    ("min(@)", [1, 3, 0.5], 0.5),
    ("min(@)", ["b", "a"], "a"),
    ("min(@)", [], None),
    ("max_by(@, &n)", ROWS, ROWS[0]),
    ("max_by(@, &t)", ROWS, ROWS[2]),
    ("max_by(@, &t)", [], None),
    ("min_by(@, &n)", ROWS, ROWS[1]),
    ("min_by(@, &t)", [], None),
    ("sort_by(@, &n)", ROWS, [ROWS[1], ROWS[0], ROWS[2]]),
    ("sort_by(@, &t)[*].t", ROWS, ["a", "b", "c"]),
    ("sort_by(@, &t)", [], []),
    (
        "merge(@, b)",
        {"a": 1, "b": {"a": {"c": 2}, "d": 3}},
        {"a": {"c": 2}, "b": {"a": {"c": 2}, "d": 3}, "d": 3},
    ),
    ("not_null(a, b, c)", {"b": False, "c": 1}, False),
    ("not_null(a)", {}, None),
    ("reverse(@)", [1, 2], [2, 1]),
    ("reverse(@)", "ab", "ba"),
    ("sort(@)", [3, 1.5, 2], [1.5, 2, 3]),
    ("sort(@)", ["b", "a", "B"], ["B", "a", "b"]),
    ("sum(@)", [1, 2.5], 3.5),
    ("sum(@)", [], 0),
    ("sum(@)", [2**60, 2**60], 2**61),
    # As added one by one: Python 3.12 and later say 1.0 here.
    ("sum(@)", [0.1] * 10, 0.9999999999999999),
    ("avg(@)", [0.1] * 10, 0.09999999999999999),
    ("to_array(@)", [1], [1]),
    ("to_array(@)", {"a": 1}, [{"a": 1}]),
    ("to_array(nothing)", {}, [None]),
    ("to_string(@)", "a", "a"),
    ("to_string(@)", {"a": [1, 2.5, None, True, "ä"]}, '{"a":[1,2.5,null,true,"ä"]}'),
    ("to_string(nothing)", {}, "null"),
    ("to_number(@)", 1.5, 1.5),
    ("to_number(@)", "12", 12),
    ("to_number(@)", "-1.50e2", -150.0),
    ("to_number(@)", "0.1", 0.1),
    ("to_number(@)", "9007199254740993", 9007199254740993),
    ("to_number(@)", "9" * 300, int("9" * 300)),
    ("to_number(nothing)", {}, None),
    ("to_number(@)", True, None),
    ("to_number(@)", [1], None),
]

NO_NUMBERS: Final = [
    *(
        "",
        " ",
        "1_000",
        "١٢",
        "\uff11\uff12",
        "²",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        " 1",
        "1 ",
        "1\n",
        "+1",
    ),
    *("1.", ".5", "01", "-01", "00", "1e", "1e+", "0x10", "1,5", "--1", "-", "1e5.5", "1\u00a0", "\ufeff1"),
]

REFUSALS: Final = [
    ("abs(@)", True, "value is boolean"),
    ("abs(@)", "1", "value is string"),
    ("avg(@)", [1, "2"], "values is an array of number, string"),
    ("avg(@)", [True], "values is an array of boolean"),
    ("avg(@)", [1e308, 1e308], "too large"),
    ("ceil(nothing)", {}, "value is null"),
    ("floor(@)", "1", "value is string"),
    ("contains(@, 'a')", 5, "subject is number"),
    ("contains(@, `5`)", "5", "search is number"),
    ("contains(@, &a)", [], "search is expression"),
    ("ends_with(@, `1`)", "a", "suffix is number"),
    ("starts_with(@, 'a')", ["a"], "text is an array of string"),
    ("starts_with(@, nothing)", "a", "prefix is null"),
    ("join(`1`, @)", ["a"], "glue is number"),
    ("join('', @)", ["a", 1, None], "texts is an array of string, number, null"),
    ("join('', @)", "ab", "texts is string"),
    ("keys(@)", [1], "obj is an array of number"),
    ("values(@)", "a", "obj is string"),
    ("length(@)", 5, "value is number"),
    ("length(nothing)", {}, "value is null"),
    ("map(@, @)", [1], "expr is an array of number"),
    ("map(&a, @)", {}, "list is object"),
    ("max(@)", [1, "a"], "values is an array of number, string"),
    ("max(@)", [None], "values is an array of null"),
    ("min(@)", [True, 1], "values is an array of boolean, number"),
    ("min(@)", {}, "values is object"),
    ("max_by(@, &@)", [1, "a"], "expr gives number and string"),
    ("max_by(@, &a)", [{"a": 1}, {}], "expr gives number and null"),
    ("max_by(@, 'a')", [{"a": 1}], "expr is string"),
    ("max_by(@, &a)", {"a": 1}, "list is object"),
    ("min_by(@, &@)", ["a", 1], "expr gives string and number"),
    ("min_by(@, &@)", [True], "expr gives boolean"),
    ("sort_by(@, &@)", [1, "a"], "expr gives number and string"),
    ("sort_by(@, &@)", [[1]], "expr gives array"),
    ("sort(@)", [1, "a"], "values is an array of number, string"),
    ("sort(@)", [True, False], "values is an array of boolean"),
    ('merge(@, `[["b", 2]]`)', {"a": 1}, "object is an array of array"),
    ("merge(@, nothing)", {"a": 1}, "object is null"),
    ("merge()", {}, "given 0 arguments"),
    ("not_null(&a)", {}, "value is expression"),
    ("not_null()", {}, "given 0 arguments"),
    ("reverse(@)", {}, "value is object"),
    ("sum(@)", [1, True], "values is an array of number, boolean"),
    ("sum(@)", [10**400, 1.5], "too large"),
    ("to_array(&a)", {}, "value is expression"),
    ("to_string(&a)", {}, "value is expression"),
    ("to_string(@, @)", {}, "given 2 arguments"),
    ("to_number(&a)", {}, "value is expression"),
    ("to_number(@)", "1e999", "too large"),
    ("to_number(@)", "9" * 400, "too large"),
]


@pytest.mark.parametrize(("expression", "data", "expected"), CALLS)
def test_a_call_gives(expression: str, data: Any, expected: Any) -> None:
    check(expression, data, expected)


@pytest.mark.parametrize(("expression", "data", "reason"), REFUSALS)
def test_a_call_is_refused(expression: str, data: Any, reason: str) -> None:
    check_refused(expression, data, reason)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_by_the_grammar_of_json_is_null(text: str) -> None:
    assert called("to_number(@)", text) is None
    assert called("[to_number(@)]", text) == [None]
    check_refused("to_int(@)", text, "no number")
