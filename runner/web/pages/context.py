"""What a task shows to a person: any JSON as tables within tables, bounded in levels, rows and characters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from runner.envelope import plain
from runner.web.pages.names import humanised

MAX_LEVELS: Final = 5
"""Tables within tables; what is deeper is one line of JSON."""
MAX_ROWS: Final = 50
"""Of one table."""
MAX_COLUMNS: Final = 6
"""Of a list of objects that is shown as one table."""
MAX_CELLS: Final = 1000
"""Values of all tables together, about: of each table that comes later one row is shown."""
MAX_CHARACTERS: Final = 2000
"""Of one value."""
MAX_NAME: Final = 100


class Look(StrEnum):
    """How a value is shown."""

    TEXT = "text"
    NUMBER = "number"
    YES = "yes"
    NO = "no"
    BLANK = "blank"
    JSON = "json"
    ROWS = "rows"
    ENTRIES = "entries"
    GRID = "grid"


@dataclass(frozen=True, slots=True)
class Shown:
    """One value, ready to be written down."""

    look: Look
    text: str = ""
    """Of a text, a number and JSON."""
    is_cut: bool = False
    """Whether the text is the beginning of a longer one."""
    rows: tuple[tuple[str, Shown], ...] = ()
    """Of rows: a label and a value each; of entries the labels are empty."""
    columns: tuple[str, ...] = ()
    """Of a grid: labels."""
    lines: tuple[tuple[Shown | None, ...], ...] = ()
    """Of a grid: a value for each column; None where an object has no such field."""
    left_out: int = 0
    """Rows, entries or lines that are not shown."""


def readable(value: Any) -> Shown:
    """Return what is shown of a JSON value."""
    return _Reader().read(value, 1)


class _Reader:
    """Counts what is shown."""

    def __init__(self) -> None:
        self._cells = 0

    def read(self, value: Any, level: int) -> Shown:
        """Return what is shown of a value at a level of tables."""
        self._cells += 1
        if not isinstance(value, dict | list):
            return _single(value)
        if not value:
            return Shown(Look.BLANK)
        if level > MAX_LEVELS:
            return _as_json(value)
        if isinstance(value, dict):
            return self._rows(value, level)
        columns = _columns(value)
        return self._entries(value, level) if columns is None else self._grid(value, columns, level)

    def _room(self, count: int) -> int:
        """Return how many of so many parts are shown."""
        return min(count, MAX_ROWS, max(1, MAX_CELLS - self._cells))

    def _rows(self, value: dict[str, Any], level: int) -> Shown:
        shown = list(value.items())[: self._room(len(value))]
        rows = tuple((_label(name), self.read(part, level + 1)) for name, part in shown)
        return Shown(Look.ROWS, rows=rows, left_out=len(value) - len(rows))

    def _entries(self, value: list[Any], level: int) -> Shown:
        rows = tuple(("", self.read(part, level + 1)) for part in value[: self._room(len(value))])
        return Shown(Look.ENTRIES, rows=rows, left_out=len(value) - len(rows))

    def _grid(self, value: list[Any], columns: list[str], level: int) -> Shown:
        room = self._room(len(value) * len(columns)) // len(columns)
        lines = tuple(
            tuple(self.read(line[name], level + 1) if name in line else None for name in columns)
            for line in value[: max(1, room)]
        )
        labels = tuple(map(_label, columns))
        return Shown(Look.GRID, columns=labels, lines=lines, left_out=len(value) - len(lines))


def _columns(entries: list[Any]) -> list[str] | None:
    """Return the fields of a list of flat objects with few names; None for any other list."""
    names: dict[str, None] = {}
    for entry in entries:
        if not isinstance(entry, dict) or len(entry) > MAX_COLUMNS:
            return None
        if any(isinstance(part, dict | list) and part for part in entry.values()):
            return None
        names |= dict.fromkeys(entry)
        if len(names) > MAX_COLUMNS:
            return None
    return list(names) or None


def _single(value: Any) -> Shown:
    match value:
        case None:
            return Shown(Look.BLANK)
        case bool():
            return Shown(Look.YES if value else Look.NO)
        case str():
            text, is_cut = _cut(value)
            return Shown(Look.TEXT if value.strip() else Look.BLANK, text, is_cut)
        case _:
            text, is_cut = _cut(plain.encode(value).decode())
            return Shown(Look.NUMBER, text, is_cut)


def _as_json(value: Any) -> Shown:
    try:
        text, is_cut = _cut(plain.encode(value).decode())
    except RecursionError:
        text, is_cut = "", True
    return Shown(Look.JSON, text, is_cut)


def _cut(text: str) -> tuple[str, bool]:
    whole = text[:MAX_CHARACTERS]
    if not plain.is_well_formed(whole):
        whole = whole.encode("utf-8", "replace").decode()
    return whole, len(text) > MAX_CHARACTERS


def _label(name: str) -> str:
    label, is_cut = _cut(name[: MAX_NAME + 1])
    label = humanised(label)
    return f"{label[:MAX_NAME]}…" if is_cut or len(name) > MAX_NAME else label
