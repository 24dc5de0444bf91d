"""Showing which lists there are, and how far behind the changelog."""

from __future__ import annotations

from typing import Final

from runner.cli.projection.site import BuildStanding, kept_tasks, open_lists, standings
from runner.cli.screen import Column, Rows, hint, print_json, stdout
from runner.cli.times import moment
from runner.cli.wiring.projection import require_lists
from runner.config import Config
from runner.projection.tables import FILLING

_COLUMNS: Final = (
    Column("build", 5, align_right=True),
    Column("state", 7),
    Column("tasks", 9, align_right=True),
    Column("behind", 9, align_right=True),
    Column("read", 5, align_right=True),
    Column("end last reached", 19),
)


def show_lists(settings: Config, *, as_json: bool) -> None:
    """Show how the lists stand. Raises FatalError, LogUnavailable, DatabaseUnavailable."""
    with open_lists(settings) as (engine, source):
        require_lists(engine)
        rows = Rows(stdout(), _COLUMNS)
        for each in standings(engine, source):
            if as_json:
                print_json(_as_json(each))
            else:
                rows.row(*_cells(each))
        kept = kept_tasks(engine)
    if as_json:
        print_json({"kept": kept, "keepDays": settings.projection.keep_days})
    elif kept or settings.projection.keep_days:
        hint(
            f"{kept} finished tasks are kept whose records are gone: they cannot be made again, so back this "
            "database up"
        )


def _as_json(each: BuildStanding) -> dict[str, object]:
    return {
        "build": each.build.number,
        "state": each.build.state,
        "tasks": each.tasks,
        "behind": each.behind,
        "total": each.total,
        "partitions": each.partitions,
        "reached": each.reached,
        "reachedOn": each.reached_ms or None,
        "begunOn": each.build.begun_ms,
    }


def _cells(each: BuildStanding) -> tuple[str, ...]:
    done = 100 if not each.total else 100 * (each.total - each.behind) // each.total
    if each.reached_ms:
        reached = moment(each.reached_ms)
    else:
        reached = f"of {each.reached} of {each.partitions}" if each.build.state == FILLING else "never"
    return (
        str(each.build.number),
        each.build.state,
        str(each.tasks),
        str(each.behind),
        f"{done}%",
        reached,
    )
