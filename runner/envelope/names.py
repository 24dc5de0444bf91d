"""Names as events and settings give them: a comma list or an array, trimmed, and blank text is no name."""

from __future__ import annotations

import re
from typing import Any, Final

_NAME: Final = re.compile(r"[^\s,]")
"""Whatever names somebody has more in it than blanks and commas."""


def names_in(value: Any) -> list[Any]:
    """Return the entries of a comma list or an array, texts trimmed, without those that name nobody.

    What is neither is one entry, and null none. Whether entries that are no text are names is for the
    caller to say.
    """
    if isinstance(value, str):
        value = value.split(",")
    elif value is None:
        return []
    elif not isinstance(value, list):
        return [value]
    entries = (entry.strip() if isinstance(entry, str) else entry for entry in value)
    return [entry for entry in entries if not isinstance(entry, str) or _NAME.search(entry)]


def is_blank(value: Any) -> bool:
    """Whether a value is null or blank text, which counts as absent."""
    return value is None or (isinstance(value, str) and not value.strip())
