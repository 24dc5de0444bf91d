"""What counts as true where patterns decide."""

from __future__ import annotations

from runner.envelope.merge import Json


def truthy(value: Json) -> bool:
    """Say whether JMESPath takes a value for true: all but null, false, and empty text, array or object.

    Zero is true.
    """
    if isinstance(value, str | list | dict):
        return bool(value)
    return value is not None and value is not False
