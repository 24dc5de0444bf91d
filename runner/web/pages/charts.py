"""Charts: small drawings of numbers, as shapes that a template writes down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

WIDTH: Final = 360
HEIGHT: Final = 110
_GAP: Final = 4
_MOST_WIDE: Final = 30
_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a chart; lengths are those of its view box."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: int
    shows_label: bool


@dataclass(frozen=True, slots=True)
class Columns:
    """A chart of columns."""

    columns: Sequence[Column]
    lines: Sequence[tuple[float, int]]
    """Where a value stands, from the top, and the value."""
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def total(self) -> int:
        return sum(column.value for column in self.columns)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart of bars, its length in hundredths of the longest."""

    label: str
    value: int
    part: int
    href: str


def columns(values: Sequence[tuple[str, int]], most_labels: int = 7) -> Columns:
    """Return columns of labelled values, from left to right."""
    top = nice_top(max((value for _, value in values), default=0))
    slot = WIDTH / max(1, len(values))
    width = min(_MOST_WIDE, slot - _GAP)
    every = max(1, ceil(len(values) / most_labels))
    made = [
        Column(
            round(at * slot + (slot - width) / 2, 1),
            round(HEIGHT - HEIGHT * value / top, 1),
            round(width, 1),
            round(HEIGHT * value / top, 1),
            label,
            value,
            (len(values) - 1 - at) % every == 0,
        )
        for at, (label, value) in enumerate(values)
    ]
    return Columns(made, [(0.0, top), (HEIGHT / 2, top // 2)] if top > 1 else [(0.0, top)])


def bars(values: Sequence[tuple[str, int, str]]) -> list[Bar]:
    """Return bars of labelled values; the third of each is where it leads."""
    most = max((value for _, value, _ in values), default=0)
    return [
        Bar(label, value, round(100 * value / most) if most else 0, href) for label, value, href in values
    ]


def nice_top(value: int) -> int:
    """Return the least round number that is not less, and even where there is room for a half."""
    if value <= 1:
        return 1
    size = 10 ** (len(str(value)) - 1)
    return next(
        int(step * size) for step in _STEPS if step * size >= value and int(step * size) == step * size
    )
