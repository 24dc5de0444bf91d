"""Path keys: one for every id, and nothing else is one."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.tasks.path_key import id_of, path_key

IN_A_PATH: Final = re.compile(r"~?[A-Za-z0-9._:-]+|~")


@given(st.text(st.characters(codec="utf-8")))
def test_every_id_has_a_key_that_can_stand_in_a_path(task_id: str) -> None:
    key = path_key(task_id)
    assert IN_A_PATH.fullmatch(key)
    assert key not in {".", ".."}
    assert id_of(key) == task_id


@given(st.text())
def test_what_is_a_key_is_the_only_one_of_its_id(text: str) -> None:
    for candidate in (text, f"~{text}"):
        try:
            task_id = id_of(candidate)
        except ValueError:
            continue
        assert path_key(task_id) == candidate


@pytest.mark.parametrize(
    ("task_id", "key"),
    [
        ("req-1:step-20", "req-1:step-20"),
        ("a/b", "~YS9i"),
        ("~x", "~fng"),
        ("", "~"),
        ("..", "~Li4"),
        ("müller", "~bcO8bGxlcg"),
    ],
)
def test_plain_ids_are_themselves_and_others_are_encoded(task_id: str, key: str) -> None:
    assert path_key(task_id) == key
    assert id_of(key) == task_id


@pytest.mark.parametrize(
    "key", ["", "a/b", "a b", "é", "..", "~abc=", "~YQ==", "~YR", "~_w", "~é", "~YS9i\n"]
)
def test_anything_else_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        id_of(key)
