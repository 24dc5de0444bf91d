"""``runner dlq replay``: dead letters go back to where they came from, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Annotated, Any, Final

import typer
from confluent_kafka import Producer

from runner.actions.decision import OutgoingMessage
from runner.cli.dlq.letters import (
    REPLAY_OF,
    REPLAYED,
    Letter,
    LetterFilter,
    LetterPlace,
    Reasons,
    Since,
    Until,
    letter_filter,
    messages,
    original_headers,
    read_letter,
    replayed_place,
    replayed_places,
)
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import Column, Rows, hint, print_json, stdout
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.clients import BrokerConnection, connect_consumer, connect_producer
from runner.kafka.preflight import topics_buried
from runner.kafka.sending import Transactions, send_all
from runner.kafka.topic_message import TopicMessage

BATCH: Final = 100
BATCH_BYTES: Final = 4_194_304
"""Letters sent in one transaction, and bytes of them: it must end within seconds."""

WOULD_GO: Final = "would be sent"
SENT: Final = "sent"
REPLAYED_BEFORE: Final = "replayed before"
_REFUSED: Final = "refused"

_COLUMNS: Final = (Column("place", 10), Column("reason", 15), Column("to", 24), Column("", 20))


@dataclass(frozen=True, slots=True)
class Replay:
    """A letter, the message as it goes back, and the note of that."""

    letter: Letter
    event: OutgoingMessage
    note: OutgoingMessage


Send = Callable[[Sequence[Replay]], list[str]]
"""Sends letters back with their notes; returns why each was refused, empty where it was not."""


def replay(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Send so many at most.")] = 1000,
    config: ConfigFile = None,
    *,
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
    criteria = letter_filter(reason, since, until)
    connection = connect_consumer(settings)
    with closing(connection.client):
        targets = connection.partitions_of(topics_buried(settings))
    # Before anything is read: from here on no other replay can leave a note that is not seen.
    send = connect_replayer(settings) if yes else None
    replayed = set() if again else replayed_places(settings, criteria.since_ms)
    counts: Counter[str] = Counter()
    rows = Rows(stdout(), _COLUMNS)
    for batch in _batches(islice(_chosen(settings, criteria, replayed, targets, counts), limit)):
        refusals = [WOULD_GO] * len(batch) if send is None else send(batch)
        for each, refusal in zip(batch, refusals, strict=True):
            outcome = refusal or SENT
            counts[outcome if outcome in {SENT, WOULD_GO} else _REFUSED] += 1
            _show(rows, each.letter, outcome, as_json=as_json)
    _sum_up(counts, limit, SENT if yes else WOULD_GO)


def connect_replayer(config: Config) -> Send:
    """Return what sends letters back; any other replay of this group ends with that.

    Raises LogUnavailable if no broker answers, FatalError if transactions may not be used.
    """
    if config.delivery != "exactly_once":
        return partial(_send_singly, connect_producer(config))
    transactions = Transactions(
        config,
        "dead-letters-replay",
        taken_over="another replay of these dead letters was started ({}); it goes on from here",
        failed="Kafka did not take the replay ({}); what was not told as sent was perhaps not sent: "
        "run the command again, nothing is sent twice",
    )
    return partial(_send_together, transactions)


def _send_together(transactions: Transactions, replays: Sequence[Replay]) -> list[str]:
    """Send all in one transaction: event and note are seen together, or neither is."""
    refusals = transactions.send([message for each in replays for message in (each.event, each.note)])
    if not refusals:
        return [""] * len(replays)
    if len(replays) == 1:
        return refusals[:1]
    # One of them is to blame; the others go.
    return [refusal for each in replays for refusal in _send_together(transactions, [each])]


def _send_singly(producer: BrokerConnection[Producer], replays: Sequence[Replay]) -> list[str]:
    """Send each event, then its note, for brokers without transactions: a crash between may repeat one."""

    def refusal(message: OutgoingMessage) -> str:
        return send_all(producer, [message])[0].refusal

    return [refusal(each.event) or refusal(each.note) for each in replays]


def _chosen(
    config: Config,
    criteria: LetterFilter,
    replayed: set[LetterPlace],
    targets: dict[str, int],
    counts: Counter[str],
) -> Iterator[Replay]:
    """Give the letters that are to be sent, each partition in its order; count those that are not."""
    for message in messages(config, criteria.since_ms, None):
        letter = read_letter(message)
        if replayed_place(message) is not None or not criteria.fits(letter):
            continue
        if letter.place in replayed:
            counts[REPLAYED_BEFORE] += 1
        elif letter.topic not in targets:
            counts[f"from {letter.topic or 'somewhere unknown'}, which this runner does not read"] += 1
        elif message.raw_headers is None:
            counts["with headers that cannot be read"] += 1
        else:
            yield replay_of(message, targets[letter.topic])


def replay_of(message: TopicMessage, partitions: int) -> Replay:
    """Return a dead letter as it goes back to its topic, which has so many partitions.

    By its key where the partition it came from is not there any more.
    """
    letter = read_letter(message)
    source, place, key = letter.source, letter.place, message.raw_key
    partition = source.partition if source is not None and source.partition < partitions else None
    mark = (REPLAYED, f"{message.topic}/{place}".encode())
    headers: Any = (*original_headers(message.raw_headers or ()), mark)
    event = OutgoingMessage(letter.topic or "", key, message.value, headers, partition)
    note = OutgoingMessage(message.topic, key, None, ((REPLAY_OF, str(place).encode()),), place.partition)
    return Replay(letter, event, note)


def _batches(replays: Iterator[Replay]) -> Iterator[list[Replay]]:
    batch: list[Replay] = []
    size = 0
    for each in replays:
        if batch and (len(batch) >= BATCH or size + each.letter.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.letter.size
    if batch:
        yield batch


def _show(rows: Rows, letter: Letter, outcome: str, *, as_json: bool) -> None:
    if as_json:
        print_json(letter.described() | {"replayed": outcome == SENT, "outcome": outcome})
    else:
        rows.row(str(letter.place), letter.reason, letter.came_from.rpartition("@")[0], outcome)


def _sum_up(counts: Counter[str], limit: int, done: str) -> None:
    """Print how many; FatalError if some were refused."""
    refused = counts.pop(_REFUSED, 0)
    others = [f"{count} {outcome}" for outcome, count in counts.items() if outcome != done]
    more = "; repeat the command with --yes to send them" if counts[WOULD_GO] else ""
    if counts[done] + refused == limit:
        more += f"; there may be more: --limit {limit} was reached"
    hint(", ".join([f"{counts[done]} {done}", *others]) + more)
    if refused:
        raise FatalError(f"{refused} dead letters could not be sent; they stay where they are")
