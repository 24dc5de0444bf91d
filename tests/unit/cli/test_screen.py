"""Rows that line up, and text that does nothing to a terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from runner.cli.screen import Column, Rows, plain, say, status_text

COLUMNS = (Column("key", 6), Column("n", 3, align_right=True), Column("id", 6))


def printed(*cells: str, terminal: bool = False, width: int = 80) -> str:
    out = io.StringIO()
    rows = Rows(Console(file=out, force_terminal=terminal, width=width, color_system=None), COLUMNS)
    rows.row(*cells)
    return out.getvalue().split("\n", 1)[1]


def test_rows_line_up_under_their_titles() -> None:
    out = io.StringIO()
    rows = Rows(Console(file=out, color_system=None), COLUMNS)
    rows.row("a", "1", "t-1")
    rows.row("b", "22", "t-2")

    assert out.getvalue() == "key       n  id\na         1  t-1\nb        22  t-2\n"


def test_titles_that_were_printed_before_the_first_row_do_not_come_again() -> None:
    out = io.StringIO()
    rows = Rows(Console(file=out, color_system=None), COLUMNS)
    rows.head()
    assert out.getvalue() == "key       n  id\n"
    rows.row("a", "1", "t-1")

    assert out.getvalue() == "key       n  id\na         1  t-1\n"


def test_on_a_terminal_what_is_too_long_is_cut() -> None:
    assert printed("abcdefghij", "1", "task", terminal=True) == "abcde…    1  task\n"
    assert printed("a", "1", "a very long id", terminal=True, width=20) == "a         1  a very…\n"


def test_elsewhere_nothing_is_cut() -> None:
    long = "x" * 200

    assert printed(long, "1", long) == f"{long}    1  {long}\n"


def test_what_comes_from_outside_is_no_markup() -> None:
    assert printed("[red]", "1", "[/]") == "[red]     1  [/]\n"

    out = io.StringIO()
    say(Console(file=out), "[bold]as it stands[/bold]")
    assert out.getvalue() == "[bold]as it stands[/bold]\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("req-1:approve-3", "req-1:approve-3"),
        ("a b {c} ü", "a b {c} ü"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202egnp", r"\u202egnp"),
        ("\ud800", r"\ud800"),
    ],
)
def test_control_signs_are_written_as_escapes(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_any_text_is_shown_on_one_line_and_within_its_limit(text: str, limit: int) -> None:
    shown = plain(text, limit)

    assert shown.isprintable()
    assert len(shown) <= limit


def test_a_status_has_what_belongs_to_it_beside_it() -> None:
    assert status_text("FAIL", "14").plain == "FAIL 14"
    assert status_text("ACK").plain == "ACK"
