"""Which JSON values are the same: 1 and 1.0 are, 1 and true are not, and objects have no order.

Python's own ``==`` and ``in`` take true for 1, also inside arrays and objects: what patterns compare
comes through here. Neither function recurses, so no depth of nesting makes it fail.
"""

from __future__ import annotations

from typing import Any


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
