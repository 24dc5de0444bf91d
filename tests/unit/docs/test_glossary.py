"""docs/glossary.md is of use: it is found at once, and every word in it is one that is used."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Final

import pytest

from tests.unit.docs.pages import PAGES, README, ROOT, rows, text_of

GLOSSARY: Final = ROOT / "docs" / "glossary.md"
FIRST_SCREEN: Final = 40
"""Lines of the README that are seen without scrolling, about."""


def terms() -> list[str]:
    """What is set in bold in the first cells."""
    return [term for cells in rows(GLOSSARY, r"\*\*.+") for term in re.findall(r"\*\*(.+?)\*\*", cells[0])]


@cache
def everything_else() -> str:
    """The other pages and the docstrings, each a line of lower case."""
    pages = [text_of(page) for page in PAGES if page != GLOSSARY]
    files = (file.read_text(encoding="utf-8") for file in sorted((ROOT / "runner").rglob("*.py")))
    documented = ast.Module, ast.ClassDef, ast.FunctionDef
    docstrings = [
        ast.get_docstring(node) or ""
        for file in files
        for node in ast.walk(ast.parse(file))
        if isinstance(node, documented)
    ]
    return "\n".join(" ".join(text.split()) for text in (*pages, *docstrings)).lower()


@pytest.mark.parametrize("term", terms())
def test_a_term_is_used_on_a_page_or_in_a_docstring(term: str) -> None:
    assert re.search(rf"\b{re.escape(term.lower())}s?\b", everything_else())


def test_no_term_is_explained_twice() -> None:
    assert sorted(terms()) == sorted(set(terms()))


def test_the_first_screen_of_the_readme_links_the_glossary() -> None:
    assert "](docs/glossary.md)" in "\n".join(text_of(README).splitlines()[:FIRST_SCREEN])
