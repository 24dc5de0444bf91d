"""Choices made by bytes, so that a fuzzer that changes bytes changes structure.

The same bytes are the same choices for ever: the kept corpus means what it meant when it was found.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

_LONG: Final = 256
_DEEPEST: Final = 4
_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    2**53,
    2**64,
    10**400,
    1e308,
    "",
    " ",
    "0",
    "a",
    "taskId",
    "60000",
    "1e9",
    "NaN",
    "\x00",
    "é📎",
    [],
    {},
    [None],
    {"taskId": "task-1"},
)


class Draw:
    """Takes choices off the front of some bytes; once they are used up, the first choice, 0 and nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """Return a number from 0 to below ``below``, which is at most 256: one byte."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1] % below

    def of(self, options: Sequence[T]) -> T:
        """Return one of up to 256 options."""
        return options[self.number(len(options))]

    def some(self, most: int = _LONG - 1) -> bytes:
        """Return up to so many bytes: their number, then they."""
        length = self.number(min(most, _LONG - 1) + 1)
        self._at += length
        return self._data[self._at - length : self._at]

    def text(self, most: int = 60) -> str:
        """Return text of up to so many bytes; what is no UTF-8 is left out."""
        return self.some(most).decode("utf-8", "ignore")

    def rest(self) -> bytes:
        """Return all that is left."""
        left, self._at = self._data[self._at :], len(self._data)
        return left

    def json(self, levels: int = _DEEPEST) -> Any:
        """Return any JSON."""
        match self.number(6):
            case 0:
                return copy.deepcopy(self.of(_ODD))
            case 1:
                return self.text()
            case 2:
                return int.from_bytes(self.some(9), "big", signed=True)
            case 3 if levels:
                return [self.json(levels - 1) for _ in range(self.number(4))]
            case 4 if levels:
                return {self.text(8): self.json(levels - 1) for _ in range(self.number(4))}
            case _:
                return self.number(_LONG)
