"""Words: what text search looks for, the same in a task's name and id as in what somebody types."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category, normalize

MOST: Final = 100
"""Words of a task that are found; those after them are not."""
LONGEST: Final = 64
"""Characters of a word that count."""

_MOST_CHARACTERS: Final = 10_000
_WORD: Final = re.compile(r"[^\W_]+")
_STROKES: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe"}
)
"""Letters that Unicode does not take apart into a letter and its accent."""


def words_of(text: str) -> list[str]:
    """Return the words of a text in their order, each once: lower case, without accents, cut to LONGEST."""
    text = text[:_MOST_CHARACTERS]
    if not text.isascii():
        apart = normalize("NFKD", text.casefold()).casefold()
        text = "".join(sign for sign in apart if category(sign) != "Mn").translate(_STROKES)
    found = dict.fromkeys(word[:LONGEST] for word in _WORD.findall(text.lower()))
    return list(found)[:MOST]
