"""JSON values: kinds, equality, truthiness, merging, and numbers and names written as text.

The lowest module of the envelope. Pure; nothing it is given is ever changed, and no function recurses, so no
depth of nesting makes it fail. What patterns compare and what senders write as text comes through here, since
Python's own ways are not those of JSON: its ``==`` and ``in`` take true for 1, its ``int`` and ``float`` also
take ``1_000``, the digits of other scripts, ``NaN`` and blanks, and ``str.isdigit`` takes ``²``.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
"""A decoded JSON value. Values are shared freely between events: treat every one as immutable."""


def deep_merge(base: Json, addition: Json) -> Json:
    """Give ``base`` with ``addition`` merged into it; both stay as they were.

    The rules are those of docs/protocol.md, "Writing an output".

    Objects are merged key by key, arrays and scalars replaced. A null addition as a whole changes
    nothing; a null *inside* an object is a scalar like any other and replaces. The result shares
    what it can with both. Iterative: no depth of nesting makes it fail.
    """
    if addition is None:
        return base
    if isinstance(base, dict) and isinstance(addition, dict):
        return merge_objects(base, addition)
    return addition


def merge_objects(base: dict[str, Any], addition: dict[str, Any]) -> dict[str, Any]:
    """Give ``deep_merge`` of two objects, which is an object."""
    merged = dict(base)
    waiting = [(merged, addition)]
    while waiting:
        target, extra = waiting.pop()
        for key, value in extra.items():
            old = target.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                target[key] = copy = dict(old)
                waiting.append((copy, value))
            else:
                target[key] = value
    return merged


_KINDS: Final[tuple[tuple[str, Any], ...]] = (
    ("null", type(None)),
    ("boolean", bool),
    ("number", int | float),
    ("string", str),
    ("array", list),
    ("object", dict),
)
"""A boolean before a number: to Python it is one."""

KINDS: Final = tuple(name for name, _ in _KINDS)


def kind_of(value: Any) -> str:
    """Name the kind of a value; what is none of JSON is an expression that was not evaluated."""
    return next((name for name, kind in _KINDS if isinstance(value, kind)), "expression")


def is_number(value: Any) -> bool:
    """Say whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(left: Any, right: Any) -> bool:
    """Say whether two values are the same JSON."""
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict):
            if not isinstance(other, dict) or one.keys() != other.keys():
                return False
            waiting += [(value, other[name]) for name, value in one.items()]
        elif isinstance(one, list):
            if not isinstance(other, list) or len(one) != len(other):
                return False
            waiting += zip(one, other, strict=True)
        elif one != other or isinstance(one, bool) is not isinstance(other, bool):
            return False
    return True


def key_of(value: Any) -> str:
    """Return a text that equal values share and others do not.

    Text, because the hashes of texts are the only ones that a sender cannot make collide.
    """
    if isinstance(value, str):
        return f"s{value}"
    parts: list[str] = []
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            parts.append(f"o{len(node)}")
            for name in sorted(node):
                waiting += (node[name], name)
        elif isinstance(node, list):
            parts.append(f"a{len(node)}")
            waiting += node
        else:
            parts.append(_scalar(node))
    return ",".join(parts)


def _scalar(value: Any) -> str:
    """Spell equal numbers alike, and texts so that none can be taken for two values."""
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and not value.is_integer():
        return f"n{value.hex()}"
    # Hexadecimal: Python writes no decimal of more than some thousand digits.
    return f"n{int(value):x}"


def truthy(value: Json) -> bool:
    """Say whether JMESPath takes a value for true: all but null, false, and empty text, array or object.

    Zero is true.
    """
    if isinstance(value, str | list | dict):
        return bool(value)
    return value is not None and value is not False


_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<rest>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")

_MOST_WHOLE: Final = 300
"""Characters of a whole number that is read exactly; Python reads no more than some thousands."""


def read_number(text: str) -> int | float | None:
    """Return the number that a text is; None if it is none. Infinite where no float can hold it."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return float(text) if match["rest"] or len(text) > _MOST_WHOLE else int(text)


def read_index(text: str) -> int:
    """Return the index of an array that a name spells, of nine digits at most; -1 if it spells none."""
    return int(text) if _INDEX.fullmatch(text) else -1


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
