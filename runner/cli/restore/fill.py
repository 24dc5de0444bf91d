"""``runner restore --fill-changelog``: gives a changelog to a key space that was begun without.

  1 nobody is in the group, and the key space says that it is being filled, with a token. Every worker
    without a changelog takes that back, when it starts and when it gets partitions; earlier versions do not
    start while it stands there
  2 nobody is in the group: whoever was, and came in time, is one that has not taken it back
  3 the topic is made to tell what Redis holds, as far as it is committed
  4 the shards note how far they hold what was committed (their marks)
  5 nobody is in the group, and where the token still stands the key space says: this topic

Ended at any point before 5, nothing has been turned on, and it can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import uuid4

from confluent_kafka import Producer

from runner.changelog.filler import Filled, Filler, FillExtent
from runner.changelog.writer import Changelog
from runner.cli.progress import progress
from runner.cli.restore.place import Place
from runner.cli.restore.writer import ChangelogWriter, connect_writer
from runner.cli.screen import print_json, say, stderr, stdout
from runner.config import Config
from runner.envelope.codec import JsonCodec
from runner.errors import EventError, FatalError, StoreMismatch, StoreUnavailable
from runner.kafka.clients import Connection
from runner.kafka.start_offsets import start_offsets
from runner.kafka.topics import KafkaTopicCatalog
from runner.store.calls import FILLING, LISTS, NONE, HomeCall, Phase, Restoring, ShardCall, Verdict

Connect = Callable[[Config], Connection[Producer]]


def fill_changelog(place: Place, *, as_json: bool, connect: Connect = connect_writer) -> None:
    """Fill the topic, turn it on, and say so."""
    topic = str(place.config.topics.tasks)
    space = place.require_space()
    if space.changelog not in {"", LISTS}:
        place.require_changelog()
        _report(Filled(), topic, as_json=as_json, is_new=False)
        return
    incarnation = place.incarnation_in(space)
    with _filling(place) as token:
        homes = range(place.homes())
        positions = start_offsets(homes, place, place.store, incarnation)
        bases = {home: max(offset, 0) for home, offset in positions.items()}
        filled = _fill(place, FillExtent(tuple(place.config.domains), incarnation, bases), connect)
        _mark(place, incarnation, bases, token)
        place.require_nobody()
        _require(place.store.change_changelog(token, place.changelog_id), place.changelog_id)
    _report(filled, topic, as_json=as_json, is_new=True)


@contextmanager
def _filling(place: Place) -> Iterator[str]:
    """Say, for the length of the block, that the changelog is being filled; give the token of it."""
    token = f"{FILLING}{uuid4().hex}"
    place.require_nobody()
    _require(place.store.change_changelog("", token), token)
    try:
        place.require_nobody()
        yield token
    except BaseException:
        with suppress(StoreUnavailable):
            place.store.change_changelog(token, NONE)
        raise


def _fill(place: Place, extent: FillExtent, connect: Connect) -> Filled:
    topics = KafkaTopicCatalog(place.cluster, {}, JsonCodec())
    changelog = Changelog(str(place.config.topics.tasks), topics, place.store.shard)
    writer = ChangelogWriter(connect(place.config).client)
    filler = Filler(place.store, place.changelog, changelog, extent, writer.send)
    try:
        with progress(stderr(), "filling, shards", place.store.shards) as step:
            for shard in range(place.store.shards):
                filler.shard(shard)
                step(1)
    except EventError as error:
        raise FatalError(f"{error.message}; raise max.message.bytes of the topic") from error
    return filler.filled


def _mark(place: Place, incarnation: int, bases: Mapping[int, int], token: str) -> None:
    homes = tuple(HomeCall(home, base, decided_up_to=base) for home, base in bases.items())
    restoring = Restoring(token, Phase.SET_OFFSET)
    calls = [ShardCall(shard, incarnation, homes, (), restoring) for shard in range(place.store.shards)]
    if any(verdict is not Verdict.APPLIED for verdict in place.store.apply(calls)):
        raise FatalError("a worker has gone on with tasks meanwhile: stop all of them, and fill again")


def _require(said: str, wanted: str) -> None:
    if said != wanted:
        raise StoreMismatch(
            "a worker has started meanwhile, or another filling; nothing is turned on: stop all workers, "
            'also those that are started again by themselves, and run "runner restore --fill-changelog" again'
        )


def _report(filled: Filled, topic: str, *, as_json: bool, is_new: bool) -> None:
    if as_json:
        print_json({"topic": topic, "tasks": filled.tasks, "written": filled.written, "turned_on": is_new})
    elif is_new:
        told = f"topic {topic} tells all {filled.tasks} tasks ({filled.written} messages written)"
        say(stdout(), f"{told}; it is turned on, and workers may start", "green")
    else:
        say(
            stdout(),
            f'nothing to fill: topic {topic} is turned on already; "runner restore --check" compares it',
            "green",
        )
