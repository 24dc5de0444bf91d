"""When to look at which index next."""

from __future__ import annotations

from runner.store.calls import Index, IndexKind
from runner.worker.schedule import SLACK, Schedule

MONTH_MS = 30 * 86_400_000


def owning(*homes: int) -> Schedule:
    """An agenda that has looked at what it took over."""
    schedule = Schedule((IndexKind.DEADLINES,), ["orders"], 1)
    schedule.assign(homes)
    schedule.pop_due(0)
    return schedule


def at(home: int, shard: int = 0) -> Index:
    return Index(IndexKind.DEADLINES, "orders", shard, home)


def test_an_empty_agenda_expects_nothing() -> None:
    assert owning().next_ms() is None
    assert owning().pop_due(10**15) == []


def test_indexes_are_taken_once_when_their_moment_has_come_the_longest_due_first() -> None:
    schedule = owning(0, 1, 2, 3)
    for home, moment_ms in ((0, 30), (1, 10), (2, 20), (3, 40)):
        schedule.schedule(at(home), moment_ms)
    assert schedule.next_ms() == 10
    assert schedule.pop_due(9) == []
    assert schedule.pop_due(30) == [at(1), at(2), at(0)]
    assert schedule.next_ms() == 40
    assert schedule.pop_due(30) == []


def test_the_earliest_moment_of_an_index_counts() -> None:
    schedule = owning(0, 1, 2, 3)
    schedule.schedule(at(0), 30)
    schedule.schedule(at(0), 50)
    assert schedule.next_ms() == 30
    schedule.schedule(at(0), 10)
    assert schedule.pop_due(10) == [at(0)]
    assert schedule.next_ms() is None, "what was there before is forgotten with it"


def test_an_index_that_was_taken_may_be_expected_again() -> None:
    schedule = owning(0, 1, 2, 3)
    schedule.schedule(at(0), 10)
    schedule.pop_due(10)
    schedule.schedule(at(0), 30)
    assert schedule.next_ms() == 30


def test_what_is_taken_over_is_due_at_once_in_every_domain_and_shard() -> None:
    schedule = Schedule((IndexKind.REMOVALS,), ["orders", "stock"], 2)
    schedule.assign([4])
    schedule.pop_due(0)
    schedule.assign([4, 5])
    assert set(schedule.pop_due(0)) == {
        Index(IndexKind.REMOVALS, domain, shard, 5) for domain in ("orders", "stock") for shard in (0, 1)
    }


def test_homes_that_are_let_go_are_forgotten_and_expect_nothing() -> None:
    schedule = owning(0, 1)
    schedule.schedule(at(0), 10)
    schedule.schedule(at(1), 20)
    schedule.assign([1])
    schedule.schedule(at(0), 15)
    assert schedule.next_ms() == 20
    assert schedule.pop_due(99) == [at(1)]


def test_an_index_looked_at_again_and_again_holds_no_more_than_before() -> None:
    schedule = owning(0, 1)
    schedule.schedule(at(1), MONTH_MS - 1)  # what is expected sooner hides what is outdated behind it
    for now_ms in range(1, 10_000):
        schedule.schedule(at(0), MONTH_MS)
        schedule.schedule(at(0), now_ms)
        assert schedule.pop_due(now_ms) == [at(0)]
    assert len(schedule) <= 2 * 2 + SLACK + 1
    schedule.schedule(at(0), MONTH_MS)
    assert schedule.pop_due(MONTH_MS) == [at(1), at(0)]
