"""Forms in which the tables hold what is compared, and what is asked for."""

from __future__ import annotations

import math
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.projection.conditions import successor
from runner.projection.filters import Filters, Order, Range, number_of
from runner.projection.indexing import (
    ATTRIBUTE_CHARACTERS,
    sortable,
    sortable_number,
    sortable_text,
    tie,
)
from runner.projection.stored_text import restored, stored

NEITHER: Final[tuple[Any, ...]] = (None, [], [1], {})

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\x01"), max_size=20)


@given(numbers, numbers)
def test_numbers_are_in_order_as_text_the_same_ones_alike(one: float, other: float) -> None:
    def double(number: float) -> float:
        try:
            return float(number)
        except OverflowError:
            return math.inf if number > 0 else -math.inf

    first, second = sortable_number(one), sortable_number(other)
    assert (first < second, first == second) == (double(one) < double(other), double(one) == double(other))


@given(numbers, texts)
def test_numbers_come_before_texts(number: float, text: str) -> None:
    assert sortable_number(number) < sortable_text(text)


def test_attributes_are_numbers_texts_or_nothing() -> None:
    assert sortable(value=True) == sortable("true")
    assert sortable(1) == sortable(1.0) != sortable("1")
    assert sortable(0.0) == sortable(-0.0)
    assert [sortable(value) for value in NEITHER] == [None] * 4
    assert sortable("é" * 1000) == sortable("é" * ATTRIBUTE_CHARACTERS)


@given(texts, texts)
def test_stored_text_keeps_equality_order_and_beginnings(one: str, other: str) -> None:
    assert restored(stored(one)) == one
    assert (stored(one) < stored(other)) is (one < other)
    assert stored(one + other).startswith(stored(one))


@given(texts.filter(bool), texts)
def test_the_successor_is_above_every_text_with_a_beginning_and_no_other(prefix: str, text: str) -> None:
    if set(prefix) == {"\U0010ffff"}:
        return
    above = stored(successor(prefix))
    assert stored(prefix + text) < above
    assert (stored(prefix) <= stored(text) < above) is text.startswith(prefix)


def test_ties_are_the_same_everywhere_and_fit_into_a_column() -> None:
    assert tie("d1", "t1") == tie("d1", "t1") != tie("d1", "t2")
    assert all(0 <= tie("d", str(n)) < 2**63 for n in range(100))
    assert tie("orders", "task-1") == 1199580958484112453


@pytest.mark.parametrize(
    ("filters", "openness"),
    [
        (Filters(), (1, 0)),
        (Filters(statuses=frozenset({"ASSIGNED"})), (1,)),
        (Filters(statuses=frozenset({"DONE"})), (0,)),
        (Filters(statuses=frozenset({"DONE", "UNASSIGNED"})), (1, 0)),
        (Filters(finished=Range(1)), (0,)),
        (Filters(overdue=True), (1,)),
        (Filters(overdue=False), (1, 0)),
        (Filters(statuses=frozenset({"DONE"}), overdue=True), ()),
    ],
)
def test_filters_say_whether_open_or_finished_tasks_can_fit(
    filters: Filters, openness: tuple[int, ...]
) -> None:
    assert filters.openness == openness


def test_what_does_not_exist_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="OPEN"):
        Filters(statuses=frozenset({"OPEN"}))
    with pytest.raises(ValueError, match="size"):
        Order("size")


@pytest.mark.parametrize("text", ["inf", "nan", "1_0", "0x1", " 1", "1 ", "", "-", "1e", ".5", "\uff11"])
def test_what_is_no_plain_number_is_text(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize("text", ["1", "-1", "+1", "1.50", "1e3", "-0", "1E-3"])
def test_plain_numbers_are_numbers(text: str) -> None:
    assert number_of(text) == float(text)
