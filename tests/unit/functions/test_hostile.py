"""Patterns and data that are made to take for ever: each comes to an end within the bounds of one search.

The bounds are counted, not timed, so that an event that comes again comes to the same. ``MAX_SECONDS`` is
ten times what the slowest takes here; it only catches work that nobody counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from time import process_time
from typing import Any, Final

import pytest

from runner.envelope.patterns import Scope, search
from runner.errors import EventError
from runner.limits import USUAL
from tests.unit.functions.calls import EVENT

MAX_SECONDS: Final = 15.0
EVENT_BYTES: Final = 1_000_000
"""What an event may have by default: all of the data below fits into one."""

TOO_MUCH: Final = str(USUAL.pattern_values)


def deep(levels: int, name: str) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {name: value}
    return value


DATA: Final[dict[str, Callable[[], Any]]] = {
    "ones": lambda: [1] * 450_000,
    "numbers": lambda: list(range(140_000)),
    "pairs": lambda: [[n, n] for n in range(70_000)],
    "colliding": lambda: [10**60 + (2**61 - 1) * n for n in range(15_000)],
    "twins": lambda: [[1] * 200_000, [1] * 200_000],
    "objects": lambda: [{"a": n} for n in range(80_000)],
    "wide": lambda: {f"k{n}": n for n in range(60_000)},
    "deep": lambda: deep(190, "n" * 4000),
    "text": lambda: "a" * 950_000,
    "quotes": lambda: '"' * 450_000,
    "words": lambda: ",".join(["aa"] * 300_000),
    "chinese": lambda: "中" * 300_000,
    "ligatures": lambda: "\ufdfa" * 300_000,
    "escapes": lambda: "%41" * 300_000,
    "brackets": lambda: "[" + "[]," * 300_000 + "[]]",
    "csv": lambda: "a,b\n" + "1,2\n" * 230_000,
    "texts": lambda: [f"x{n}" for n in range(90_000)],
    "long expressions": lambda: ["a" * 4000 + str(n) for n in range(240)],
    "regexes": lambda: [rf"\pL{{1,6}}{n}" for n in range(10_000)],
    "names of days": lambda: [f"{'EEEEMMMM' * 15}{n}" for n in range(7_500)],
    "same": lambda: [{"a": 1, "b": n} for n in range(40_000)],
    "paths": lambda: [f"{'[0]' * 90}['{n}']" for n in range(3_000)],
    "date patterns": lambda: [f"{'-' * 120}{n}" for n in range(7_500)],
}


@cache
def data(name: str) -> Any:
    return DATA[name]()


def again_and_again(call: str, between: str) -> str:
    """The call about as often as a pattern can hold it."""
    return between.join([call] * min(200, 4000 // (len(call) + len(between))))


def listed(call: str) -> str:
    return f"[{again_and_again(call, ',')}]"


def piped(call: str) -> str:
    return again_and_again(call, "|")


REFUSED: Final = [
    # It would build too much
    ("numbers", "cartesian([@, @])"),
    ("pairs", "cartesian(@)"),
    ("objects", "repeat({a: @}, @, 'k') | repeat({a: @}, @, 'k') | repeat({a: @}, @, 'k')"),
    ("wide", f"repeat(@, `{list(range(20))}`, 'k')"),
    ("text", f"replace(@, 'a', '{'b' * 100}')"),
    ("text", piped("replace(@, 'a', 'aa')")),
    ("quotes", piped("from_json(@)")),
    ("chinese", piped("encode_url(@)")),
    ("text", piped("btoa(@)")),
    ("text", listed("k_vtoo(@, @)")),
    ("numbers", "dynamic_repeat(@, @, 'input')"),
    ("twins", f"add_all(@[0], @[1]) | {piped('add_all(@, @)')}"),
    # It would look at too much
    ("ones", listed("sum(@)")),
    ("ones", listed("distinct(@)")),
    ("ones", piped("@[]")),
    ("ones", piped("[:]")),
    ("ones", piped("split_array(@, `1`)[]")),
    ("twins", listed("@[0] == @[1]")),
    ("twins", listed("contains(@, @[1])")),
    ("twins", listed("compare(@[0], @[1])")),
    ("twins", listed("contains(@[0], @)")),
    ("ones", listed("contains(@, `2`)")),
    ("same", "lookup(@, @, 'a')"),
    ("paths", listed("[*].get_element(`{}`, @)")),
    ("twins", listed("deep_diff(@[0], @[1])")),
    ("wide", f"deep_merge(@, {again_and_again('@', ',')})"),
    ("wide", piped("set_element(@, 'a.b', `1`)")),
    ("wide", piped("remove_elements(@, 'k1')")),
    ("wide", "remove_elements(@, keys(@))"),
    ("deep", listed("find_paths(@, '[^x]*n{3,200}[^n]')")),
    ("deep", "find_paths(@, '(n*)*(n*)*x')"),
    ("deep", "find_paths(@, '(n?){200}n{200}x')"),
    ("regexes", "[*].find_paths(`{}`, @)"),
    ("text", listed("trim(@)")),
    ("text", listed("compare(@, @)")),
    ("text", listed("replace(@, 'aaaaaaab', 'b')")),
    ("ligatures", listed("slug(@, `true`)")),
    ("escapes", listed("decode_url(@)")),
    ("brackets", listed("to_json(@)")),
    ("csv", listed("csv_to_json(@)")),
    ("long expressions", "[*].dynamic(`1`, @)"),
    ("texts", "[*].dynamic(`1`, @) | [*]"),
    ("texts", "dynamic_filter(@, @, 'sum(input[*].length(@)) > `1`')"),
    ("date patterns", "[*].date_to_string(`0`, @)"),
    ("date patterns", "[*].string_to_date(@, @)"),
    ("names of days", "[*].string_to_date(date_to_string(`0`, @), @)"),
]

DONE: Final = [
    ("numbers", "distinct(@)"),
    ("numbers", "remove_all(@, @)"),
    ("numbers", "intersect(@, reverse(@))"),
    ("pairs", "distinct(@)"),
    ("colliding", "distinct(@)"),
    ("objects", "group_by(@, 'a')"),
    ("objects", "index_array(@)"),
    ("same", "lookup(@, @, 'b', `true`)"),
    ("same", "sort_by(@, &b) | max_by(@, &b)"),
    ("paths", "[*].get_element(`{}`, @)"),
    ("twins", "compare(@[0], @[1])"),
    ("objects", "merge_index(@, @)"),
    ("objects", "ltoo(@, 'a')"),
    ("objects", "json_to_csv(@)"),
    ("objects", "[*].uuid()"),
    ("objects", "[*].date_to_string(a, 'yyyy')"),
    ("objects", "find_paths(@, '^((((((0|1)?|2)?|3)?|[.])*a?)*b)*$')"),
    ("wide", "otol(@, 'k', 'v')"),
    ("wide", "deep_diff(@, `{}`)"),
    ("words", "split(@, ',')"),
    ("brackets", "to_json(@)"),
    ("chinese", "slug(@, `true`)"),
    ("ligatures", "slug(@)"),
    ("texts", "sort(@)"),
]


@pytest.mark.parametrize(("name", "expression"), REFUSED, ids=lambda part: part[:40])
def test_what_takes_too_much_is_refused_in_time(name: str, expression: str) -> None:
    value = data(name)
    began = process_time()
    with pytest.raises(EventError, match=TOO_MUCH):
        search(expression, value, Scope(EVENT, "inputPattern"))
    assert process_time() - began < MAX_SECONDS


@pytest.mark.parametrize(("name", "expression"), DONE, ids=lambda part: part[:40])
def test_what_one_event_can_hold_is_done_in_time(name: str, expression: str) -> None:
    value = data(name)
    began = process_time()
    assert search(expression, value, Scope(EVENT, "inputPattern")) is not None
    assert process_time() - began < MAX_SECONDS
