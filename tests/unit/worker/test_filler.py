"""The changelog is filled from the store: as workers would have, with no more than is committed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.actions.decision import OutgoingMessage
from runner.changelog.filler import Filled, Filler, FillExtent
from runner.changelog.snapshot import LIMIT_BYTES, ChangelogRecord
from runner.errors import EventError
from runner.store.calls import Change, HomeCall, Phase, Restoring, ShardCall
from runner.tasks.record import Record
from runner.worker.assignment import Batch
from tests.unit.worker.rig import HOMES, TASKS, Harness, event, topics
from tests.unit.worker.test_changelog import proceed, start


class Topic:
    """The changelog as the topic that it is."""

    def __init__(self) -> None:
        self.last: dict[bytes, OutgoingMessage] = {}
        self.sizes: list[int] = []
        self.begun = 0
        self._waiting: list[ChangelogRecord] = []

    def take(self, messages: Sequence[OutgoingMessage]) -> None:
        """Keep the last message of each task, as a compacted topic does."""
        told = [outgoing for outgoing in messages if outgoing.stream == TASKS]
        self.sizes.append(len(told))
        for outgoing in told:
            self.last.pop(outgoing.key or b"", None)
            if outgoing.value is not None:
                self.last[outgoing.key or b""] = outgoing

    def begin(self, shard: int) -> None:
        self.begun += 1
        ours = [outgoing for outgoing in self.last.values() if outgoing.partition == shard]
        self._waiting = [ChangelogRecord(e.key or b"", e.value, int(dict(e.headers)["home"])) for e in ours]

    def read(self) -> Sequence[ChangelogRecord] | None:
        found, self._waiting = self._waiting, []
        return found or None

    def close(self) -> None:
        """Nothing is held."""


def fill(
    harness: Harness, topic: Topic, bases: dict[int, int], incarnation: int = 1, limit: int = LIMIT_BYTES
) -> Filled:
    """Fill the topic from all shards."""
    assert harness.changelog is not None
    known = {home: bases.get(home, 0) for home in range(HOMES)}
    extent = FillExtent(("orders", "quiet"), incarnation, known)
    filler = Filler(harness.store, topic, harness.changelog, extent, topic.take, limit)
    for shard in range(harness.store.shards):
        filler.shard(shard)
    return filler.filled


def busy() -> tuple[Harness, Topic]:
    """A history of tasks on three homes, in batches that are all committed, told as workers do."""
    harness, topic = Harness(with_changelog=True), Topic()
    for n in range(30):
        topic.take(
            harness.handle(start(f"t-{n}", timeout=60_000 if n % 2 else None), home=n % HOMES).outgoing
        )
    for n in range(0, 30, 3):
        topic.take(harness.handle(proceed(f"t-{n}"), home=n % HOMES).outgoing)
    topic.take(harness.handle(event("StartTask", "t-0", "again-0"), home=0).outgoing)
    return harness, topic


ALL = dict.fromkeys(range(HOMES), 1000)


def test_an_empty_topic_tells_what_workers_would_have_told_it() -> None:
    harness, by_workers = busy()
    filled = Topic()
    assert fill(harness, filled, ALL) == Filled(30, 30)
    assert filled.last == by_workers.last


@pytest.mark.parametrize("limit", [LIMIT_BYTES, 2000])
def test_what_is_right_already_is_not_written_again(limit: int) -> None:
    """Also where a shard does not fit into memory and is read in parts."""
    harness, topic = busy()
    before = dict(topic.last)
    del topic.last[b"orders:t-7"]
    topic.take(harness.handle(proceed("t-1"), home=1).outgoing)
    stale = dict(topic.last) | {b"orders:t-1": before[b"orders:t-1"]}
    topic.last = stale
    topic.sizes.clear()
    assert fill(harness, topic, ALL, limit=limit) == Filled(30, 2)
    assert (topic.begun > harness.store.shards) == (limit < LIMIT_BYTES)
    assert fill(harness, topic, ALL, limit=limit) == Filled(30, 0)


def test_what_an_earlier_try_told_of_tasks_that_are_gone_is_taken_back() -> None:
    harness, topic = busy()
    for key in ("t-4", "t-5"):
        _remove(harness, harness.record(key))
    assert fill(harness, topic, ALL) == Filled(28, 2)
    assert b"orders:t-4" not in topic.last
    assert fill(harness, topic, ALL) == Filled(28, 0)


def test_of_what_is_not_committed_it_tells_what_was_before() -> None:
    """That event comes again, and what it does is told then."""
    harness, by_workers = busy()
    told = dict(by_workers.last)
    base = harness.following(0)
    for value in (start("half-begun"), proceed("t-8"), event("StartTask", "both", "s"), proceed("both")):
        harness.process.run(Batch((harness.message(value, home=0),), {0: base}), {})
    filled = Topic()
    assert fill(harness, filled, ALL | {0: base}) == Filled(30, 30)
    assert filled.last == told


def test_a_round_that_is_not_committed_has_taken_the_place_of_the_one_before() -> None:
    harness, _ = busy()
    base = harness.following(0)
    harness.process.run(Batch((harness.message(event("StartTask", "t-12", "again"), home=0),), {0: base}), {})
    filled = Topic()
    fill(harness, filled, ALL | {0: base})
    assert b"orders:t-12" not in filled.last


def test_events_of_an_earlier_topic_are_committed() -> None:
    harness, by_workers = busy()
    filled = Topic()
    assert fill(harness, filled, {}, incarnation=2) == Filled(30, 30)
    assert filled.last == by_workers.last


def test_it_is_sent_in_bounded_portions() -> None:
    harness = Harness(with_changelog=True, shards=1)
    for n in range(1500):
        harness.handle(start(f"t-{n}"))
    topic = Topic()
    assert fill(harness, topic, {0: 5000}) == Filled(1500, 1500)
    assert topic.sizes == [1000, 500]


def test_a_record_that_the_topic_does_not_take_is_named() -> None:
    harness = Harness(with_changelog=True)
    harness.handle(start())
    harness.topics.cluster = topics(tasks=100)
    with pytest.raises(EventError, match="takes 100"):
        fill(harness, Topic(), ALL)


def _remove(harness: Harness, record: Record | None) -> None:
    assert record is not None
    shard = harness.store.shard(record.key.id)
    home = (HomeCall(record.state.home, 1000),)
    change = Change(record.key, record, None, remove=True)
    for phase in (Phase.BEGIN, Phase.WRITE, Phase.END):
        changes = (change,) if phase is Phase.WRITE else ()
        harness.store.apply([ShardCall(shard, 1, home, changes, Restoring("test", phase))])
