"""Functions on numbers, and those that choose or take an expression from the data."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.unit.functions.calls import check, check_refused, refused

CALLS: Final[list[tuple[str, Any, Any]]] = [
    ("divide(`7`, `2`)", 0, 3.5),
    ("divide(`6`, `-3`)", 0, -2),
    ("divide(`7.5`, `2.5`)", 0, 3),
    ("divide(`1`, `0`)", 0, None),
    ("divide(`1`, `0.0`)", 0, None),
    ("divide(@, `1`)", 2**63 + 1, 2**63 + 1),
    ("multiply(`3`, `4`)", 0, 12),
    ("multiply(`1.5`, `2`)", 0, 3),
    ("multiply(@, @)", 2**32 - 1, (2**32 - 1) ** 2),
    ("multiply(@, @)", 2**40, float(2**80)),
    ("mod(`7`, `3`)", 0, 1),
    ("mod(`-7`, `3`)", 0, -1),
    ("mod(`7`, `-3`)", 0, 1),
    ("mod(`7.5`, `2`)", 0, 1.5),
    ("mod(`7`, `0`)", 0, None),
    ("power(`2`, `10`)", 0, 1024),
    ("power(`2`, `-1`)", 0, 0.5),
    ("power(`-2`, `3`)", 0, -8),
    ("power(`2`, `0.5`)", 0, 2**0.5),
    ("power(`10`, `30`)", 0, 1e30),
    ("power(`-1`, `1000000000000`)", 0, 1),
    ("power(`0`, `0`)", 0, 1),
    ("minus(@)", 5, -5),
    ("minus(@)", -0.25, 0.25),
    ("minus(@)", 0, 0),
    ("minus(@)", 2**53 + 1, -(2**53) - 1),
    ("sum([@, minus(`1`)])", 2**53, 2**53 - 1),
    ("to_int(`-1.5`)", 0, -2),
    ("to_int('-1.5')", 0, -2),
    ("to_int(`-2`)", 0, -2),
    ("to_int(`-0.0`)", 0, 0),
    ("to_int('12.7')", 0, 12),
    ("to_int('1e3')", 0, 1000),
    ("to_int('9007199254740993')", 0, 9007199254740993),
    ("to_int(`1e30`)", 0, 1e30),
    ("compare(`1`, `2`)", 0, -1),
    ("compare(`2`, `2.0`)", 0, 0),
    ("compare(@, `9007199254740992.0`)", 2**53 + 1, 1),
    ("compare('b', 'a')", 0, 1),
    ("compare(@, @)", None, None),
    ("compare(`null`, `null`)", 0, 0),
    ("compare(`true`, `false`)", 0, 1),
    ("compare(`true`, `1`)", 0, -1),
    ("compare('1', `1`)", 0, 1),
    ("compare(nothing, `1`)", {}, -1),
    ("compare(`[1, 2]`, `[1, 3]`)", 0, -1),
    ("compare(`[1, 2]`, `[1]`)", 0, 1),
    ("compare(`[2]`, `[1, 3]`)", 0, 1),
    ("compare(`[1, [true]]`, `[1.0, [true]]`)", 0, 0),
    ('compare(`{"a": 1, "b": 2}`, `{"b": 2.0, "a": 1}`)', 0, 0),
    ('compare(`{"a": 1}`, `{"a": 2}`)', 0, -1),
    ('compare(`{"b": 1}`, `{"a": 2}`)', 0, 1),
    ("compare(`{}`, `[9]`)", 0, 1),
    ("cond(@ == `0`, 'yes', 'no')", 0, "yes"),
    ("cond(a, 'yes', b)", {"a": [], "b": [1]}, [1]),
    ("cond(nothing, 'yes', nothing)", {}, None),
    ("dynamic(@, expr)", {"expr": "a[0]", "a": [5]}, 5),
    ("dynamic(nothing, '`1`')", {}, None),
    ("dynamic(@, 'dynamic(@, `\"a\"`)')", {"a": 5}, 5),
    ("dynamic_repeat(@, list, 'multiply(entry, input.by)')", {"by": 2, "list": [1, 2]}, [2, 4]),
    ("dynamic_repeat(@, `[]`, 'nonsense(')", {}, []),
    ("dynamic_repeat(nothing, `[null]`, '[input, entry]')", {}, [[None, None]]),
    ("dynamic_filter(@, list, 'entry > input.least')", {"least": 2, "list": [1, 3, "x", None]}, [3]),
]

REFUSALS: Final = [
    ("divide('1', `2`)", 0, "left is string"),
    ("divide(`1e308`, `1e-10`)", 0, "too large"),
    ("divide(@, `2.5`)", 10**400, "too large"),
    ("multiply(`1e200`, `1e200`)", 0, "too large"),
    ("multiply(`true`, `1`)", 0, "left is boolean"),
    ("multiply(@, @)", 10**4000, "too large"),
    ("mod(nothing, `1`)", {}, "left is null"),
    ("power(`10`, `1000000000`)", 0, "too large"),
    ("power(`2`, `1e300`)", 0, "too large"),
    ("power(`-8`, `0.5`)", 0, "no real number"),
    ("power(`0`, `-1`)", 0, "no real number"),
    ("power('2', `2`)", 0, "left is string"),
    ("minus(`1`, `3`)", 0, "given 2 arguments"),
    ("minus([@])", 0, "value is an array of number"),
    ("minus(@)", 10**400, "too large"),
    ("to_int(' 12 ')", 0, "no number"),
    ("to_int('+1')", 0, "no number"),
    ("to_int('01')", 0, "no number"),
    ("to_int('1.')", 0, "no number"),
    ("to_int('12 apples')", 0, "no number"),
    ("to_int('1_000')", 0, "no number"),
    ("to_int('٣')", 0, "no number"),
    ("to_int('NaN')", 0, "no number"),
    ("to_int('1e999')", 0, "too large"),
    ("to_int('')", 0, "no number"),
    ("to_int(`true`)", 0, "value is boolean"),
    ("compare(@)", 0, "given 1 argument"),
    ("compare(&a, @)", 0, "left is expression"),
    ("cond(`true`, `1`)", 0, "given 2 arguments"),
    ("dynamic(@, `5`)", 0, "expr is number"),
    ("dynamic(@, 'a b')", 0, "the expression"),
    ("dynamic(@, 'dynamic(@, `\"(\"`)')", 0, "the expression ends too early"),
    ("dynamic_repeat(@, 'x', 'entry')", 0, "list is string"),
    ("dynamic_filter(@, 'x', 'entry')", 0, "list is string"),
]


@pytest.mark.parametrize(("expression", "data", "expected"), CALLS)
def test_a_call_gives(expression: str, data: Any, expected: Any) -> None:
    check(expression, data, expected)


@pytest.mark.parametrize(("expression", "data", "reason"), REFUSALS)
def test_a_call_is_refused(expression: str, data: Any, reason: str) -> None:
    check_refused(expression, data, reason)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("dynamic_repeat(@, `[1]`, 'nonsense(@)')", "Unknown function: nonsense()"),
        ("dynamic_filter(@, `[1]`, 'abs(`\"x\"`)')", "abs() takes (value: number); value is string"),
        ("dynamic(@, 'split(@, `5`)')", "split() takes (text: string, delimiter: string)"),
        ("dynamic(@, 'get_env(`1`)')", "get_env() is left out on purpose"),
        ("dynamic(@, '&a')", "has & where a value is meant"),
    ],
)
def test_what_is_wrong_inside_an_expression_of_the_data_is_named(expression: str, reason: str) -> None:
    assert reason in refused(expression, "text")


def test_an_expression_of_the_data_is_bounded_like_a_pattern() -> None:
    assert "longer than 4096" in refused("dynamic(@, expr)", {"expr": "a" * 4097})
    assert "nested too deep" in refused("dynamic(@, expr)", {"expr": "(" * 301 + "a" + ")" * 301})
    assert "nested too deep" in refused("dynamic(@, expr)", {"expr": "!" * 299 + "a"})


def test_expressions_that_call_themselves_come_to_an_end() -> None:
    assert "nested too deep in others" in refused("dynamic(@, e)", {"e": "dynamic(@, e)"})
    twice = {"e": "[dynamic(@, e), dynamic(@, e)]"}
    assert "nested too deep in others" in refused("dynamic(@, e)", twice)
