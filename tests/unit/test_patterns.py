"""Patterns: JMESPath over event data, bounded, plain JSON out (docs/protocol.md, "Patterns")."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.envelope.patterns import search
from runner.envelope.values import Json, truthy
from runner.errors import NOT_CONVERTIBLE, EventError
from runner.limits import USUAL, EventLimits

ORDER: dict[str, Any] = {
    "id": "o-1",
    "total": 12.5,
    "lines": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 5}, {"sku": "c", "qty": "7"}],
    "customer": {"name": "Ada", "vip": False},
}


def refused(expression: str, value: Json = "any") -> str:
    with pytest.raises(EventError) as refusal:
        search(expression, value)
    assert refusal.value.code == NOT_CONVERTIBLE
    refusal.value.message.encode()
    assert "\n" not in refusal.value.message
    return refusal.value.message


# What it gives


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("id", "o-1"),
        ("customer.name", "Ada"),
        ("customer.vip", False),
        ("nothing.here", None),
        ("lines[1].sku", "b"),
        ("lines[*].sku", ["a", "b", "c"]),
        ("lines[?qty > `2`].sku", ["b"]),
        ("{order: id, who: customer.name}", {"order": "o-1", "who": "Ada"}),
        ("[id, total]", ["o-1", 12.5]),
        ("length(lines)", 3),
        ("sort_by(lines[:2], &qty)[-1].sku", "b"),
        ('`{"a": [1, null]}`', {"a": [1, None]}),
        ("id == 'o-1' && !(customer.vip)", True),
        ("lines[].qty | [0]", 2),
        ("join('-', lines[*].sku)", "a-b-c"),
        ("map(&sku, lines)", ["a", "b", "c"]),
        ("customer.*", ["Ada", False]),
        ("@", ORDER),
    ],
)
def test_a_pattern_selects_and_builds(expression: str, expected: Json) -> None:
    assert search(expression, ORDER) == expected


@pytest.mark.parametrize(
    "expression", ["id", "`5`", "[id]", "{a: 'b'}", "'text'", "length(@)", "nonsense(", ""]
)
def test_null_in_gives_null_whatever_the_expression(expression: str) -> None:
    assert search(expression, None) is None


def test_a_string_and_a_number_have_no_order_and_compare_to_null() -> None:
    assert search("lines[2].qty > `1`", ORDER) is None
    assert search("lines[?qty >= `5`].sku", ORDER) == ["b"]
    assert search("'b' > 'a'", ORDER) is True
    assert search("`true` < `2`", ORDER) is None


def test_an_old_spelling_of_a_literal_is_read_without_a_warning() -> None:
    assert search("`text`", ORDER) == "text"


@pytest.mark.parametrize(
    "expression", ["lines[*].sku", "{a: @, b: lines}", "sort(lines[*].sku)", "merge(@, customer)"]
)
def test_the_input_is_never_changed(expression: str) -> None:
    before = copy.deepcopy(ORDER)
    search(expression, ORDER)
    assert before == ORDER


# Truth


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_null_false_and_empty_are_false(value: Json) -> None:
    assert truthy(value) is False


@pytest.mark.parametrize("value", [True, 0, 0.0, -1, "0", "false", " ", [None], {"a": None}])
def test_everything_else_is_true_zero_too(value: Json) -> None:
    assert truthy(value) is True


# What is refused


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "empty"),
        ("a.", "eof"),
        ("a b", "column"),
        ("[?", "ends too early"),
        ("'open", "Unclosed"),
        ("a = b", "Unknown token"),
        ("nonsense(@)", "nonsense()"),
        ("length()", "length()"),
        ("contains()", "contains()"),
        ("join()", "join()"),
        ("abs(@)", "abs() takes (value: number); value is string"),
        ('sum(`["a"]`)', "sum()"),
        ("[1, 2][::0]", "column"),
        ("lines[::0]", "step"),
        ("contains('abc', `5`)", "string"),
        ("ceil(to_number('1e999'))", "too large"),
    ],
)
def test_a_bad_expression_is_refused_with_its_text_and_the_reason(expression: str, reason: str) -> None:
    value: Json = ORDER if "lines" in expression else "text"
    message = refused(expression, value)
    assert repr(expression) in message
    assert reason in message


def test_a_refusal_does_not_show_the_data_of_the_event() -> None:
    assert "secret" not in refused("abs(@)", "secret")


def test_a_refusal_is_the_same_every_time() -> None:
    assert refused("again(") == refused("again(")


def test_a_long_expression_is_refused_and_shown_shortened() -> None:
    assert search("a" * USUAL.pattern_characters, {}) is None
    message = refused("a" * (USUAL.pattern_characters + 1))
    assert "longer than" in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("expression", "kind"),
    [(5, "number"), (1.5, "number"), (["a"], "array"), ({"a": 1}, "object"), (True, "boolean")],
)
def test_what_is_not_text_is_refused_in_words_of_json(expression: Any, kind: str) -> None:
    assert f"pattern of type {kind}: is not text" in refused(expression)


@pytest.mark.parametrize("levels", [10_000, 2_000, 1_000])
@pytest.mark.parametrize(
    ("opening", "closing"), [("(", ")"), ("[", "]"), ("!", ""), ("`[", "]`"), ("a.", "a")]
)
def test_deep_nesting_is_refused_and_never_crashes(opening: str, closing: str, levels: int) -> None:
    try:
        search(opening * levels + "a" + closing * levels, ORDER)
    except EventError as refusal:
        assert refusal.code == NOT_CONVERTIBLE  # noqa: PT017 - a thousand names in a row are fine


def test_nesting_beyond_the_interpreter_is_named_so() -> None:
    assert "nested too deep" in refused("(" * 1_500 + "a" + ")" * 1_500)


def test_a_result_nested_deeper_than_encoders_go_is_refused() -> None:
    assert "levels" in refused("|".join(["[@]"] * 100), nested_array(450))


def nested_array(levels: int) -> Json:
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "expression",
    ["&a", "[&a]", "{a: &b}", "a || &b", "!(&a)", "&a == &a", "&a | @", "(&b)[0]", "b && &b", "[@][?&b]"],
)
def test_an_expression_reference_is_no_value(expression: str) -> None:
    assert "has & where a value is meant" in refused(expression, {"b": 1})


@pytest.mark.parametrize(
    "expression",
    ["[to_number('1e999')]", "`NaN`", "{a: `-Infinity`}", "sum(`[1e308, 1e308]`)", "avg(`[1e308, 1e308]`)"],
)
def test_nan_and_infinity_are_not_results(expression: str) -> None:
    message = refused(expression)
    assert "not JSON" in message or "too large" in message


def test_a_literal_that_python_would_not_read_as_a_number_is_not_taken_for_text() -> None:
    limits = EventLimits(pattern_characters=16_384)
    with pytest.raises(EventError, match="more than 1000 digits"):
        search(f"type(`{'9' * 5000}`)", {}, limits=limits)
    with pytest.raises(EventError, match="more than 1000 digits"):
        search(f"a[{'9' * 5000}]", {}, limits=limits)


# Values are compared as JSON


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        ([1, {"a": 2}], [1.0, {"a": 2.0}]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (0, -0.0),
        (None, None),
    ],
)
def test_the_same_json_is_equal(left: Any, right: Any) -> None:
    value: Json = {"l": left, "r": right}
    assert search("[l == r, l != r, contains([l], r)]", value) == [True, False, True]
    assert search("[distinct([l, r]), remove_all([l], [r]), intersect([l], [r])]", value) == [
        [left],
        [],
        [left],
    ]
    assert search("[deep_diff([l], [r]), length(group_by([{k: l}, {k: r}], 'k')), compare(l, r)]", value) == [
        [],
        1,
        0,
    ]
    assert search("lookup([{k: l}], [{k: r, x: 'y'}], 'k')[0].x", value) == (None if left is None else "y")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (0, False),
        (1.0, True),
        ([1], [True]),
        ({"a": 0}, {"a": False}),
        ([[{"a": [0]}]], [[{"a": [False]}]]),
        (None, False),
        ("1", 1),
        ("", None),
        ([], {}),
        ([1], [1, 1]),
        ({"a": None}, {}),
        ({"a": 1}, {"b": 1}),
    ],
)
def test_other_json_is_not_equal_whatever_python_says(left: Any, right: Any) -> None:
    value: Json = {"l": left, "r": right}
    assert search("[l == r, l != r, contains([l], r)]", value) == [False, True, False]
    assert search("[l == r, l != r, contains([l], r)]", {"l": right, "r": left}) == [False, True, False]
    assert search("length(distinct([l, r]))", value) == 2
    assert search("[type(remove_all([l], [r])[0]), intersect([l], [r])]", value) == [
        search("type(l)", value),
        [],
    ]
    assert search("length(deep_diff([l], [r]))", value) == 1
    assert search("length(group_by([{k: l}, {k: r}], 'k'))", value) == 2
    assert search("lookup([{k: l}], [{k: r, x: 'y'}], 'k')[0].x", value) is None
    assert search("compare(l, r) == minus(compare(r, l)) && compare(l, r) != `0`", value) is True


def test_values_that_are_nested_as_deep_as_they_may_be_are_compared() -> None:
    value: Json = {"l": nested_array(490), "r": nested_array(490)}
    assert search("[l == r, contains([l], r), length(distinct([l, r])), compare(l, r)]", value) == [
        True,
        True,
        1,
        0,
    ]


def test_a_number_no_float_can_hold_is_not_a_result() -> None:
    assert "too large" in refused(f"to_number('{'9' * 400}')")


@pytest.mark.parametrize("expression", ["\ud800", r'`"\ud800"`', r'{"\ud800": @}', "'\ud800'", r'"\ud800"'])
def test_half_a_character_pair_is_refused(expression: str) -> None:
    refused(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@]"] * 40),
        "|".join(["{a:@,b:@}"] * 40),
        "|".join(["[@,@][]"] * 60),
        "|".join(["join(@,[@,@])"] * 60),
        "|".join(["to_string([@])"] * 60),
        "[" + ",".join(["@"] * 1000) + "]|[*].[@,@,@]|[].[@,@,@]|[" + ",".join(["@"] * 500) + "]",
    ],
)
def test_a_pattern_that_multiplies_is_stopped(expression: str) -> None:
    assert str(USUAL.pattern_values) in refused(expression, 'quote " and backslash \\')


def test_a_joined_text_is_measured_before_it_is_built() -> None:
    value: Json = {"glue": "x" * 1_000_000, "parts": [""] * 900_000}
    assert str(USUAL.pattern_values) in refused("length(join(glue, parts))", value)


def test_a_pattern_that_visits_too_much_is_stopped() -> None:
    row: Json = [0] * 1_000
    assert str(USUAL.pattern_values) in refused("[*][*].a", [row] * 1_000)


def test_a_pattern_over_ten_thousand_objects_is_within_the_bound() -> None:
    rows: Json = [{"n": number, "kind": "x"} for number in range(10_000)]
    result = search("[?kind == 'x' && n >= `10`].{number: n, kind: kind}", rows)
    assert isinstance(result, list)
    assert len(result) == 9_990


# Functions beyond the standard: what each gives is in tests/unit/functions


def test_functions_beyond_the_standard_may_be_used_beside_the_standard_ones() -> None:
    assert search("to_upper(customer.name)", ORDER) == "ADA"
    assert search("length(split(to_upper(join('-', lines[*].sku)), '-'))", ORDER) == 3


def test_a_function_that_reads_the_event_needs_one() -> None:
    assert "here is no event" in refused("uuid()")
    assert "here no time is known" in refused("now()")


def test_null_in_gives_null_also_for_functions() -> None:
    assert search("uuid()", None) is None


# Properties

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=12,
)
PIECES = (
    "a;b;.;|;[*];[0];[?a; == ;b];[];{a: @;, b: a};[@, a];(;);&a;||;length(;keys(@);to_string(;to_number(@);"
    "sort_by(@, &a);`1`;'x';`[1]`;@;!; < ;map(&b, ;merge(@, @);reverse(;max_by(@, &b);join('', @);sum(@);"
    "[::2];*;&&;values(@)"
)
SIGNS = st.text(alphabet="abc.[]*?(){}'\"`@&|!=<>:,-015 ", max_size=20)
SCRAPS = st.lists(st.sampled_from(PIECES.split(";")), max_size=7).map("".join)


@settings(deadline=None, max_examples=500)
@given(expression=st.text(max_size=12) | SIGNS | SCRAPS, value=VALUES)
def test_any_text_on_any_value_gives_plain_json_or_is_refused_with_10011(
    expression: str, value: Json
) -> None:
    before = copy.deepcopy(value)
    try:
        result = search(expression, value)
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    except EventError as refusal:
        assert refusal.code == NOT_CONVERTIBLE  # noqa: PT017 - most texts are refused, some are patterns
        refusal.message.encode()
    assert value == before


@settings(deadline=None)
@given(value=VALUES)
def test_truth_is_that_of_the_language(value: Json) -> None:
    if value is not None:
        assert truthy(value) is search("@ && `true` || `false`", value)
