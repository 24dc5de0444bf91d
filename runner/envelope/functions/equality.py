"""Which JSON values are the same: 1 and 1.0 are, 1 and true are not, and objects have no order.

The functions on arrays look values up by these keys. A key is text, because the hashes of texts are
the only ones that a sender cannot make collide.
"""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode


def key_of(value: Any) -> str:
    """Return a text that equal values share and others do not."""
    if isinstance(value, str):
        return f"s{value}"
    return _encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    """Return a value in which equal numbers are spelled alike."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value
