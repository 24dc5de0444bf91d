"""docs/patterns.md is true: its examples run, its signatures and bounds are those of the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest

from runner.envelope import paths, patterns, units
from runner.envelope.functions import objects, time_formats
from runner.envelope.functions.paths import MAX_REGEX_BYTES, MAX_REGEX_CHARACTERS
from runner.envelope.functions.table import FUNCTIONS, LEFT_OUT
from runner.limits import USUAL
from tests.unit.docs.pages import ROOT, SPAN, blocks, prose_of, rows
from tests.unit.functions.calls import called, refused

PAGE: Final = ROOT / "docs" / "patterns.md"
EXAMPLE: Final = re.compile(r"(?P<call>.+?)  on  (?P<data>.+?)  (?:gives  (?P<result>.+)|is refused)")


def examples() -> list[str]:
    found = [block for block in blocks(PAGE) if block.words == ["patterns"]]
    return [line for block in found for line in block.text.splitlines()]


def documented() -> Iterator[str]:
    """Every signature in the first cells of the tables."""
    for cells in rows(PAGE, r"`\w+\(.*"):
        for span in SPAN.finditer(cells[0]):
            yield span["text"].replace("\\|", "|")


@pytest.mark.parametrize("line", examples())
def test_an_example_comes_to_what_is_printed(line: str) -> None:
    example = EXAMPLE.fullmatch(line)
    assert example is not None, "expression  on  data  gives  result"
    data = json.loads(example["data"])
    if example["result"] is None:
        assert "() takes (" in refused(example["call"], data)
    else:
        assert json.dumps(called(example["call"], data)) == json.dumps(json.loads(example["result"]))


def test_every_function_is_documented_as_it_is_called_and_no_other() -> None:
    signatures = {f"{function.name}({function.takes})" for function in FUNCTIONS.values()}
    assert sorted(documented()) == sorted(signatures)


def test_every_function_has_an_example() -> None:
    text = "".join(examples())
    # What now() gives is not printed: it would be another for every reader.
    assert {name for name in FUNCTIONS if f"{name}(" not in text} == set()


def test_what_is_left_out_is_documented_with_the_reason_that_is_given() -> None:
    table = {
        name: reason.replace("`", "")
        for names, reason in rows(PAGE, r"`\w+`( `\w+`)*")
        for name in re.findall(r"\w+", names)
    }
    assert {name: left_out.reason for name, left_out in LEFT_OUT.items()}.items() <= table.items()


def test_every_letter_of_date_patterns_is_documented_and_no_other() -> None:
    letters = {letter for cells in rows(PAGE, r"`[A-Za-z]`( `[A-Za-z]`)*") for letter in cells[0]} - set("` ")
    assert letters == set(time_formats.LETTERS)


def test_the_bounds_are_those_of_the_code() -> None:
    bounds = {
        "characters of a pattern, and of an expression from the data (`limits.patternCharacters`)": [
            USUAL.pattern_characters
        ],
        "parentheses of a pattern": [patterns.MAX_PARENTHESES],
        "values that one search visits, looks at and builds (`limits.patternValues`)": [USUAL.pattern_values],
        "levels of what it builds": [units.MAX_DEPTH],
        "levels that `deep_diff` and `remove_nulls` go down": [objects.MAX_LEVELS],
        "regular expression": [MAX_REGEX_CHARACTERS, MAX_REGEX_BYTES],
        "date pattern": [time_formats.MAX_CHARACTERS],
    }
    table = {
        cells[0]: [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", cells[1])]
        for cells in rows(PAGE, "|".join(map(re.escape, bounds)))
    }
    assert table == bounds
    assert f"at most {paths.MAX_CHARACTERS} characters and {paths.MAX_SEGMENTS} names" in " ".join(
        prose_of(PAGE).split()
    )
