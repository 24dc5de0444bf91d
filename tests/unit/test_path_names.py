"""One grammar of names: dotted paths, brackets and queries read the same ones (docs/protocol.md, "Paths")."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.envelope.paths import MISSING, Missing, compile_path
from runner.errors import NOT_CONVERTIBLE, EventError

# What a name may have without quotes beside brackets; the rest has a meaning there.
PLAIN = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=".[]*'\"`|&(),?=<>!~\\"), min_size=1
)
NAMES = [
    "größen",
    "ns:item",
    "#text",
    "$ref",
    "@type",
    "-",
    "a b",
    "a-b",
    "名前",
    "0",
    "where",
    " a",
    "+1",
    "{x}",
    "a\nb",
]


def found(path: str, node: Any) -> Any:
    value: Any = compile_path(path).find(node)
    return value


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_same_name_in_every_form(name: str) -> None:
    node = {name: [{name: {"id": 7}}]}
    quoted = json.dumps(name)
    for path in (
        f"$.{name}.0.{name}.id",
        f"$.{name}[0].{name}.id",
        f"$[{quoted}][0][{quoted}].id",
        f"$.{name}[*].{name}.id",
        f"$[{quoted}][*][{quoted}].id",
        f"$.{name}[?(@[{quoted}])].{name}.id",
        f"$.{name}[0:1].{name}.id",
        f"$.{name}[*].{name}.*",
        f"$..{name}[*].{name}.id",
    ):
        assert found(path, node) == 7, path


@given(PLAIN)
def test_any_name_that_a_dotted_path_reads_is_read_beside_brackets(name: str) -> None:
    node = {"a": [{name: 1}, {name: 2}]}
    path = f"$.a.0.{name}"
    if " where " in f"{name} " or " wherenot " in f"{name} " or not name.strip():
        return
    assert [found(path, node), found(f"$.a[0].{name}", node)] == [1, 1]
    assert found(f"$.a[*].{name}", node) == [1, 2]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name != "*"))
def test_any_name_can_be_quoted_as_json_writes_it(name: str) -> None:
    node = {name: [{name: 5}]}
    for quoted in (json.dumps(name), json.dumps(name, ensure_ascii=False)):
        if len(quoted) < 300:
            assert found(f"$[{quoted}][0][{quoted}]", node) == 5
            assert found(f"$[{quoted}][*][{quoted}]", node) == 5


@pytest.mark.parametrize(
    ("quoted", "name"),
    [
        (r'"\n"', "\n"),
        (r'"\b\f\n\r\t\/\\\""', '\b\f\n\r\t/\\"'),
        (r"'\b\f\n\r\t\/\\\''", "\b\f\n\r\t/\\'"),
        (r'"\u263a"', "☺"),
        (r"'\u263A'", "☺"),
        (r'"\ud83d\ude00"', "😀"),
        (r"'\uD83D\uDE00'", "😀"),
        ('"it\'s"', "it's"),
        ("'say \"yes\"'", 'say "yes"'),
        (r"'it\'s'", "it's"),
        ("'a.b'", "a.b"),
        ("''", ""),
    ],
)
def test_escapes_in_quotes_are_those_of_rfc_9535(quoted: str, name: str) -> None:
    assert found(f"$[{quoted}]", {name: 1, "n": 2, "u263a": 3}) == 1
    assert found(f"$[*][{quoted}]", [{name: 1}]) == 1
    assert found(f"$[?(@.a == {quoted})].b", [{"a": name, "b": 1}]) == 1


@pytest.mark.parametrize(
    "quoted", [r'"\x41"', r"'\"'", '"\\\'"', r'"\ud83d"', r'"\ude00"', r'"\u12"', r'"\u{41}"', r'"\a"']
)
@pytest.mark.parametrize("path", ["$[{}]", "$.items[*][{}]", "$[?(@.a == {})]"])
def test_an_escape_that_there_is_not_is_refused_and_never_another_name(quoted: str, path: str) -> None:
    with pytest.raises(EventError) as error:
        compile_path(path.format(quoted))
    assert error.value.code == NOT_CONVERTIBLE
    assert "escape" in error.value.message


@pytest.mark.parametrize("path", ["$.größe|b[*]", "$[?(@.größe > 1)]", "$.a[*].x=ü"])
def test_a_name_that_must_be_quoted_is_refused_with_the_way_out(path: str) -> None:
    with pytest.raises(EventError) as error:
        compile_path(path)
    assert "quote a name" in error.value.message


def test_a_field_of_the_name_of_the_wildcard_is_found_in_plain_brackets_only() -> None:
    assert found("$['*'][0]", {"*": [1], "a": [2]}) == 1
    with pytest.raises(EventError) as error:
        compile_path("$['*'][*]")
    assert "*" in error.value.message
    assert isinstance(found("$['*'][0]", {"a": [2]}), Missing)
    assert found("$['*'][0]", {}) is MISSING
