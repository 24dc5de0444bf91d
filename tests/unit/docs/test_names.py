"""Whatever the documents name is there: files, tests, commands, settings, links."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from runner import __version__
from runner.cli.app import build_app
from runner.config import load
from tests.unit.docs.pages import (
    GUARANTEES,
    PAGES,
    PROOF,
    ROOT,
    code_of,
    prose_of,
    text_of,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere_in_the_project(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert "://" not in link, f"{page.name}: {link} leads out of the project"
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in _anchors(target), f"{page.name}: {link}"


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for code in code_of(page):
        for target, variable in re.findall(r"\bmake ([a-z-]+)(?: ([A-Z]+)=)?", code):
            assert target in targets, f"{page.name}: make {target}"
            assert not variable or f"{variable} ?=" in makefile, f"{page.name}: {variable}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_runner_command_that_is_named_exists(page: Path) -> None:
    for code in code_of(page):
        joined = code.replace("\\\n", " ")
        for words in re.findall(r"(?:^|[\s/|$])runner (?!:)([^|&;`\n#]+)", joined):
            _check_command(shlex.split(words.replace("'", ""), comments=True), f"{page.name}: runner {words}")


def _check_command(words: list[str], place: str) -> None:
    """Follow the words through the groups to a command, and look its options up there."""
    command: Any = build_app()
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        assert words[0] in command.commands, f"{place}: no such command"
        command = command.commands[words.pop(0)]
    options = {"--help", "-"}
    for parameter in command.params:
        options |= {*parameter.opts, *parameter.secondary_opts}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, f"{place}: no option {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_is_named_is_read(page: Path) -> None:
    sources = "".join(
        file.read_text(encoding="utf-8")
        for folder in ("runner", "tests/servers")
        for file in sorted((ROOT / folder).rglob("*.py"))
    )
    for name, value in re.findall(r"\b(RUNNER_[A-Z_]+)(?:=(\S+))?", "\n".join(code_of(page))):
        if "__" in name:
            load(None, {name: value.strip("'\"") or "1"})
        else:
            assert f'"{name}"' in sources or name == "RUNNER_DELIVERY", f"{page.name}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    for file, name in re.findall(r"\b(tests/[\w/]+\.py)::(\w+)", text_of(page)):
        assert (ROOT / file).is_file(), f"{page.name}: {file}"
        assert name in _functions(ROOT / file), f"{page.name}: {file} has no {name}"
    everywhere = frozenset().union(*(_functions(file) for file in (ROOT / "tests").rglob("test_*.py")))
    for code in code_of(page):
        for name in re.findall(r"\btest_\w+\b(?!\.py)", code):
            assert name in everywhere, f"{page.name}: {name}"


def test_make_test_has_what_shows_the_guarantees() -> None:
    """A case of it may be left to ``make test-all``, the whole of it may not."""
    for file, name in re.findall(r"\b(tests/[\w/]+\.py)::(\w+)", text_of(GUARANTEES) + text_of(PROOF)):
        for node in ast.walk(ast.parse(text_of(ROOT / file))):
            if isinstance(node, ast.FunctionDef) and node.name == name:
                marks = [ast.unparse(mark).partition("(")[0] for mark in node.decorator_list]
                assert "pytest.mark.thorough" not in marks, f"{file}::{name}"


@cache
def _functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_folder_that_is_named_exists(page: Path) -> None:
    for code in code_of(page):
        for name in re.findall(r"(?:^|\s)((?:runner|tests|config|docs|schemas|deploy)/[\w./-]*)", code):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_the_changelog_has_the_version_of_the_package() -> None:
    titles = re.findall(r"^## \[(.+?)\]", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert __version__ in titles


def _sections(page: Path) -> set[str]:
    """The titles of a page, and what its paragraphs begin with in bold."""
    return set(re.findall(r"^(?:#+ |\*\*)(.+?)\.?(?:\*\*.*)?$", prose_of(page), re.MULTILINE))


@pytest.mark.parametrize("folder", ["runner", "tests"])
def test_every_section_of_a_page_that_a_module_names_exists(folder: str) -> None:
    for file in sorted((ROOT / folder).rglob("*.py")):
        text = " ".join(text_of(file).split())
        for page, title in re.findall(r"\bdocs/([\w-]+\.md)(?:,| \() ?\\?\"([^\"\\]+)\\?\"", text):
            assert title in _sections(ROOT / "docs" / page), f"{file.relative_to(ROOT)}: {page}, {title}"
