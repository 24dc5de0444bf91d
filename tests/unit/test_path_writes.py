"""Json paths: writing, and where an output goes (docs/protocol.md, "Writing an output")."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from runner.envelope.paths import (
    MAX_SEGMENTS,
    compile_path,
    write,
    write_output,
)
from runner.envelope.values import Json
from runner.errors import NOT_CONVERTIBLE, EventError


def write_refused(root: dict[str, Any], text: str, value: Json) -> str:
    before = copy.deepcopy(root)
    with pytest.raises(EventError) as refusal:
        write(root, compile_path(text), value)
    assert refusal.value.code == NOT_CONVERTIBLE
    assert root == before
    return refusal.value.message


# Writing


def test_a_value_is_merged_into_the_node() -> None:
    written = write({"a": {"b": {"x": 1}}, "c": 1}, compile_path("a.b"), {"y": 2})
    assert written == {"a": {"b": {"x": 1, "y": 2}}, "c": 1}


def test_an_array_or_scalar_at_the_node_is_replaced() -> None:
    assert write({"a": [1, 2]}, compile_path("a"), [3]) == {"a": [3]}
    assert write({"a": 1}, compile_path("a"), {"b": 1}) == {"a": {"b": 1}}


def test_missing_objects_on_the_way_are_created() -> None:
    assert write({}, compile_path("a.0.b"), 1) == {"a": {"0": {"b": 1}}}


def test_null_on_the_way_is_taken_for_missing() -> None:
    assert write({"a": None}, compile_path("a.b"), 1) == {"a": {"b": 1}}


def test_a_null_value_changes_nothing() -> None:
    root = {"a": {"b": 1}}
    assert write(root, compile_path("a.b"), None) is root
    assert write(root, compile_path("new.name"), None) is root
    assert write(root, compile_path("$"), None) is root


def test_an_array_element_is_merged() -> None:
    assert write({"a": [{"x": 1}, 5]}, compile_path("a.0"), {"y": 2}) == {"a": [{"x": 1, "y": 2}, 5]}
    assert write({"a": [{"x": 1}, 5]}, compile_path("a.1"), 6) == {"a": [{"x": 1}, 6]}


def test_the_index_after_the_last_appends() -> None:
    assert write({"a": [1]}, compile_path("a.1"), 2) == {"a": [1, 2]}
    assert write({"a": []}, compile_path("a.0.b"), 2) == {"a": [{"b": 2}]}


@pytest.mark.parametrize("index", ["2", "-1", "x", "01"])
def test_any_other_index_is_refused(index: str) -> None:
    assert "no index" in write_refused({"a": [1]}, f"a.{index}", 2)


@pytest.mark.parametrize("scalar", [1, 0.5, "text", True, False, ""])
def test_a_path_through_a_scalar_is_refused(scalar: Json) -> None:
    message = write_refused({"a": {"b": scalar}}, "a.b.c", 1)
    assert "path through a scalar" in message
    assert "'a.b.c'" in message


def test_brackets_that_name_an_existing_node_may_be_written() -> None:
    root = {"a": [{"b": 1}, {"b": 2}], "x y": {"z": 1}}
    assert write(root, compile_path("a[0].b"), 9) == {**root, "a": [{"b": 9}, {"b": 2}]}
    assert write(root, compile_path("a[-1]"), {"c": 3}) == {**root, "a": [{"b": 1}, {"b": 2, "c": 3}]}
    assert write(root, compile_path("['x y'].z"), 2) == {**root, "x y": {"z": 2}}


def test_a_dotted_name_after_brackets_is_created() -> None:
    assert write({"a": [{}]}, compile_path("a[0].b.c"), 1) == {"a": [{"b": {"c": 1}}]}


@pytest.mark.parametrize("text", ["a[1]", "a[-2]", "['b']", "a['0']", "b[0]", "a[0]['c']"])
def test_brackets_that_name_nothing_are_refused(text: str) -> None:
    assert "not there" in write_refused({"a": [1]}, text, 2)


@pytest.mark.parametrize("text", ["a[*]", "$..b", "a[?(@.b == 1)]", "a[0:1]", "*"])
def test_a_query_cannot_be_written(text: str) -> None:
    assert "query" in write_refused({"a": [{"b": 1}]}, text, 2)


def test_at_the_root_an_object_is_merged_and_nothing_else_fits() -> None:
    assert write({"a": 1}, compile_path("$"), {"b": 2}) == {"a": 1, "b": 2}
    assert "must stay an object" in write_refused({"a": 1}, "$", [1])
    assert "must stay an object" in write_refused({"a": 1}, "$", "text")


def test_only_what_lies_on_the_way_is_copied() -> None:
    root: Any = {"a": {"b": 1, "beside": {}}, "c": {"d": []}}
    written: Any = write(root, compile_path("a.b"), 2)
    assert written["c"] is root["c"]
    assert written["a"]["beside"] is root["a"]["beside"]
    assert root["a"]["b"] == 1


def test_the_longest_path_can_be_written_and_read() -> None:
    path = compile_path(".".join("a" * MAX_SEGMENTS))
    assert path.find(write({}, path, 1)) == 1


# Where an output goes


def output(
    payload: dict[str, Any], value: Json, input_element: str | None = None, output_element: str | None = None
) -> dict[str, Any]:
    return write_output(payload, value, input_element=input_element, output_element=output_element)


def test_without_elements_the_output_is_merged_at_the_payload_root() -> None:
    assert output({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}


def test_without_output_element_the_output_goes_to_the_input_element() -> None:
    assert output({"in": {"a": 1}}, {"b": 2}, "in") == {"in": {"a": 1, "b": 2}}
    assert output({"in": {"a": 1}}, {"b": 2}, "$.in") == {"in": {"a": 1, "b": 2}}


def test_output_element_is_relative_to_the_input_element() -> None:
    assert output({"in": {}}, 1, "in", "out.x") == {"in": {"out": {"x": 1}}}
    assert output({"in": [{"a": 1}]}, 2, "$.in", "[0].a") == {"in": [{"a": 2}]}
    assert output({"in": {"a": 1}}, 2, "$", "in.a") == {"in": {"a": 2}}


def test_output_element_alone_is_relative_to_the_payload() -> None:
    assert output({}, 1, None, "out.x") == {"out": {"x": 1}}


def test_output_element_with_a_dollar_starts_at_the_payload_whatever_the_input() -> None:
    assert output({"in": {}}, 1, "in", "$.out") == {"in": {}, "out": 1}
    assert output({"in": {}}, {"b": 1}, "in", "$") == {"in": {}, "b": 1}
    assert output({"in": {}}, 1, "@.requestMeta", "$.out") == {"in": {}, "out": 1}


def test_a_dash_drops_the_output() -> None:
    payload = {"in": {"a": 1}}
    assert output(payload, {"b": 2}, "in", "-") is payload
    assert output(payload, "not an object", None, "-") is payload


def test_a_null_output_changes_nothing() -> None:
    payload = {"in": {"a": 1}}
    assert output(payload, None) is payload
    assert output(payload, None, "in", "out") is payload


@pytest.mark.parametrize(
    ("input_element", "output_element"),
    [
        (None, "@.requestMeta.id"),
        ("in", "@"),
        ("@.sagaMeta", None),
        ("@.sagaMeta", "x"),
        (None, "@['payload']"),
    ],
)
def test_only_the_payload_may_be_written(input_element: str | None, output_element: str | None) -> None:
    with pytest.raises(EventError, match="only the payload may be written") as refusal:
        output({"in": {}}, 1, input_element, output_element)
    assert refusal.value.code == NOT_CONVERTIBLE


@pytest.mark.parametrize("value", [1, "text", [1], True])
def test_an_output_at_the_payload_root_must_be_an_object(value: Json) -> None:
    with pytest.raises(EventError, match="must stay an object"):
        output({"a": 1}, value)
    with pytest.raises(EventError, match="must stay an object"):
        output({"a": 1}, value, "a", "$")


def test_a_bad_output_element_is_refused_even_for_a_null_output() -> None:
    for element in ("", "a..b", "@.x", "a[*]"):
        with pytest.raises(EventError):
            output({"a": 1}, None, None, element)


def test_an_output_relative_to_a_query_is_refused() -> None:
    with pytest.raises(EventError, match="query"):
        output({"a": [1]}, 1, "a[*]", "x")
