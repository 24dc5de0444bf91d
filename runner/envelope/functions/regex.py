"""Regular expressions of senders: RE2, which takes linear time whatever they are, and bounded memory."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

from runner.envelope.functions.signature import Misuse

MAX_CHARACTERS: Final = 256
MAX_BYTES: Final = 250_000
"""Memory of one compiled expression, of which a part is for the states met while it searches."""


def pattern_of(regex: str) -> Any:
    """Return the compiled expression of a sender; Misuse for one that is wrong or too large."""
    pattern = _known(regex)
    if pattern is None:
        raise Misuse(
            f"regex is no RE2 expression (no look-around, no back-references) of at most {MAX_CHARACTERS}"
            f" characters and {MAX_BYTES} bytes compiled"
        )
    return pattern


@lru_cache(maxsize=64)
def _known(regex: str) -> Any:
    options = re2.Options()
    options.max_mem = MAX_BYTES
    options.log_errors = False
    try:
        return re2.compile(regex, options) if len(regex) <= MAX_CHARACTERS else None
    except (re2.error, UnicodeEncodeError):
        return None
