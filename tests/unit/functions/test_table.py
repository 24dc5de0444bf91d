"""The table of functions: all of the contract are there, each has its tables of calls and of refusals."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from jmespath.functions import Functions

from runner.envelope.functions.signature import parse_signature
from runner.envelope.functions.table import FUNCTIONS, LEFT_OUT
from tests.unit.functions import (
    test_arrays,
    test_numbers,
    test_objects,
    test_standard,
    test_text,
    test_time_formats,
)
from tests.unit.functions.calls import called, refused

TABLES: Final[tuple[Any, ...]] = (
    test_arrays,
    test_time_formats,
    test_numbers,
    test_objects,
    test_standard,
    test_text,
)
CONTRACT: Final = {
    *("add_all", "remove_all", "intersect", "distinct", "cartesian", "element_at", "group_by", "index_array"),
    *("repeat", "split_array", "merge_index", "lookup"),
    *("deep_merge", "deep_diff", "k_vtoo", "ltoo", "otol", "get_element", "set_element", "remove_elements"),
    *("remove_nulls", "find_paths", "type", "dynamic", "dynamic_repeat", "dynamic_filter"),
    *("replace", "split", "substr", "trim", "to_lower", "to_upper", "slug", "encode_url", "decode_url"),
    *("btoa", "atob", "to_json", "from_json", "csv_to_json", "json_to_csv"),
    *("now", "date_to_string", "string_to_date", "guid", "uuid", "rand"),
    *("divide", "multiply", "mod", "power", "minus", "to_int", "compare", "cond"),
}


STANDARD: Final = frozenset(Functions.FUNCTION_TABLE)


def names_in(cases: list[Any]) -> set[str]:
    return {name for case in cases for name in re.findall(r"(\w+)\(", case[0])}


def test_every_function_of_the_contract_and_of_the_standard_is_there_and_no_other() -> None:
    assert set(FUNCTIONS) == CONTRACT | STANDARD


def test_every_function_has_a_call_and_a_refusal_in_the_tables() -> None:
    assert set(FUNCTIONS) <= {name for table in TABLES for name in names_in(table.CALLS)}
    assert set(FUNCTIONS) <= {case[0].partition("(")[0] for table in TABLES for case in table.REFUSALS}


def test_only_type_takes_the_place_of_a_standard_function() -> None:
    assert {"type"} == CONTRACT & STANDARD
    assert not set(LEFT_OUT) & set(FUNCTIONS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("get_env", "must not read the worker's environment"),
        ("encrypt", "keys do not belong in events"),
        ("decrypt", "keys do not belong in events"),
        ("hash", "keys do not belong in events"),
        ("validate_hash", "keys do not belong in events"),
        ("salt_key", "keys do not belong in events"),
        ("cron", "timeoutOn"),
    ],
)
def test_what_is_left_out_is_refused_by_name_with_the_reason(name: str, reason: str) -> None:
    message = refused(f"{name}('x')")
    assert f"{name}() is left out on purpose" in message
    assert reason in message
    assert name in LEFT_OUT


def test_nothing_else_is_left_out() -> None:
    assert len(LEFT_OUT) == 7


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_wrong_number_or_kind_of_arguments_is_refused_with_what_it_takes(name: str) -> None:
    function = FUNCTIONS[name]
    for arguments in ("&a", "@, @, @, @, @, @, &b"):
        message = refused(f"{name}({arguments})")
        assert f"{name}() takes ({function.takes})" in message
        assert "it was given" in message or " is " in message


def test_null_for_a_parameter_that_may_be_left_out_leaves_it_out() -> None:
    assert called("substr('abc', `1`, nothing)", {}) == "bc"
    assert called("date_to_string(`0`, nothing)", {}) == "01-01-1970"


@pytest.mark.parametrize("text", ["f(a)", "f(a: number b: number)", "f(a: thing)", "f(a:: number)"])
def test_a_signature_that_says_nothing_is_found_when_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        parse_signature(text, print, counts=False)
