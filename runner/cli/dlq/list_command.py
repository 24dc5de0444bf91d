"""``runner dlq list``: which dead letters there are, and why."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import typer

from runner.cli.dlq.letters import (
    Letter,
    LetterFilter,
    LetterPlace,
    Reasons,
    Since,
    Until,
    letter_filter,
    messages,
    read_letter,
    replayed_place,
)
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import Column, Rows, hint, plain, print_json, stdout
from runner.cli.times import minute
from runner.kafka.topic_message import TopicMessage

_COLUMNS: Final = (
    Column("place", 8),
    Column("buried", 16),
    Column("reason", 15),
    Column("bytes", 7, align_right=True),
    Column("replayed", 8),
    Column("from", 20),
)


def list_(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="Show the newest so many.")
    ] = 100,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List dead letters, oldest first: messages that could never be handled.

    Reads the topic from --since to where it ends now; joins no group and
    changes nothing. At the end it says how many there are of each reason.
    With --json each is one line: place, timeMs, reason, message, source, key,
    bytes, and whether it was replayed.

    [bold]Examples[/bold]

      runner dlq list --since 2h
      runner dlq list --reason NOT_JSON --reason TOO_LARGE --json
    """
    criteria = letter_filter(reason, since, until)
    letters = Letters()
    newest = letters.newest(
        messages(read_config(config), criteria.since_ms, "reading dead letters"), criteria, limit
    )
    rows = Rows(stdout(), _COLUMNS)
    for letter in newest:
        is_replayed = letter.place in letters.replayed
        if as_json:
            print_json(letter.described() | {"replayed": is_replayed})
        else:
            rows.row(*_cells(letter), "yes" if is_replayed else "no", letter.came_from)
    hint(letters.summary(len(newest)))


class Letters:
    """What was read: how many letters fit, by their reason, and which were replayed."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.replayed: set[LetterPlace] = set()

    def newest(self, topic: Iterable[TopicMessage], criteria: LetterFilter, limit: int) -> list[Letter]:
        """Read all messages, and return the newest letters that fit by the time they were buried."""
        newest = heapq.nlargest(limit, self._fitting(topic, criteria), key=_order)
        return newest[::-1]

    def summary(self, shown: int) -> str:
        """Return how many there are, and of how many reasons."""
        total = self.counts.total()
        if not total:
            return "no such dead letter"
        each = ", ".join(f"{count} {plain(reason, 60)}" for reason, count in self.counts.most_common(10))
        more = f"; the newest {shown} are shown, --limit shows more" if shown < total else ""
        return f"{total} dead letters: {each}{more}"

    def _fitting(self, topic: Iterable[TopicMessage], criteria: LetterFilter) -> Iterator[Letter]:
        for message in topic:
            replayed = replayed_place(message)
            if replayed is not None:
                self.replayed.add(replayed)
                continue
            letter = read_letter(message)
            if criteria.fits(letter):
                self.counts[letter.reason] += 1
                yield letter


def _order(letter: Letter) -> tuple[int, int, int]:
    return letter.time_ms or 0, letter.place.partition, letter.place.offset


def _cells(letter: Letter) -> tuple[str, ...]:
    buried = "-" if letter.time_ms is None else minute(letter.time_ms)
    return str(letter.place), buried, letter.reason, str(letter.size)
