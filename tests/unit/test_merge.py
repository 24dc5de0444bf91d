"""Deep merge: what an output does to the node it is written to (docs/protocol.md, "Writing an output")."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.envelope.values import Json, deep_merge

KEYS = st.sampled_from(["a", "b", "c", "0"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def test_objects_are_merged_key_by_key_at_every_level() -> None:
    base: Json = {"a": {"x": 1, "deep": {"p": 1}}, "b": 2}
    addition: Json = {"a": {"y": 3, "deep": {"q": 2}}, "c": 4}
    assert deep_merge(base, addition) == {"a": {"x": 1, "deep": {"p": 1, "q": 2}, "y": 3}, "b": 2, "c": 4}


def test_arrays_are_replaced_not_joined() -> None:
    assert deep_merge({"a": [1, 2, 3]}, {"a": [4]}) == {"a": [4]}


def test_scalars_are_replaced() -> None:
    assert deep_merge({"a": 1, "b": "x"}, {"a": False, "b": 0}) == {"a": False, "b": 0}


def test_an_object_replaces_a_scalar_and_a_scalar_an_object() -> None:
    assert deep_merge({"a": 1, "b": {"c": 1}}, {"a": {"d": 1}, "b": 2}) == {"a": {"d": 1}, "b": 2}


def test_a_null_addition_changes_nothing() -> None:
    base: Json = {"a": 1}
    assert deep_merge(base, None) is base
    assert deep_merge([1], None) == [1]


def test_a_null_inside_an_object_is_a_scalar_and_replaces() -> None:
    assert deep_merge({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"b": None, "c": 2}}


def test_keys_keep_their_order_and_new_ones_come_last() -> None:
    merged = deep_merge({"z": 1, "a": {"y": 1, "b": 1}}, {"m": 1, "a": {"k": 1, "y": 2}})
    assert isinstance(merged, dict)
    assert list(merged) == ["z", "a", "m"]
    assert list(merged["a"]) == ["y", "b", "k"]


def test_the_result_shares_what_did_not_change() -> None:
    base: Any = {"untouched": {"big": [1]}, "touched": {"x": 1}}
    merged: Any = deep_merge(base, {"touched": {"y": 2}})
    assert merged["untouched"] is base["untouched"]


def test_nesting_far_beyond_the_recursion_limit_is_merged() -> None:
    base: Any = {"left": 1}
    addition: Any = {"right": 2}
    for _ in range(20_000):
        base, addition = {"a": base}, {"a": addition}
    node: Any = deep_merge(base, addition)
    for _ in range(20_000):
        node = node["a"]
    assert node == {"left": 1, "right": 2}


@settings(deadline=None)
@given(base=VALUES, addition=VALUES)
def test_neither_side_is_ever_changed(base: Json, addition: Json) -> None:
    before = copy.deepcopy((base, addition))
    deep_merge(base, addition)
    assert (base, addition) == before


@settings(deadline=None)
@given(base=VALUES, addition=VALUES)
def test_merging_the_same_again_changes_nothing(base: Json, addition: Json) -> None:
    once = deep_merge(base, addition)
    assert deep_merge(once, addition) == once


@settings(deadline=None)
@given(base=OBJECTS)
def test_merging_an_empty_object_into_an_object_is_identity(base: dict[str, Any]) -> None:
    assert deep_merge(base, {}) == base


@settings(deadline=None)
@given(addition=OBJECTS)
def test_merging_into_an_empty_object_gives_the_addition(addition: dict[str, Any]) -> None:
    assert deep_merge({}, addition) == addition


@settings(deadline=None)
@given(base=OBJECTS, addition=OBJECTS)
def test_every_key_of_both_is_there_and_the_addition_wins(
    base: dict[str, Any], addition: dict[str, Any]
) -> None:
    merged = deep_merge(base, addition)
    assert isinstance(merged, dict)
    assert merged.keys() == base.keys() | addition.keys()
    for key, value in merged.items():
        if key not in addition:
            assert value == base[key]
        elif not (isinstance(addition[key], dict) and isinstance(base.get(key), dict)):
            assert value == addition[key]
