"""What differs between store and changelog is found, and what only moves is not reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import structs

from runner.changelog.codec import changelog_key, encode_entry, encode_part_entry
from runner.changelog.comparison import TRIES, Comparison, ComparisonScope, Difference, Finding, Standing
from runner.changelog.snapshot import ChangelogRecord
from runner.store.calls import Change, HomeCall, Ownership, Phase, Restoring, ShardCall, Verdict
from runner.store.indexing import entries_of
from runner.tasks.parts import LIFE, Life, encode_part
from runner.tasks.record import Record
from runner.tasks.source import Source
from runner.testing.memory_store import MemoryStore
from tests.contract.samples import DOMAINS, NOW, PAST, closed, key_in, opened

HOMES = 2
COMMITTED = {0: 100, 1: 100}


class GrowingList:
    """The changelog of shard 0, to which something may be added whenever it is read on."""

    def __init__(self) -> None:
        self.messages: list[ChangelogRecord] = []
        self.extends = 0
        self.grow: Callable[[], object] = lambda: None
        self._at = 0

    def tell(self, record: Record) -> None:
        self.messages.append(
            ChangelogRecord(changelog_key(record.key), encode_entry(record), record.state.home)
        )

    def tell_gone(self, record: Record) -> None:
        self.messages.append(ChangelogRecord(changelog_key(record.key), None, None))

    def begin(self, shard: int) -> None:
        assert shard == 0
        self._at = 0

    def extend(self) -> None:
        self.extends += 1
        self.grow()

    def read(self) -> Sequence[ChangelogRecord] | None:
        found, self._at = self.messages[self._at :], len(self.messages)
        return found or None

    def close(self) -> None:
        """Nothing is held."""


class Bench:
    """A store of one shard and its changelog."""

    def __init__(self) -> None:
        self.store = MemoryStore(lambda: NOW, 1)
        self.store.open(Ownership("cluster", "requests", "topic", "group", HOMES))
        self.changelog = GrowingList()
        self.limit_bytes = 10_000_000

    def task(self, number: int, offset: int = 5, home: int = 0) -> Record:
        return opened(key_in(self.store, 0, number), Source(1, home, offset))

    def put(self, record: Record, before: Record | None = None, *, remove: bool = False) -> None:
        """Write a record past all checks."""
        home = (HomeCall(record.state.home, 0),)
        change = Change(record.key, before, None if remove else record, remove=remove)
        for phase in Phase:
            changes = (change,) if phase is Phase.WRITE else ()
            self.store.apply([ShardCall(0, 1, home, changes, Restoring("test", phase))])

    def both(self, record: Record) -> Record:
        """Let store and changelog have a record."""
        self.put(record)
        self.changelog.tell(record)
        return record

    def forget(self, record: Record) -> None:
        """Take out the index entry of a record, and nothing else."""
        [entry] = entries_of(record, 0)
        home = (HomeCall(record.state.home, 0),)
        for phase in Phase:
            gone = (entry[:2],) if phase is Phase.WRITE else ()
            self.store.apply([ShardCall(0, 1, home, (), Restoring("test", phase), gone)])

    def compare(self) -> list[tuple[str, Difference]]:
        """Return what differs, by the id of the task."""
        scope = ComparisonScope(DOMAINS, HOMES, 1)
        standing = Standing(COMMITTED, NOW)
        comparison = Comparison(self.store, self.changelog, scope, lambda: standing, self.limit_bytes)
        return [_told(finding) for finding in comparison.shard(0).findings]


def _told(finding: Finding) -> tuple[str, Difference]:
    assert finding.shard == 0
    return finding.key.id, finding.what


def with_parts(bench: Bench, number: int, written: dict[str, bytes], told: dict[str, bytes]) -> Record:
    """Let store and changelog have a task with a verb, and these parts of it."""
    plain = bench.both(bench.task(number))
    life = Life(plain.revision + 1, plain.revision, "1/0@6", history=1, comments=1)
    record = structs.replace(plain, revision=life.revision, life=life)
    core = {LIFE: encode_part(life)}
    change = Change(plain.key, plain, record, parts=core | written)
    call = ShardCall(0, 1, (HomeCall(0, 0),), (change,))
    assert bench.store.apply([call]) == [Verdict.APPLIED]
    for name, part in (core | told).items():
        value = encode_part_entry(record, name, part)
        bench.changelog.messages.append(ChangelogRecord(changelog_key(record.key, name), value, 0))
    return record


def test_parts_are_compared_as_start_and_state_are() -> None:
    bench = Bench()
    parts = {"history/1": b'{"revision":2}', "comment/1": b'{"revision":2,"id":1}'}
    with_parts(bench, 0, parts, parts)
    assert bench.compare() == []
    lost = with_parts(bench, 1, {"history/1": parts["history/1"]}, parts)
    other = with_parts(bench, 2, parts | {"comment/1": b'{"revision":2,"id":9}'}, parts)
    untold = with_parts(bench, 3, parts, {"history/1": parts["history/1"]})
    wanted = {(each.key.id, Difference.STALE) for each in (lost, other, untold)}
    assert set(bench.compare()) == wanted


def test_equals_are_equal() -> None:
    bench = Bench()
    mine = bench.both(bench.task(1))
    gone = bench.task(2)
    bench.changelog.tell(gone)
    bench.changelog.tell_gone(gone)
    ended = closed(bench.both(bench.task(3)), Source(1, 0, 7))
    bench.put(ended, bench.task(3))
    bench.changelog.tell(ended)
    assert bench.compare() == []
    assert bench.changelog.extends == 0
    assert mine in bench.store.records()


def test_each_kind_of_difference_is_found() -> None:
    bench = Bench()
    missing, stale, extra, hidden = (bench.task(n) for n in (1, 2, 3, 4))
    bench.changelog.tell(missing)
    bench.put(stale)
    bench.changelog.tell(closed(stale, Source(1, 0, 9)))
    bench.put(extra)
    bench.both(hidden)
    bench.forget(hidden)
    assert dict(bench.compare()) == {
        missing.key.id: Difference.MISSING,
        stale.key.id: Difference.STALE,
        extra.key.id: Difference.UNEXPECTED,
        hidden.key.id: Difference.UNINDEXED,
    }


def test_a_record_that_runs_ahead_of_the_committed_offset_is_no_difference() -> None:
    bench = Bench()
    started = bench.task(1, offset=COMMITTED[0])
    bench.put(started)
    ended = bench.both(bench.task(2))
    bench.put(closed(ended, Source(1, 0, COMMITTED[0] + 3)), ended)
    assert bench.compare() == []
    assert bench.changelog.extends == 1


def test_the_same_record_is_one_once_its_event_is_committed() -> None:
    bench = Bench()
    started = bench.task(1, offset=COMMITTED[0] - 1)
    bench.put(started)
    assert bench.compare() == [(started.key.id, Difference.UNEXPECTED)]


def test_what_the_changelog_is_told_of_meanwhile_is_looked_at_once_more() -> None:
    bench = Bench()
    record = bench.task(1)
    bench.changelog.tell(record)
    ended = closed(record, Source(1, 0, 9))

    def end() -> None:
        if bench.changelog.extends == 1:
            bench.put(ended)
            bench.changelog.tell(ended)

    bench.changelog.grow = end
    assert bench.compare() == []
    assert bench.changelog.extends == 2


def test_what_moves_every_time_is_alive() -> None:
    bench = Bench()
    record = bench.task(1)
    bench.changelog.tell(record)
    bench.changelog.grow = lambda: bench.changelog.tell(record)
    assert bench.compare() == []
    assert bench.changelog.extends == TRIES


def test_a_record_about_to_be_removed_is_no_difference() -> None:
    bench = Bench()
    past = closed(bench.task(1), Source(1, 0, 9), remove_at_ms=PAST)
    bench.put(past)
    bench.changelog.tell(past)
    bench.changelog.tell_gone(past)
    assert bench.compare() == []


def test_what_does_not_fit_is_compared_by_reading_again() -> None:
    bench = Bench()
    bench.limit_bytes = 3000
    for number in range(20):
        bench.both(bench.task(number))
    missing = bench.task(20)
    bench.changelog.tell(missing)
    assert bench.compare() == [(missing.key.id, Difference.MISSING)]
