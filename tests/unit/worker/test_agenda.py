"""When to look at which index next."""

from __future__ import annotations

from runner.store.calls import Index, IndexKind
from runner.worker.agenda import SLACK, Agenda

MONTH_MS = 30 * 86_400_000


def owning(*homes: int) -> Agenda:
    """An agenda that has looked at what it took over."""
    agenda = Agenda(IndexKind.DEADLINES, ["orders"], 1)
    agenda.own(homes)
    agenda.take(0)
    return agenda


def at(home: int, shard: int = 0) -> Index:
    return Index(IndexKind.DEADLINES, "orders", shard, home)


def test_an_empty_agenda_expects_nothing() -> None:
    assert owning().next_ms() is None
    assert owning().take(10**15) == []


def test_indexes_are_taken_once_when_their_moment_has_come_the_longest_due_first() -> None:
    agenda = owning(0, 1, 2, 3)
    for home, moment_ms in ((0, 30), (1, 10), (2, 20), (3, 40)):
        agenda.expect(at(home), moment_ms)
    assert agenda.next_ms() == 10
    assert agenda.take(9) == []
    assert agenda.take(30) == [at(1), at(2), at(0)]
    assert agenda.next_ms() == 40
    assert agenda.take(30) == []


def test_the_earliest_moment_of_an_index_counts() -> None:
    agenda = owning(0, 1, 2, 3)
    agenda.expect(at(0), 30)
    agenda.expect(at(0), 50)
    assert agenda.next_ms() == 30
    agenda.expect(at(0), 10)
    assert agenda.take(10) == [at(0)]
    assert agenda.next_ms() is None, "what was there before is forgotten with it"


def test_an_index_that_was_taken_may_be_expected_again() -> None:
    agenda = owning(0, 1, 2, 3)
    agenda.expect(at(0), 10)
    agenda.take(10)
    agenda.expect(at(0), 30)
    assert agenda.next_ms() == 30


def test_what_is_taken_over_is_due_at_once_in_every_domain_and_shard() -> None:
    agenda = Agenda(IndexKind.REMOVALS, ["orders", "stock"], 2)
    agenda.own([4])
    agenda.take(0)
    agenda.own([4, 5])
    assert set(agenda.take(0)) == {
        Index(IndexKind.REMOVALS, domain, shard, 5) for domain in ("orders", "stock") for shard in (0, 1)
    }


def test_homes_that_are_let_go_are_forgotten_and_expect_nothing() -> None:
    agenda = owning(0, 1)
    agenda.expect(at(0), 10)
    agenda.expect(at(1), 20)
    agenda.own([1])
    agenda.expect(at(0), 15)
    assert agenda.next_ms() == 20
    assert agenda.take(99) == [at(1)]


def test_an_index_looked_at_again_and_again_holds_no_more_than_before() -> None:
    agenda = owning(0, 1)
    agenda.expect(at(1), MONTH_MS - 1)  # what is expected sooner hides what is outdated behind it
    for now_ms in range(1, 10_000):
        agenda.expect(at(0), MONTH_MS)
        agenda.expect(at(0), now_ms)
        assert agenda.take(now_ms) == [at(0)]
    assert len(agenda) <= 2 * 2 + SLACK + 1
    agenda.expect(at(0), MONTH_MS)
    assert agenda.take(MONTH_MS) == [at(1), at(0)]
