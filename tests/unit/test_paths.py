"""Json paths: spelling, reading, writing, and where an output goes (protocol, section 1)."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path as File
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runner
from runner.envelope.jsonpath import MAX_STEPS
from runner.envelope.merge import Json, deep_merge
from runner.envelope.paths import (
    MAX_CHARACTERS,
    MAX_SEGMENTS,
    MISSING,
    Missing,
    Root,
    compile_path,
    read,
    write,
    write_output,
)
from runner.errors import NOT_CONVERTIBLE, EventError

ORDER: dict[str, Any] = {
    "process": {
        "data": {"amount": 12, "note": None},
        "steps": [{"id": "s1", "ok": True}, {"id": "s2", "ok": False}],
    },
    "order id": "o-1",
    "0": "zero",
    "empty": {},
}


def found(text: str, node: Json = None) -> Json | Missing:
    return compile_path(text).find(ORDER if node is None else node)


def refused(text: str) -> str:
    with pytest.raises(EventError) as refusal:
        compile_path(text)
    assert refusal.value.code == NOT_CONVERTIBLE
    return refusal.value.message


def write_refused(root: dict[str, Any], text: str, value: Json) -> str:
    before = copy.deepcopy(root)
    with pytest.raises(EventError) as refusal:
        write(root, compile_path(text), value)
    assert refusal.value.code == NOT_CONVERTIBLE
    assert root == before
    return refusal.value.message


def no_event() -> NoReturn:
    raise AssertionError("the whole event was asked for")


# Dotted paths


def test_a_dotted_path_goes_from_name_to_name() -> None:
    assert found("process.data.amount") == 12


def test_a_single_name_is_a_path() -> None:
    assert found("empty") == {}


def test_a_number_between_dots_is_an_array_index() -> None:
    assert found("process.steps.1.id") == "s2"


def test_a_number_between_dots_is_a_key_of_an_object() -> None:
    assert found("0") == "zero"


def test_null_that_is_there_is_found_and_is_not_missing() -> None:
    assert found("process.data.note") is None


def test_false_that_is_there_is_found() -> None:
    assert found("process.steps.1.ok") is False


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "process.nothing.at.all",
        "process.data.amount.cents",
        "process.data.note.author",
        "process.steps.2",
        "process.steps.-1",
        "process.steps.01",
        "process.steps.id",
        "process.steps.\u0661",
        "process.steps.99999999999999999999",
    ],
)
def test_what_is_not_there_is_missing(text: str) -> None:
    assert found(text) is MISSING


def test_missing_is_not_null_and_is_false() -> None:
    missing: object = MISSING
    assert missing is not None
    assert not MISSING


def test_a_name_may_hold_spaces_and_other_signs() -> None:
    assert found("order id") == "o-1"
    assert found("a-b:c/d", {"a-b:c/d": 1}) == 1


def test_dotted_and_simple_bracket_paths_never_load_the_jsonpath_parser() -> None:
    program = (
        "import sys; from runner.envelope.paths import compile_path;"
        "[compile_path(t).find({}) for t in ('a.0.b', '$.a', '@.b', '$', \"a[0]['b c'].d\")];"
        "sys.exit('jsonpath_ng' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(File(runner.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=False)
    assert done.returncode == 0


# Where a path starts


def test_a_plain_path_starts_at_the_node() -> None:
    assert read("x", node={"x": 1}, payload={"x": 2}, event=no_event) == 1


def test_a_dollar_starts_at_the_payload() -> None:
    assert read("$.x", node={"x": 1}, payload={"x": 2}, event=no_event) == 2
    assert read("$", node={"x": 1}, payload={"x": 2}, event=no_event) == {"x": 2}
    assert read("$['x']", node={"x": 1}, payload={"x": 2}, event=no_event) == 2


def test_an_at_sign_starts_at_the_whole_event() -> None:
    def event() -> dict[str, Any]:
        return {"requestMeta": {"id": "r-1"}}

    assert read("@.requestMeta.id", node=None, payload=None, event=event) == "r-1"
    assert read("@", node=None, payload=None, event=event) == {"requestMeta": {"id": "r-1"}}
    assert read("@['requestMeta'].id", node=None, payload=None, event=event) == "r-1"
    assert read("@..id", node=None, payload=None, event=event) == "r-1"


def test_the_event_is_not_asked_for_by_other_paths() -> None:
    assert read("x", node=MISSING, payload={}, event=no_event) is MISSING
    assert read("$.x", node=MISSING, payload={}, event=no_event) is MISSING
    assert read("*", node=MISSING, payload={}, event=no_event) is MISSING


@pytest.mark.parametrize("name", ["$ref", "@type", "$$", "@@"])
def test_a_name_that_begins_like_a_start_is_a_name(name: str) -> None:
    assert compile_path(name).root is Root.NODE
    assert found(name, {name: 7}) == 7
    assert found(f"{name}[0]", {name: [7]}) == 7


# Brackets and queries


def test_a_bracketed_index_is_of_an_array_only() -> None:
    assert found("process.steps[0].id") == "s1"
    assert found("process.steps[-1].id") == "s2"
    assert found("process.steps[2]") is MISSING
    assert found("process[0]") is MISSING
    assert found("[0]") is MISSING


def test_a_bracketed_name_is_of_an_object_only() -> None:
    assert found("['order id']") == "o-1"
    assert found('$["0"]') == "zero"
    assert found("process.steps['0']") is MISSING


def test_a_bracketed_name_may_hold_dots_stars_and_escaped_quotes() -> None:
    assert found(r"a['b.*\'c'].d", {"a": {"b.*'c": {"d": 5}}}) == 5


def test_names_of_any_script_stand_beside_brackets() -> None:
    assert found("größe[0]", {"größe": [3]}) == 3


def test_a_query_with_one_match_gives_the_value() -> None:
    assert found("process.steps[?(@.ok == true)].id") == "s1"


def test_a_query_with_several_matches_gives_the_list() -> None:
    assert found("process.steps[*].id") == ["s1", "s2"]
    assert found("$..id") == ["s1", "s2"]


def test_a_query_without_a_match_is_missing() -> None:
    assert found("process.steps[?(@.id == 'zz')]") is MISSING
    assert found("$..nothing") is MISSING


def test_a_filter_may_compare_with_the_value_searched() -> None:
    node: Json = {"limit": 2, "rows": [{"n": 1}, {"n": 3}, {"n": 2}]}
    assert found("rows[?(@.n <= $.limit)].n", node) == [1, 2]


def test_a_slice_is_a_query() -> None:
    assert found("rows[1:3]", {"rows": [1, 2, 3, 4]}) == [2, 3]


def test_a_query_does_not_change_what_it_searches() -> None:
    before = copy.deepcopy(ORDER)
    found("process.steps[?(@.ok == true)]")
    found("$..*")
    assert before == ORDER


# What is refused


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_path_is_refused(text: str) -> None:
    assert "empty" in refused(text)


@pytest.mark.parametrize("text", ["a..b", ".a", "a.", ".", "..", "$.", "@.", "$.a."])
def test_an_empty_name_between_dots_is_refused(text: str) -> None:
    assert repr(text) in refused(text)


@pytest.mark.parametrize(
    "text", ["a[", "a]", "a[0", "a['x", "a[?(", "a[?(@.b==)]", "*.", "[]", "a[b c]", "$[", "a[1:2:x]"]
)
def test_a_jsonpath_that_cannot_be_parsed_is_refused_by_its_text(text: str) -> None:
    assert repr(text) in refused(text)


def test_a_refusal_is_the_same_every_time() -> None:
    assert refused("again[?(") == refused("again[?(")


def test_a_path_that_is_too_long_is_refused_and_shown_shortened() -> None:
    message = refused("a" * (MAX_CHARACTERS + 1))
    assert "longer than" in message
    assert len(message) < 300


def test_a_path_with_too_many_names_is_refused() -> None:
    assert found(".".join("a" * MAX_SEGMENTS)) is MISSING
    assert "names" in refused(".".join("a" * (MAX_SEGMENTS + 1)))
    assert "names" in refused("[0]" * (MAX_SEGMENTS + 1))


def test_half_a_character_pair_is_refused_in_a_message_that_can_be_sent() -> None:
    refused("a\ud800").encode()
    refused("a[?(\ud800").encode()


@pytest.mark.parametrize("text", [5, None, ["a"], {"a": 1}, True])
def test_what_is_not_text_is_refused(text: Any) -> None:
    assert "is not text" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "rows[?(@.n =~ '(a+)+$')]",
        "rows[?(@.n > 1 && @.m =~ '.*')]",
        "rows[*].`sub(/a/, b)`",
        "rows[*].`split(a, 0, -1)`",
        "rows[*].`str()`",
        "rows[/n]",
        "rows[*].n * 1000000000",
        "rows[*] | rows[*]",
        "rows[*] & rows[*]",
    ],
)
def test_a_query_may_only_select(text: str) -> None:
    assert "not allowed in a path" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "$" + "..*" * 12,
        "$[*]" + ".`parent`[*]" * 8,
        "$[?($ == $)]",
        "$..[?(@..[?($..b)])]",
    ],
)
def test_a_query_that_multiplies_is_stopped(text: str) -> None:
    rows: Json = [{"a": {"b": [[[number]]]}} for number in range(1000)]
    with pytest.raises(EventError, match=str(MAX_STEPS)):
        compile_path(text).find(rows)


def test_matches_that_contain_each_other_are_stopped_before_they_outgrow_the_event() -> None:
    node: Any = "x" * 1_000_000
    for _ in range(400):
        node = [node]
    with pytest.raises(EventError, match=str(MAX_STEPS)):
        compile_path("$..*").find(node)


def test_a_filter_over_ten_thousand_objects_is_within_the_bound() -> None:
    rows: Json = [{"n": number, "of": {"kind": "x"}} for number in range(10_000)]
    assert compile_path("[?(@.n >= 9999 && @.of.kind == 'x')].n").find(rows) == 9999


def test_a_query_that_cannot_be_evaluated_is_refused() -> None:
    with pytest.raises(EventError, match="parent"):
        compile_path("`parent`[*]").find({"a": 1})


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


# Properties

KEYS = st.sampled_from(["a", "b", "0", "1"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
PIECES = (
    "$;@;.;..;a;b;0;[0];[-1];[*];['a'];[?(@.a;==1)];[?(@.a)];[0,1];`len`;`parent`;[::2];[::0]; where ;*;"
    "[?($.a == @.b)];[?(!@.a || @.b > 'x')];[?"
)
SIGNS = st.text(alphabet="$@.[]*?()'\"`ab01:,-&|=~<>!/\\+ {}", max_size=20)
SCRAPS = st.lists(st.sampled_from(PIECES.split(";")), max_size=8).map("".join)
TEXTS = st.text(max_size=12) | SIGNS | SCRAPS
DOTTED = st.lists(KEYS, min_size=1, max_size=4).map(".".join)
BRACKETED = st.lists(
    st.sampled_from([".a", ".b", ".0", "[0]", "[-1]", "['a']", '["0"]', ".1"]), min_size=1, max_size=4
).map(lambda parts: "$" + "".join(parts))


@settings(deadline=None, max_examples=400)
@given(text=TEXTS, node=VALUES)
def test_any_text_on_any_value_finds_something_or_is_refused_with_10011(text: str, node: Json) -> None:
    before = copy.deepcopy(node)
    try:
        read(text, node=node, payload=node, event=lambda: {"payload": node})
    except EventError as refusal:
        assert refusal.code == NOT_CONVERTIBLE  # noqa: PT017 - most texts are fine, some are refused
        refusal.message.encode()
    assert node == before


@settings(deadline=None, max_examples=400)
@given(payload=OBJECTS, value=VALUES, output_element=TEXTS | DOTTED, input_element=st.none() | TEXTS | DOTTED)
def test_any_output_anywhere_gives_an_object_or_is_refused_with_10011(
    payload: dict[str, Any], value: Json, output_element: str, input_element: str | None
) -> None:
    before = copy.deepcopy((payload, value))
    try:
        written: object = output(payload, value, input_element, output_element)
        assert isinstance(written, dict)
    except EventError as refusal:
        assert refusal.code == NOT_CONVERTIBLE  # noqa: PT017 - most texts are fine, some are refused
        refusal.message.encode()
    assert (payload, value) == before


@settings(deadline=None)
@given(root=OBJECTS, text=DOTTED | BRACKETED, value=VALUES.filter(lambda value: value is not None))
def test_what_was_written_is_found_merged(root: dict[str, Any], text: str, value: Json) -> None:
    path = compile_path(text)
    old = path.find(root)
    before = copy.deepcopy((root, value))
    try:
        written = write(root, path, value)
    except EventError:
        return
    assert (root, value) == before
    if text.endswith("[-1]") or old is not MISSING:
        assert not isinstance(old, Missing)
        assert path.find(written) == deep_merge(old, value)
    else:
        assert path.find(written) == value
    assert write(written, path, value) == written


@settings(deadline=None)
@given(node=VALUES, names=st.lists(KEYS, min_size=1, max_size=4))
def test_a_dotted_path_finds_what_a_walk_by_hand_finds(node: Json, names: list[str]) -> None:
    expected: Any = node
    for name in names:
        if isinstance(expected, dict) and name in expected:
            expected = expected[name]
        elif isinstance(expected, list) and name.isdecimal() and int(name) < len(expected):
            expected = expected[int(name)]
        else:
            expected = MISSING
            break
    assert found_in(node, ".".join(names)) == expected


def found_in(node: Json, text: str) -> Json | Missing:
    return compile_path(text).find(node)
