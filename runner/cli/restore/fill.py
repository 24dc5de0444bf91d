"""``runner restore --fill-changelog``: gives a changelog to a key space that was begun without.

  1 nobody is in the group, and the key space says that it is being filled, with a token. Every worker
    without a changelog takes that back, when it starts and when it gets partitions; earlier versions do not
    start while it stands there
  2 nobody is in the group: whoever was, and came in time, is one that has not taken it back
  3 the topic is made to tell what Redis holds, as far as it is committed
  4 the applied offset of each home is set to its committed offset in every shard
  5 nobody is in the group, and where the token still stands the key space says: this topic

Ended at any point before 5, nothing has been turned on, and it can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

from runner.actions.decision import OutgoingMessage
from runner.changelog.filler import Filled, Filler, FillExtent
from runner.changelog.writer import Changelog
from runner.cli.restore.site import RestoreSite
from runner.cli.screen import print_json, say, stdout, tracked
from runner.config import Config
from runner.envelope.codec import JsonCodec
from runner.errors import EventError, FatalError, LogUnavailable, StoreMismatch, StoreUnavailable
from runner.kafka.offsets import start_offsets
from runner.kafka.sending import Transactions
from runner.kafka.topics import KafkaTopicCatalog
from runner.store.calls import FILLING, LISTS, NONE, HomeCall, Phase, Restoring, ShardCall, Verdict
from runner.tasks.keys import spaces_of

_FAILED: Final = (
    "Kafka did not take the changelog ({}); "
    'run "runner restore --fill-changelog" again: what it has written is kept'
)


def open_writer(config: Config) -> Transactions:
    """Return transactions to write the changelog with; any other filling of this group ends with that."""
    taken_over = "another filling of this changelog was started ({}); it goes on"
    return Transactions(config, "fill-changelog", taken_over=taken_over, failed=_FAILED)


def fill_changelog(
    site: RestoreSite, *, as_json: bool, open_writer: Callable[[Config], Transactions] = open_writer
) -> None:
    """Fill the topic, turn it on, and say so."""
    topic = str(site.config.topics.tasks)
    space = site.require_space()
    if space.changelog not in {"", LISTS}:
        site.require_changelog()
        _report(Filled(), topic, as_json=as_json, is_new=False)
        return
    incarnation = site.incarnation_in(space)
    with _filling(site) as token:
        homes = range(site.homes())
        positions = start_offsets(homes, site, site.store, incarnation)
        bases = {home: max(offset, 0) for home, offset in positions.items()}
        extent = FillExtent(spaces_of(site.config.domains), incarnation, bases)
        filled = _fill(site, extent, open_writer(site.config))
        _set_applied_offsets(site, incarnation, bases, token)
        site.require_nobody()
        _require(site.store.change_changelog(token, site.changelog_id), site.changelog_id)
    _report(filled, topic, as_json=as_json, is_new=True)


@contextmanager
def _filling(site: RestoreSite) -> Iterator[str]:
    """Say, for the length of the block, that the changelog is being filled; give the token of it."""
    token = f"{FILLING}{uuid4().hex}"
    site.require_nobody()
    _require(site.store.change_changelog("", token), token)
    try:
        site.require_nobody()
        yield token
    except BaseException:
        with suppress(StoreUnavailable):
            site.store.change_changelog(token, NONE)
        raise


def _fill(site: RestoreSite, extent: FillExtent, transactions: Transactions) -> Filled:
    topics = KafkaTopicCatalog(site.cluster, {}, JsonCodec())
    changelog = Changelog(str(site.config.topics.tasks), topics, site.store.shard)

    def send(messages: Sequence[OutgoingMessage]) -> None:
        refusals = transactions.send(messages)
        if refusals:
            raise LogUnavailable(_FAILED.format(refusals[0]))

    filler = Filler(site.store, site.changelog, changelog, extent, send)
    try:
        for shard in tracked("filling, shards", range(site.store.shards), site.store.shards):
            filler.shard(shard)
    except EventError as error:
        raise FatalError(f"{error.message}; raise max.message.bytes of the topic") from error
    return filler.filled


def _set_applied_offsets(site: RestoreSite, incarnation: int, bases: Mapping[int, int], token: str) -> None:
    homes = tuple(HomeCall(home, base, decided_up_to=base) for home, base in bases.items())
    restoring = Restoring(token, Phase.SET_OFFSET)
    calls = [ShardCall(shard, incarnation, homes, (), restoring) for shard in range(site.store.shards)]
    if any(verdict is not Verdict.APPLIED for verdict in site.store.apply(calls)):
        raise FatalError("a worker has gone on with tasks meanwhile: stop all of them, and fill again")


def _require(changelog: str, expected: str) -> None:
    if changelog != expected:
        raise StoreMismatch(
            "a worker has started meanwhile, or another filling; nothing is turned on: stop all workers, "
            'also those that are started again by themselves, and run "runner restore --fill-changelog" again'
        )


def _report(filled: Filled, topic: str, *, as_json: bool, is_new: bool) -> None:
    if as_json:
        print_json({"topic": topic, "tasks": filled.tasks, "written": filled.written, "turned_on": is_new})
        return
    text = f'nothing to fill: topic {topic} is turned on already; "runner restore --check" compares it'
    if is_new:
        text = (
            f"topic {topic} tells all {filled.tasks} tasks ({filled.written} messages written); "
            "it is turned on, and workers may start"
        )
    say(stdout(), text, "green")
