"""When to look at which index next."""

from __future__ import annotations

from runner.store.calls import Index, IndexKind
from runner.worker.agenda import Agenda


def at(home: int, shard: int = 0) -> Index:
    return Index(IndexKind.DEADLINES, "orders", shard, home)


def test_an_empty_agenda_expects_nothing() -> None:
    assert Agenda().next_ms() is None
    assert Agenda().take(10**15) == []


def test_indexes_are_taken_once_when_their_moment_has_come_the_longest_due_first() -> None:
    agenda = Agenda()
    for home, moment_ms in ((0, 30), (1, 10), (2, 20), (3, 40)):
        agenda.expect(at(home), moment_ms)
    assert agenda.next_ms() == 10
    assert agenda.take(9) == []
    assert agenda.take(30) == [at(1), at(2), at(0)]
    assert agenda.next_ms() == 40
    assert agenda.take(30) == []


def test_the_earliest_moment_of_an_index_counts() -> None:
    agenda = Agenda()
    agenda.expect(at(0), 30)
    agenda.expect(at(0), 50)
    assert agenda.next_ms() == 30
    agenda.expect(at(0), 10)
    assert agenda.take(10) == [at(0)]
    assert agenda.next_ms() is None, "what was there before is forgotten with it"


def test_an_index_that_was_taken_may_be_expected_again() -> None:
    agenda = Agenda()
    agenda.expect(at(0), 10)
    agenda.take(10)
    agenda.expect(at(0), 30)
    assert agenda.next_ms() == 30


def test_unwanted_indexes_are_forgotten() -> None:
    agenda = Agenda()
    agenda.expect(at(0), 10)
    agenda.expect(at(1), 20)
    agenda.keep(lambda index: index.home == 1)
    assert agenda.next_ms() == 20
    agenda.expect(at(0), 15)
    assert agenda.take(99) == [at(0), at(1)]
