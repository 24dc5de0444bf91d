"""How far a search is: a bar on a terminal, a line now and then in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.search import Findings

EVERY_SECONDS: Final = 60.0
"""Between two lines."""

ChangelogRecord = Callable[[Findings], None]


@contextmanager
def headway(console: Console, seeds: int) -> Iterator[ChangelogRecord]:
    """Give what is to be called with what a search has come to so far."""
    if not console.is_terminal:
        yield _lines(console, seeds)
        return
    columns = (
        TextColumn("seeds"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f}/s, {task.fields[failed]} failed"),
        TimeRemainingColumn(),
    )
    began = monotonic()
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("seeds", total=seeds, failed=0, rate=0.0)
        yield lambda found: progress.update(
            bar, completed=found.seeds, failed=len(found.failures), rate=found.seeds / (monotonic() - began)
        )


def lasted(seconds: float) -> str:
    """Return a time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _lines(console: Console, seeds: int) -> ChangelogRecord:
    began = monotonic()
    last = began

    def tell(found: Findings) -> None:
        nonlocal last
        now = monotonic()
        if now - last < EVERY_SECONDS:
            return
        last = now
        rate = found.seeds / (now - began)
        left = lasted((seeds - found.seeds) / rate)
        console.print(
            f"{found.seeds} of {seeds} seeds, {rate:.0f}/s, {left} left, {len(found.failures)} failed"
        )

    return tell
