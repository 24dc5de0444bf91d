"""How far a command is, on a terminal only: a bar on standard error that goes away at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

Step: TypeAlias = Callable[[int], None]
"""Takes how many more are done."""


@contextmanager
def progress(console: Console, title: str | None, total: int) -> Iterator[Step]:
    """Show a bar for the length of the block; none without a title, or where the console is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
    )
    with Progress(
        *columns, console=console, transient=True, disable=title is None or not console.is_terminal
    ) as bar:
        task = bar.add_task(title or "", total=total)
        yield lambda count: bar.advance(task, count)
