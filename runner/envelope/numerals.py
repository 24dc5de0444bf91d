"""Numbers written as text: read by JSON's grammar, and no other.

Python's ``int`` and ``float`` also take ``1_000``, the digits of other scripts, ``NaN`` and blanks, and
``str.isdigit`` takes ``²``. Whatever a sender writes as text comes through here.
"""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<rest>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")

_MOST_WHOLE: Final = 300
"""Characters of a whole number that is read exactly; Python reads no more than some thousands."""


def read_number(text: str) -> int | float | None:
    """Return the number that a text is; None if it is none. Infinite where no float can hold it."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    return float(text) if found["rest"] or len(text) > _MOST_WHOLE else int(text)


def read_index(text: str) -> int:
    """Return the index of an array that a name spells, of nine digits at most; -1 if it spells none."""
    return int(text) if _INDEX.fullmatch(text) else -1
