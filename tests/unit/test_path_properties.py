"""Json paths: what holds for any path on any value (docs/protocol.md, "Paths")."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.envelope.paths import (
    MISSING,
    Missing,
    compile_path,
    read,
    write,
    write_output,
)
from runner.envelope.values import Json, deep_merge
from runner.errors import NOT_CONVERTIBLE, EventError

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
        written: object = write_output(
            payload, value, input_element=input_element, output_element=output_element
        )
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
