"""The official test suite of JSON Schema passes, but for what is refused on purpose (docs/forms.md)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.unit.docs.pages import ROOT, rows
from tests.unit.forms import official_suite

PAGE: Final = ROOT / "docs" / "forms.md"
ASSERTED: Final = ("format", "an annotation by default")
"""The cases that say the opposite of what forms promise: formats are asserted."""


@pytest.mark.thorough("it fetches the suite; what a form promises has tests of its own")
def test_the_official_suite_passes_as_documented(tmp_path: Path) -> None:
    outcomes = {case: official_suite.outcome(case) for case in _cases(tmp_path)}
    failed = [case for case, outcome in outcomes.items() if outcome == "failed"]
    assert {(case.file, case.name.partition(" is only ")[2]) for case in failed} == {ASSERTED}
    counted = Counter(_heading(outcome) for outcome in outcomes.values())
    table = {first: int(count) for first, count in rows(PAGE, r"(passed|failed|refused: .*)")}
    assert table == counted


def _cases(folder: Path) -> list[official_suite.Case]:
    found = list(official_suite.cases(official_suite.fetch(folder)))
    assert len(found) > 1000
    return found


def _heading(outcome: str) -> str:
    """Return the row of the table in which an outcome is counted."""
    if outcome in {"passed", "failed"}:
        return outcome
    return f"refused: `{outcome.partition(': ')[0].rpartition('/')[2]}`"
