"""What people read: consoles, and rows that line up while they are still coming.

Everything that comes from outside (ids, keys, messages) goes through ``plain``: a terminal must not
obey what somebody put into an event.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from runner.envelope.plain import encode

STATUS_STYLES: Final = {
    "ACK": "cyan",
    "SUCCESS": "green",
    "PROCEEDED": "bold green",
    "TIMEOUT": "yellow",
    "FAIL": "bold red",
}
CUT: Final = "…"

Item = TypeVar("Item")

_GAP: Final = "  "
_LABEL_WIDTH: Final = 12
_BEYOND_ASCII: Final = re.compile("[^\0-\x7f]+")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table that is printed row by row; ``width`` in characters."""

    title: str
    width: int
    align_right: bool = False


class Rows:
    """A table whose rows come one at a time: widths are fixed beforehand.

    The titles come above the first row. On a terminal a cell that is too long is cut, the last column takes
    what room is left; elsewhere nothing is cut, for the reader may be a program.
    """

    def __init__(self, console: Console, columns: Sequence[Column]) -> None:
        self._console = console
        self._columns = columns
        self._has_head = False

    def head(self) -> None:
        """Print the titles now, and not above the first row."""
        self._has_head = True
        self._print([Text(column.title, style="bold") for column in self._columns])

    def row(self, *cells: str | Text) -> None:
        """Print one row; cells that are text are shown as they stand, never as markup."""
        if not self._has_head:
            self.head()
        self._print([Text(plain(cell)) if isinstance(cell, str) else cell for cell in cells])

    def _print(self, cells: Sequence[Text]) -> None:
        on_terminal = self._console.is_terminal
        line = Text()
        for column, cell in zip(self._columns, cells, strict=True):
            is_last = column is self._columns[-1]
            if on_terminal and not is_last:
                cell.truncate(column.width, overflow="ellipsis")
            cell.align("right" if column.align_right else "left", max(column.width, cell.cell_len))
            line.append_text(cell)
            line.append("" if is_last else _GAP)
        line.rstrip()
        if on_terminal:
            line.truncate(self._console.width, overflow="ellipsis")
        self._console.print(line, soft_wrap=True)


def stdout() -> Console:
    """Return a console for results."""
    return Console(highlight=False, emoji=False)


def stderr() -> Console:
    """Return a console for everything that is not the result: notes, progress, errors."""
    return Console(stderr=True, highlight=False, emoji=False)


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print text as it stands: no markup in it, and its lines are not broken."""
    console.print(Text(text, style=style or ""), soft_wrap=True)


def note(text: str) -> None:
    """Print on standard error what a person should know, and need not mend."""
    say(stderr(), text, "yellow")


def hint(text: str) -> None:
    """Print on standard error what is beside the result: a sum, how to go on."""
    say(stderr(), text, "dim")


def show_fields(fields: Iterable[tuple[str, str | Text]]) -> None:
    """Print a line for each label and its value; text is shown as it stands, never as markup."""
    for label, value in fields:
        text = value if isinstance(value, Text) else Text(plain(value))
        stdout().print(Text(f"{label:<{_LABEL_WIDTH}}", style="bold") + text, soft_wrap=True)


@contextmanager
def progress(title: str | None, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error for the length of the block; give what moves it on by so many.

    Nothing is shown without a title, or where standard error is no terminal.
    """
    console = stderr()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
    )
    is_hidden = title is None or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        task = bar.add_task(title or "", total=total)
        yield lambda count: bar.advance(task, count)


def tracked(title: str | None, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Give the items, and show how far it is as ``progress`` does."""
    with progress(title, total) as step:
        for item in items:
            yield item
            step(1)


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own, at once: the reader may be waiting for it.

    Signs that the output cannot show are escaped as JSON has it.
    """
    text = encode(value).decode()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def plain(text: str, limit: int | None = None) -> str:
    """Return text that does nothing to a terminal: control signs are written as escapes.

    ``limit``: longest result in characters; what is longer is cut with an ellipsis.
    """
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    if limit is not None and len(text) > limit:
        return text[: limit - len(CUT)] + CUT
    return text


def status_text(status: str, detail: str = "") -> Text:
    """Return a status in its colour, with something beside it (the code of a FAIL)."""
    shown = plain(f"{status} {detail}".strip())
    return Text(shown, style=STATUS_STYLES.get(status, ""))
