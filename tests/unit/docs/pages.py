"""What stands on a page: its blocks, its prose, what is set as code, and the rows of its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from runner.actions.incoming import Headers

ROOT: Final = Path(__file__).parents[3]
README: Final = ROOT / "README.md"
PROTOCOL: Final = ROOT / "docs" / "protocol.md"
GUARANTEES: Final = ROOT / "docs" / "guarantees.md"
PROOF: Final = ROOT / "docs" / "proof.md"
PAGES: Final = (README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))

SPAN: Final = re.compile(r"(`+)(?P<text>.+?)\1", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind its fence, its text, and the paragraph before it."""

    info: str
    text: str
    before: str
    place: str

    @property
    def words(self) -> list[str]:
        return self.info.split()

    def text_of(self, name: str) -> str:
        """The text of ``name=TEXT`` behind the fence; empty if there is none."""
        found = re.search(rf"\b{name}=(\S+)", self.info)
        return "" if found is None else found[1]

    @property
    def headers(self) -> Headers:
        """The pairs of ``headers=name:value,…``."""
        pairs = (pair.partition(":") for pair in self.text_of("headers").split(",") if pair)
        return tuple((name, value.encode()) for name, _, value in pairs)

    def option(self, name: str) -> int | None:
        """The number of ``name=N`` behind the fence."""
        found = re.search(rf"\b{name}=(\d+)", self.info)
        return None if found is None else int(found[1])


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    return tuple(_block(page, match) for match in found)


def _block(page: Path, match: re.Match[str]) -> Block:
    above = text_of(page)[: match.start()]
    place = f"{page.name}:{above.count(chr(10)) + 1}"
    return Block(match[1], match[2], above.rstrip().rpartition("\n\n")[2], place)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


@cache
def code_of(page: Path) -> tuple[str, ...]:
    """Everything set as code: fenced blocks and spans."""
    spans = [" ".join(match["text"].split()) for match in SPAN.finditer(prose_of(page))]
    return (*(block.text for block in blocks(page)), *spans)


def rows(page: Path, first: str) -> Iterator[list[str]]:
    """The cells of every table row whose first cell matches ``first`` in full."""
    for line in prose_of(page).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and re.fullmatch(first, cells[0]):
            yield cells
