"""Templates hold text and structure alone: what they show is escaped, and nothing in them runs."""

import re
from pathlib import Path
from typing import Final

import pytest

import runner.web.pages

TEMPLATES: Final = sorted((Path(runner.web.pages.__file__).parent / "templates").glob("*.html"))
FORBIDDEN: Final = {
    "a script in the page": r"<script(?![^>]*\ssrc=)",
    "a style in the page": r"<style|\sstyle=",
    "a handler in the page": r"\son[a-z]+=",
    "an address that runs": r"javascript:",
    "a value that is not escaped": r"\|\s*safe\b|autoescape\s+false|Markup\(",
    "an address of another site": r"(?:src|href|action)=\"(?:https?:)?//",
}


def found(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_nothing_in_a_template_runs_or_is_left_unescaped(path: Path) -> None:
    assert found(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "<script>x()</script>",
        '<p style="color:red">',
        '<a onclick="x()">',
        '<a href="javascript:x()">',
        "{{ name | safe }}",
        '<script src="https://cdn.example/x.js"></script>',
    ],
)
def test_what_is_forbidden_would_be_found(text: str) -> None:
    assert found(text)
