"""What the store has lost is filled again, a stretch at a time, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from runner.changelog.codec import changelog_key, encode_entry
from runner.changelog.restorer import Extent, Restorer
from runner.changelog.snapshot import ChangelogRecord
from runner.clock import ManualTicker
from runner.errors import ChangelogUnreadable, StoreLost, Superseded
from runner.store.calls import Change, Completeness, HomeCall, Ownership, Phase, Restoring, ShardCall, Verdict
from runner.store.connection.command import OnWait, idle
from runner.tasks.record import Record
from runner.tasks.source import Source
from runner.testing.memory_store import MemoryStore
from tests.contract.samples import DOMAINS, FUTURE, NOW, closed, indexes_equal_records, key_in, opened

HOMES = 2
SHARDS = 2


class ScriptedChangelog:
    """A changelog of two shards, read two messages at a time."""

    def __init__(self) -> None:
        self.messages: dict[int, list[ChangelogRecord]] = {shard: [] for shard in range(SHARDS)}
        self.begun: list[int] = []
        self.is_held = False
        self._left: list[ChangelogRecord] = []

    def tell(self, store: MemoryStore, record: Record) -> None:
        told = ChangelogRecord(changelog_key(record.key), encode_entry(record), record.state.home)
        self.messages[store.shard(record.key.id)].append(told)

    def tell_gone(self, store: MemoryStore, record: Record) -> None:
        self.messages[store.shard(record.key.id)].append(
            ChangelogRecord(changelog_key(record.key), None, None)
        )

    def begin(self, shard: int) -> None:
        self.begun.append(shard)
        self.is_held = True
        self._left = list(self.messages[shard])

    def read(self) -> Sequence[ChangelogRecord] | None:
        if not self._left:
            return None
        found, self._left = self._left[:2], self._left[2:]
        return found

    def close(self) -> None:
        self.is_held = False


class ScriptedGroup:
    """What Kafka says of the requests topic."""

    def __init__(self) -> None:
        self.offsets: dict[int, int] = {}
        self.partitions = HOMES
        self.asked = 0

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        self.asked += 1
        return {partition: self.offsets.get(partition) for partition in partitions}

    def homes(self) -> int:
        return self.partitions


class Bench:
    """A store of two shards, its changelog, and the restorer of one worker."""

    def __init__(self, store: type[MemoryStore] = MemoryStore, sizes: tuple[int, int] = (1000, 250)) -> None:
        ticker = ManualTicker()
        self.store = store(lambda: NOW + round(ticker() * 1000), SHARDS)
        self.store.open(Ownership("cluster", "requests", "topic", "group", HOMES))
        self.changelog = ScriptedChangelog()
        self.said: list[tuple[int, int]] = []
        self._tokens = 0
        self.group = ScriptedGroup()
        extent = Extent(DOMAINS, 1, self.group)
        self.restorer = Restorer(self.store, self.changelog, extent, self._token, self, sizes)

    def restoring(self, shards_left: int, records: int) -> None:
        self.said.append((shards_left, records))

    def settle(self, positions: dict[int, int]) -> int:
        """Settle to the end; return how many calls it took."""
        for count in range(1, 100):
            if self.restorer.verify(positions):
                return count
        raise AssertionError("it never ends")

    def task(self, shard: int, number: int, home: int = 0) -> Record:
        return opened(key_in(self.store, shard, number), Source(1, home, number), FUTURE)

    def restored(self, records: int) -> None:
        self.said.append((0, records))

    def not_restored(self) -> None:
        self.said.append((-1, 0))

    def _token(self) -> str:
        self._tokens += 1
        return f"token-{self._tokens}"


def test_a_store_that_lacks_nothing_is_verified_at_once_and_the_changelog_is_not_read() -> None:
    bench = Bench()
    assert bench.settle({0: 0, 1: 0}) == 1
    assert bench.changelog.begun == []
    assert bench.said == []


def test_what_was_told_last_of_each_task_of_the_home_is_there_again() -> None:
    bench = Bench()
    mine, ended, gone, other = (bench.task(0, number, home=int(number == 4)) for number in (1, 2, 3, 4))
    for record in (mine, ended, gone, other):
        bench.changelog.tell(bench.store, record)
    after = closed(ended, Source(1, 0, 5))
    bench.changelog.tell(bench.store, after)
    bench.changelog.tell_gone(bench.store, gone)
    assert bench.settle({0: 9}) > 1
    assert sorted(record.key for record in bench.store.records()) == sorted([mine.key, after.key])
    assert bench.store.record(after.key) == after
    assert bench.said[0] == (SHARDS, 0)
    assert bench.said[-1] == (0, 2)
    assert not bench.changelog.is_held
    assert bench.settle({0: 9}) == 1


def test_an_entry_that_was_lost_alone_is_there_again() -> None:
    bench = Bench()
    mine = bench.task(0, 1)
    bench.changelog.tell(bench.store, mine)
    _put(bench.store, mine, Restoring("earlier", Phase.WRITE))
    entries = bench.store.index_entries(0, 0, DOMAINS, 10)
    assert len(entries) == 1
    begin = Restoring("earlier", Phase.BEGIN)
    assert bench.store.apply([ShardCall(0, 1, (HomeCall(0, 0),), (), begin, tuple(entries))])
    assert bench.store.index_entries(0, 0, DOMAINS, 10) == []
    bench.settle({0: 9})
    assert bench.store.record(mine.key) == mine
    assert bench.store.index_entries(0, 0, DOMAINS, 10) == entries


def test_what_the_changelog_does_not_know_goes() -> None:
    bench = Bench()
    mine, stale, other = bench.task(0, 1), bench.task(0, 2), bench.task(0, 3, home=1)
    restoring = Restoring("earlier", Phase.WRITE)
    for record in (mine, stale, other):
        _put(bench.store, record, restoring)
    bench.changelog.tell(bench.store, mine)
    bench.settle({0: 9})
    assert sorted(record.key for record in bench.store.records()) == sorted([mine.key, other.key])


def test_an_older_record_of_another_home_leaves_nothing_behind() -> None:
    bench = Bench()
    before = bench.task(0, 1, home=1)
    _put(bench.store, closed(before, Source(1, 1, 2)), Restoring("earlier", Phase.WRITE))
    after = opened(before.key, Source(1, 0, 3), FUTURE)
    bench.changelog.tell(bench.store, after)
    bench.settle({0: 9})
    assert bench.store.record(before.key) == after
    assert indexes_equal_records(bench.store)


@pytest.mark.parametrize("at_once", [1, 2, 250])
def test_what_is_there_still_makes_way_and_all_else_of_its_chunk_is_written(at_once: int) -> None:
    bench = Bench(sizes=(1000, at_once))
    there = [bench.task(0, number, home=1) for number in (1, 2)]
    for record in there:
        _put(bench.store, closed(record, Source(1, 1, 2)), Restoring("earlier", Phase.WRITE))
    told = [opened(record.key, Source(1, 0, 3), FUTURE) for record in there] + [bench.task(0, 3)]
    for record in told:
        bench.changelog.tell(bench.store, record)
    bench.settle({0: 9})
    assert sorted(record.key for record in bench.store.records()) == sorted(record.key for record in told)
    assert [bench.store.record(record.key) for record in told] == told
    assert indexes_equal_records(bench.store)
    assert bench.said[-1] == (0, len(told))


@pytest.mark.parametrize("times", [0, 1, 3])
def test_all_chunks_are_written_however_often_there_is_time_to_decode_ahead(times: int) -> None:
    class Store(MemoryStore):
        def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
            for _ in range(times):
                on_wait()
            return super().apply(calls)

    bench = Bench(Store, (2, 2))
    told = [bench.task(0, number) for number in range(7)]
    for record in told:
        bench.changelog.tell(bench.store, record)
    bench.settle({0: 9})
    assert sorted(record.key for record in bench.store.records()) == sorted(record.key for record in told)


def test_the_next_chunk_is_decoded_while_one_is_written() -> None:
    left: list[tuple[int, int]] = []

    class Store(MemoryStore):
        def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
            if calls[0].changes:
                before = len(bench.restorer._pending[0].snapshot.values)
                on_wait()
                left.append((before, len(bench.restorer._pending[0].snapshot.values)))
            return super().apply(calls)

    bench = Bench(Store, (2, 2))
    for number in range(5):
        bench.changelog.tell(bench.store, bench.task(0, number))
    bench.settle({0: 9})
    assert left == [(3, 1), (1, 0), (0, 0)]


def test_a_round_trip_has_several_calls() -> None:
    sizes: list[list[int]] = []

    class Store(MemoryStore):
        def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
            sizes.append([len(call.changes) for call in calls])
            return super().apply(calls, on_wait)

    bench = Bench(Store, (5, 2))
    for number in range(7):
        bench.changelog.tell(bench.store, bench.task(0, number))
    bench.settle({0: 9})
    assert [size for size in sizes if any(size)] == [[2, 2, 1], [2]]


def test_it_ends_where_one_of_its_calls_finds_that_another_restores() -> None:
    class Store(MemoryStore):
        def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
            if len(calls) > 1:
                another = Restoring("another", Phase.BEGIN)
                super().apply([ShardCall(0, 1, (HomeCall(1, 9),), (), another)])
            return super().apply(calls, on_wait)

    bench = Bench(Store, (1000, 1))
    mine, theirs = bench.task(0, 1), bench.task(0, 2, home=1)
    for record in (mine, theirs):
        bench.changelog.tell(bench.store, record)
    with pytest.raises(Superseded):
        bench.settle({0: 9, 1: 9})
    assert bench.store.records() == [mine]
    assert bench.said[-1] == (-1, 0)
    assert (0, 0) in bench.store.shards_behind(1, {0: 9})


def test_what_cannot_be_read_is_said_after_what_comes_before_it_was_written() -> None:
    bench = Bench(sizes=(1, 1))
    good = bench.task(0, 1)
    bench.changelog.tell(bench.store, good)
    bench.changelog.messages[0].append(ChangelogRecord(b"d:other", b"{}", 0))
    with pytest.raises(ChangelogUnreadable):
        bench.settle({0: 9})
    assert bench.store.records() == [good]


def test_a_home_that_was_taken_over_meanwhile_is_left_alone() -> None:
    bench = Bench()
    bench.changelog.tell(bench.store, bench.task(0, 1))
    assert not bench.restorer.verify({0: 9})
    assert not bench.restorer.verify({0: 9})
    begin = ShardCall(0, 1, (HomeCall(0, 9),), (), Restoring("another", Phase.BEGIN))
    bench.store.apply([begin])
    with pytest.raises(Superseded):
        bench.settle({0: 9})
    assert bench.store.records() == []


def test_who_slept_through_its_replacement_verifies_nothing() -> None:
    bench = Bench()
    bench.group.offsets = {0: 10}
    with pytest.raises(Superseded):
        bench.restorer.verify({0: 9})
    assert bench.store.pending_tokens([0], "other").keys() == set(range(SHARDS))


def test_kafka_is_asked_once_for_homes_that_are_verified_again_and_again() -> None:
    bench = Bench()
    bench.settle({0: 0, 1: 0})
    bench.settle({0: 0, 1: 0})
    bench.settle({0: 0})
    assert bench.group.asked == 1
    bench.store._verified.clear()
    bench.settle({0: 0})
    assert bench.group.asked == 2


def test_nothing_is_said_to_be_missing_before_homes_that_were_just_added_are_verified() -> None:
    bench = Bench()
    bench.group.partitions = HOMES + 1
    key = key_in(bench.store, 0, 1)
    bench.settle({0: 0, 1: 0})
    assert bench.store.homes() == HOMES + 1
    with pytest.raises(StoreLost):
        bench.store.load(1, [(key, Source(1, 0, 0))], Completeness({0: 0}))
    bench.settle({2: 0})
    assert bench.store.load(1, [(key, Source(1, 0, 0))], Completeness({0: 0})).records == {key: None}


def test_homes_that_another_worker_has_seen_count_although_a_broker_tells_of_fewer() -> None:
    bench = Bench()
    bench.store.add_homes(1, HOMES + 1)
    key = key_in(bench.store, 0, 1)
    bench.settle({0: 0, 1: 0})
    with pytest.raises(StoreLost):
        bench.store.load(1, [(key, Source(1, 0, 0))], Completeness({0: 0}))


def test_when_a_home_goes_its_restoring_ends() -> None:
    bench = Bench()
    assert not bench.restorer.verify({0: 9, 1: 0})
    assert bench.said == [(SHARDS, 0)]
    assert bench.restorer.verify({1: 0})
    assert bench.said == [(SHARDS, 0), (-1, 0)]
    assert not bench.restorer.is_busy


def test_it_says_once_that_the_store_is_another_now() -> None:
    bench = Bench()
    assert not bench.restorer.renewed()
    bench.settle({0: 9})
    assert bench.restorer.renewed()
    assert not bench.restorer.renewed()


def _put(store: MemoryStore, record: Record, restoring: Restoring) -> None:
    """Write a record past all checks."""
    home = (HomeCall(record.state.home, 0),)
    for phase in Phase:
        step = Restoring(restoring.token, phase)
        changes = (Change(record.key, None, record),) if phase is Phase.WRITE else ()
        store.apply([ShardCall(store.shard(record.key.id), 1, home, changes, step)])
