"""What a decoded JSON value is here, and how two of them become one.

The lowest module of the envelope: ``paths`` writes outputs with it, enrichment of a stored event
goes through it. Pure; nothing it is given is ever changed.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
"""A decoded JSON value. Values are shared freely between events: treat every one as immutable."""


def deep_merge(base: Json, addition: Json) -> Json:
    """Give ``base`` with ``addition`` laid over it; both stay as they were (protocol, section 1).

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
