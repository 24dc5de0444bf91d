"""Searching: the tasks that have all words, found by a word where they are few, else looked at in turn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, func, select

from runner.projection.conditions import successor
from runner.projection.tables import Tables
from runner.projection.words import words_of

MOST_WORDS: Final = 8
"""Words of a search that count."""


@dataclass(frozen=True, slots=True)
class Search:
    """How a text is looked for."""

    one_by_one: ColumnElement[bool] | None = None
    """Whether the task of a row of ``grants`` has all words; None: everything fits."""
    by_word: Sequence[Select[tuple[int]]] = ()
    """For each word the tasks that have it, by their numbers."""
    few: Select[tuple[int]] | None = None
    """The one of these that has few tasks; None: none has."""


def has_words(tables: Tables, no: ColumnElement[int], text: str) -> ColumnElement[bool] | None:
    """Return whether the task with a number has all words of a text; None: the text has none."""
    texts, words = tables.texts, _words(text)
    has_each = [texts.c.text.contains(f" {word}", autoescape=True) for word in words]
    return select(1).where(texts.c.no == no, *has_each).exists() if words else None


def by_word(tables: Tables, domains: Collection[str], text: str) -> list[Select[tuple[int]]]:
    """Return for each word of a text the tasks that have it."""
    rows = tables.words
    of_domains = select(rows.c.no).where(rows.c.domain.in_(sorted(domains)))
    return [of_domains.where(rows.c.word >= word, rows.c.word < successor(word)) for word in _words(text)]


def first_of_few(
    connection: Connection, found: Iterable[Select[tuple[int]]], few_rows: int
) -> Select[tuple[int]] | None:
    """Return the first selection that has few rows."""
    for each in found:
        counted = select(func.count()).select_from(each.limit(few_rows + 1).subquery())
        if connection.execute(counted).scalar_one() <= few_rows:
            return each
    return None


def _words(text: str) -> list[str]:
    """Return the words that are looked for, the longest first: it is the rarest, as a rule."""
    return sorted(words_of(text)[:MOST_WORDS], key=len, reverse=True)
