"""``runner dlq list``: which dead letters there are, and why."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from runner.cli.dlq.letter import Letter
from runner.cli.dlq.reading import Found, Reasons, Since, Until, find, wanted
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import Column, Rows, plain, print_json, say, stderr, stdout
from runner.cli.times import minute

_COLUMNS: Final = (
    Column("place", 8),
    Column("buried", 16),
    Column("reason", 15),
    Column("bytes", 7, align_right=True),
    Column("replayed", 8),
    Column("from", 20),
)
_COUNT_COLUMNS: Final = (Column("reason", 20), Column("dead letters", 12, align_right=True))


def list_(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="Show the newest so many.")
    ] = 100,
    config: ConfigFile = None,
    *,
    counts: Annotated[bool, typer.Option("--counts", help="Only how many there are of each reason.")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first: messages that could never be handled.

    Reads the topic from --since to where it ends now; joins no group and
    changes nothing. With --json each is one line: place, timeMs, reason,
    message, source, key, bytes, and whether it was replayed; with --counts
    each reason is one line.

    [bold]Examples[/bold]

      runner dlq list --since 2h
      runner dlq list --reason NOT_JSON --reason TOO_LARGE --json
      runner dlq list --counts
    """
    settings = read_config(config)
    found = find(settings, wanted(reason, since, until), limit)
    if counts:
        _show_counts(found, as_json=as_json)
        return
    letters = found.letters
    if as_json:
        for letter in letters:
            print_json(letter.described(replayed=letter.place in found.replayed))
    elif letters:
        rows = Rows(stdout(), _COLUMNS)
        rows.head()
        for letter in letters:
            rows.row(*_cells(letter, found))
    _summarise(found, len(letters))


def _cells(letter: Letter, found: Found) -> tuple[str, ...]:
    buried = "-" if letter.time_ms is None else minute(letter.time_ms)
    replayed = "yes" if letter.place in found.replayed else "no"
    return str(letter.place), buried, letter.reason, str(letter.size), replayed, letter.came_from


def _show_counts(found: Found, *, as_json: bool) -> None:
    rows = Rows(stdout(), _COUNT_COLUMNS)
    if not as_json:
        rows.head()
    for reason, count in found.counts.most_common():
        if as_json:
            print_json({"reason": reason, "count": count})
        else:
            rows.row(reason, str(count))


def _summarise(found: Found, shown: int) -> None:
    total = found.counts.total()
    if not total:
        say(stderr(), "no such dead letter", "dim")
        return
    each = ", ".join(f"{count} {plain(reason, 60)}" for reason, count in found.counts.most_common(10))
    newest = f"; the newest {shown} are shown, --limit shows more" if shown < total else ""
    say(stderr(), f"{total} dead letters: {each}{newest}", "dim")
