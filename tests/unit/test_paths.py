"""Json paths: spelling and reading (docs/protocol.md, "Paths")."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path as File
from typing import Any, NoReturn

import pytest

import runner
from runner.envelope.jsonpath import MAX_STEPS
from runner.envelope.paths import (
    MAX_CHARACTERS,
    MAX_SEGMENTS,
    MISSING,
    Missing,
    Root,
    compile_path,
    read,
)
from runner.envelope.values import Json
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


@pytest.mark.parametrize("text", ["$..a[\u0661]", "a[*][\uff11]", "$[?(@.n == \u0661)]", "a[\u0661:]"])
def test_digits_of_another_script_are_no_number(text: str) -> None:
    assert "digits of another script" in refused(text)
    assert compile_path("$[?(@.n == '\u0661')].n").find([{"n": "\u0661"}]) == "\u0661"


def test_a_query_that_cannot_be_evaluated_is_refused() -> None:
    with pytest.raises(EventError, match="parent"):
        compile_path("`parent`[*]").find({"a": 1})
