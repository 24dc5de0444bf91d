"""``runner dlq replay``: dead letters go back to where they came from, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Final

import typer

from runner.cli.dlq.letter import Letter, Place, original_headers, read_letter, replayed_place
from runner.cli.dlq.reading import Reasons, Since, Until, Wanted, messages, replayed_places, wanted
from runner.cli.dlq.replaying import Replay, Replayer, connect_replayer
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import Column, Rows, print_json, say, stderr, stdout
from runner.cli.wiring import topics_read
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.clients import connect_consumer
from runner.kafka.topic_message import TopicMessage

BATCH: Final = 100
BATCH_BYTES: Final = 4_194_304
"""Letters sent in one transaction, and bytes of them: it must end within seconds."""

WOULD_GO: Final = "would be sent"
SENT: Final = "sent"
REPLAYED: Final = "replayed before"

_COLUMNS: Final = (
    Column("place", 10),
    Column("reason", 15),
    Column("to", 24),
    Column("", 20),
)


def replay(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Send so many at most.")] = 1000,
    config: ConfigFile = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be sent; so without --yes.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send them.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also those that were replayed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to the topic and partition they came from.

    Without --yes it only shows what would be sent. Key, value and headers are
    those of the original, with the header dead-letter-replayed. No letter is
    sent twice: a note of each goes into the dead-letter topic, in the same
    transaction (with delivery at_least_once right after it). A replay that is
    started while another one runs ends that one. With --json each letter is
    one line, as "runner dlq list" has it, with "outcome".

    [bold]Examples[/bold]

      runner dlq replay --reason NOT_JSON --since 2h
      runner dlq replay --reason NOT_JSON --since 2h --yes
    """
    settings = read_config(config)
    asked = wanted(reason, since, until)
    is_real = yes and not dry_run
    targets = _partitions(settings)
    # Before anything is read: from here on no other replay can leave a note that is not seen.
    replayer = connect_replayer(settings) if is_real else None
    replayed = set() if again else replayed_places(settings, asked.since_ms)
    report = _Report(as_json=as_json)
    chosen = islice(_chosen(settings, asked, replayed, targets, report), limit)
    for batch in _batches(chosen):
        for letter, outcome in _outcomes(batch, replayer):
            report.tell(letter, outcome)
    report.end(limit, is_real=is_real)


class _Report:
    """Says what becomes of each letter, and at the end of all."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._rows = Rows(stdout(), _COLUMNS)
        self._counts: Counter[str] = Counter()
        self._refused = 0

    def pass_over(self, outcome: str) -> None:
        """Count a letter that is not sent."""
        self._counts[outcome] += 1

    def tell(self, letter: Letter, outcome: str) -> None:
        """Print what became of a letter."""
        if self._as_json:
            print_json(letter.described(replayed=outcome == SENT) | {"outcome": outcome})
        else:
            if not self._counts[WOULD_GO] + self._counts[SENT] + self._refused:
                self._rows.head()
            self._rows.row(str(letter.place), letter.reason, letter.came_from.rpartition("@")[0], outcome)
        if outcome in {SENT, WOULD_GO}:
            self._counts[outcome] += 1
        else:
            self._refused += 1

    def end(self, limit: int, *, is_real: bool) -> None:
        """Say how many; FatalError if some were refused."""
        done = SENT if is_real else WOULD_GO
        told = [f"{self._counts[done]} {done}"]
        told += [f"{count} {what}" for what, count in self._counts.items() if what != done]
        hint = "" if is_real or not self._counts[done] else "; repeat the command with --yes to send them"
        if self._counts[done] + self._refused == limit:
            hint += f"; there may be more: --limit {limit} was reached"
        say(stderr(), ", ".join(told) + hint, "dim")
        if self._refused:
            raise FatalError(f"{self._refused} dead letters could not be sent; they stay where they are")


def _partitions(config: Config) -> dict[str, int]:
    """Return the topics that dead letters may go back to, with their partitions."""
    connection = connect_consumer(config)
    try:
        return connection.partitions_of(topics_read(config))
    finally:
        connection.client.close()


def _chosen(
    config: Config, asked: Wanted, replayed: set[Place], targets: dict[str, int], report: _Report
) -> Iterator[tuple[Letter, Replay]]:
    """Give the letters that are to be sent, each partition in its order."""
    for seen in messages(config, asked.since_ms, None):
        letter = read_letter(seen)
        if replayed_place(seen) is not None or not asked.fits(letter):
            continue
        if letter.place in replayed:
            report.pass_over(REPLAYED)
        elif letter.topic not in targets:
            report.pass_over(f"from {letter.topic or 'somewhere unknown'}, which this runner does not read")
        elif seen.raw_headers is None:
            report.pass_over("with headers that cannot be read")
        else:
            yield letter, _replay(seen, letter, letter.topic, targets[letter.topic])


def _replay(seen: TopicMessage, letter: Letter, topic: str, partitions: int) -> Replay:
    source = letter.source
    partition = source.partition if source is not None and source.partition < partitions else None
    headers = original_headers(seen.raw_headers or ())
    return Replay(letter.place, topic, partition, seen.raw_key, seen.value, headers)


def _batches(chosen: Iterator[tuple[Letter, Replay]]) -> Iterator[list[tuple[Letter, Replay]]]:
    batch: list[tuple[Letter, Replay]] = []
    size = 0
    for letter, event in chosen:
        if batch and (len(batch) >= BATCH or size + letter.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((letter, event))
        size += letter.size
    if batch:
        yield batch


def _outcomes(batch: list[tuple[Letter, Replay]], replayer: Replayer | None) -> Iterator[tuple[Letter, str]]:
    letters = [letter for letter, _ in batch]
    if replayer is None:
        return zip(letters, [WOULD_GO] * len(batch), strict=True)
    refusals = replayer.send([event for _, event in batch])
    return zip(letters, [refusal or SENT for refusal in refusals], strict=True)
