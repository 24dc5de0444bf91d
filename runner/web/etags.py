"""ETags: the version of what is shown, and what a caller says to have seen of it (RFC 9110, section 13)."""

from __future__ import annotations

import re
from typing import Final

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_ANY: Final = "*"


def etag(version: str) -> str:
    """Return the ETag of a version."""
    return f'"{version}"'


def is_known(version: str, if_none_match: str | None) -> bool:
    """Whether a caller has this version already, by ``If-None-Match``: the answer is 304 then."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == _ANY or version in _TAG.findall(if_none_match)


def expected_version(if_match: str | None) -> str | None:
    """Return the version that ``If-Match`` asks for; None where any will do.

    What is no single ETag is no version of anything, so that it is refused with 412.
    """
    if if_match is None or if_match.strip() == _ANY:
        return None
    text = if_match.strip()
    is_one = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    return text[1:-1] if is_one else text
