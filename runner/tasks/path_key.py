"""Path keys: the id of a task as it stands in a path of the HTTP API, where not every sign may stand."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9._:-]+")
_ENCODED: Final = "~"
_DOTS: Final = frozenset({".", ".."})
"""Browsers and proxies take these out of a path."""


def path_key(task_id: str) -> str:
    """Return the path key of an id: itself where it is plain, else ``~`` and the base64url of its bytes.

    An id has exactly one path key. UnicodeEncodeError, a ValueError, for an id that is no text in UTF-8.
    """
    if _PLAIN.fullmatch(task_id) and task_id not in _DOTS:
        return task_id
    return _ENCODED + urlsafe_b64encode(task_id.encode()).decode().rstrip("=")


def id_of(key: str) -> str:
    """Return the id of a path key. ValueError for anything that ``path_key`` does not return."""
    task_id = _decoded(key) if key.startswith(_ENCODED) else key
    if path_key(task_id) != key:
        raise ValueError(f"not the key of a task in a path: {key[:100]!r}")
    return task_id


def _decoded(key: str) -> str:
    digits = key.removeprefix(_ENCODED)
    return urlsafe_b64decode(digits + "=" * (-len(digits) % 4)).decode()
