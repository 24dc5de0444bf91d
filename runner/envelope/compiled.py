"""A cache of compiled expressions, bounded by the size of their texts.

A compiled expression takes some 200 bytes for each character, so a number of expressions alone would
be no bound: a few hundred long ones, which any sender can write, would fill the worker's memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

EACH_CHARACTERS: Final = 64
"""Counted for every text on top of its own: what the shortest takes."""


class Compiled(Generic[T]):
    """Compiles texts, and keeps the most recently used ones.

    May be asked by several threads: at worst one compiles what another is just looking at.
    """

    def __init__(self, compile_text: Callable[[str], T], most_characters: int) -> None:
        self._compile = compile_text
        self._most_characters = most_characters
        self._kept: dict[str, T] = {}

    def __call__(self, text: str) -> T:
        """Return what a text compiles to; raises what compiling it does."""
        kept = self._kept.pop(text, None)
        if kept is not None:
            # Last again.
            self._kept[text] = kept
            return kept
        compiled = self._compile(text)
        self._kept[text] = compiled
        self._trim()
        return compiled

    @property
    def characters(self) -> int:
        """The characters of all texts that are kept."""
        return sum(map(_weight, list(self._kept)))

    def _trim(self) -> None:
        excess = self.characters - self._most_characters
        for oldest in list(self._kept):
            if excess <= 0:
                return
            self._kept.pop(oldest, None)
            excess -= _weight(oldest)


def _weight(text: str) -> int:
    return len(text) + EACH_CHARACTERS
