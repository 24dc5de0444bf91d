"""What becomes of records and decisions: written whole, refused whole, trimmed and removed."""

import msgspec
import pytest

from runner.actions.decision import Done
from runner.store.calls import Change, HomeCall, Index, IndexKind, Verdict
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAIN,
    FUTURE,
    OUTCOMES,
    PAST,
    apply,
    call_of,
    closed,
    deadlines,
    indexes_equal_records,
    kept_at,
    key_in,
    opened,
    removals,
    started,
)
from tests.contract.subjects import Subject

KEPT = Done(5)


class TestRevision:
    """A call is refused whole when the revision of one of its tasks is not the expected one."""

    def refused(self, store: Subject, moved: Change) -> None:
        other = opened(key_in(store, 0, 7), Source(1, 0, 9))
        before = (store.records(), store.all_index_entries())
        home = HomeCall(0, 6, ((6, KEPT),))
        for changes in ((moved, Change(other.key, None, other)), (Change(other.key, None, other), moved)):
            assert apply(store, home, *changes) is Verdict.CONFLICT
        assert (store.records(), store.all_index_entries()) == before
        assert kept_at(store, 0, 0, [6]) == set()
        assert apply(store, HomeCall(0, 5), shard=0) is Verdict.APPLIED, "the fence was raised"

    def test_expected_absent_but_there(self, store: Subject) -> None:
        key = key_in(store, 0)
        started(store, opened(key, Source(1, 0, 0)))
        self.refused(store, Change(key, None, opened(key, Source(1, 0, 1))))

    def test_expected_there_but_absent(self, store: Subject) -> None:
        record = opened(key_in(store, 0), Source(1, 0, 0))
        self.refused(store, Change(record.key, record, closed(record, Source(1, 0, 1))))

    def test_moved_on(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        ended = closed(record, Source(1, 0, 1))
        assert apply(store, HomeCall(0, 0), Change(record.key, record, ended)) is Verdict.APPLIED
        self.refused(store, Change(record.key, record, closed(record, Source(1, 0, 2))))

    def test_the_same_revision_of_a_later_record_on_another_home(self, store: Subject) -> None:
        """Removed, started anew and closed there: home 0 heard of nothing but the removal."""
        first = opened(key_in(store, 0), Source(1, 0, 0))
        later = opened(first.key, Source(1, 1, 0))
        ended, later_ended = closed(first, Source(1, 0, 1)), closed(later, Source(1, 1, 1))
        assert ended.revision == later_ended.revision
        removal = HomeCall(0, 5, require_none_kept=True)
        started(store, first)
        assert apply(store, HomeCall(0, 0), Change(first.key, first, ended)) is Verdict.APPLIED
        assert apply(store, removal, Change(first.key, ended, None, remove=True)) is Verdict.APPLIED
        assert apply(store, HomeCall(1, 0), Change(first.key, None, later)) is Verdict.APPLIED
        assert apply(store, HomeCall(1, 0), Change(first.key, later, later_ended)) is Verdict.APPLIED
        self.refused(store, Change(first.key, ended, None, remove=True))
        assert apply(store, removal, Change(first.key, ended, None, remove=True)) is Verdict.CONFLICT

    def test_not_there_yet(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        ended = closed(record, Source(1, 0, 1))
        self.refused(store, Change(record.key, ended, opened(record.key, Source(1, 0, 2), before=ended)))

    def test_is_asked_of_tasks_that_stay_as_they_are(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        self.refused(store, Change(record.key, None, None))

    def test_is_asked_of_removals(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        ended = closed(record, Source(1, 0, 1))
        self.refused(store, Change(record.key, ended, None, remove=True))

    def test_that_holds_leaves_a_task_as_it_is(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        absent = key_in(store, 0, 1)
        unchanged = (Change(record.key, record, None), Change(absent, None, None))
        assert apply(store, HomeCall(0, 0, ((1, KEPT),)), *unchanged) is Verdict.APPLIED
        assert store.records() == [record]
        assert indexes_equal_records(store)


class TestKeptDecisions:
    def test_one_that_is_there_refuses_the_whole_call(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 0, ((3, OUTCOMES[0]),)), shard=1) is Verdict.APPLIED
        record = opened(key_in(store, 1), Source(1, 1, 0))
        homes = (HomeCall(1, 0, ((0, KEPT),)), HomeCall(0, 2, ((2, KEPT), (3, KEPT), (4, KEPT))))
        for order in (homes, homes[::-1]):
            assert apply(store, order, Change(record.key, None, record)) is Verdict.CONFLICT
        assert store.records() == []
        assert store.all_index_entries() == set()
        assert kept_at(store, 1, 1, [0]) == set()
        source = Source(1, 0, 3)
        assert store.load(1, [(record.key, source)]).kept == {source: OUTCOMES[0]}
        assert kept_at(store, 1, 0, range(6)) == {3}

    def test_one_of_another_home_or_shard_does_not(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 0, ((3, KEPT),)), shard=1) is Verdict.APPLIED
        assert apply(store, HomeCall(1, 0, ((3, KEPT),)), shard=1) is Verdict.APPLIED
        assert apply(store, HomeCall(0, 0, ((3, KEPT),)), shard=2) is Verdict.APPLIED

    def test_the_same_call_twice_is_a_conflict(self, store: Subject) -> None:
        """A time-out whose command did happen: the loop loads again and finds the decisions."""
        record = opened(key_in(store, 0), Source(1, 0, 0))
        call = call_of(store, HomeCall(0, 0, ((0, KEPT),)), Change(record.key, None, record))
        assert store.apply([call, call]) == [Verdict.APPLIED, Verdict.CONFLICT]
        assert store.apply([call]) == [Verdict.CONFLICT]

    def test_each_call_is_applied_by_itself(self, store: Subject) -> None:
        there = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        news = [opened(key_in(store, shard, 1), Source(1, 1, shard)) for shard in range(3)]
        moved = opened(there.key, Source(1, 1, 9))
        calls = [
            call_of(
                store, HomeCall(1, 0), Change(news[0].key, None, news[0]), Change(there.key, None, moved)
            ),
            call_of(store, HomeCall(1, 0), Change(news[1].key, None, news[1])),
            call_of(store, HomeCall(1, 0), Change(news[2].key, None, news[2]), incarnation=0),
        ]
        assert apply(store, HomeCall(1, 0), shard=2) is Verdict.APPLIED
        assert store.apply(calls) == [Verdict.CONFLICT, Verdict.APPLIED, Verdict.SUPERSEDED]
        assert {record.key for record in store.records()} == {there.key, news[1].key}

    def test_of_no_call_there_is_no_verdict(self, store: Subject) -> None:
        assert store.apply([]) == []


class TestFence:
    def test_a_lower_base_is_superseded_and_writes_nothing(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 10, ((10, KEPT),)), shard=0) is Verdict.APPLIED
        record = opened(key_in(store, 0), Source(1, 1, 0))
        homes = (HomeCall(1, 0, ((0, KEPT),)), HomeCall(0, 9, ((9, KEPT),)))
        for order in (homes, homes[::-1]):
            assert apply(store, order, Change(record.key, None, record)) is Verdict.SUPERSEDED
        assert store.records() == []
        assert kept_at(store, 0, 0, range(12)) == {10}
        assert kept_at(store, 0, 1, [0]) == set()

    def test_a_lower_base_is_superseded_even_where_revisions_moved(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 10), shard=0) is Verdict.APPLIED
        record = opened(key_in(store, 0), Source(1, 0, 0))
        change = Change(record.key, record, closed(record, Source(1, 0, 1)))
        assert apply(store, HomeCall(0, 9, require_none_kept=True), change) is Verdict.SUPERSEDED

    def test_the_same_base_may_come_again_and_trims_nothing(self, store: Subject) -> None:
        for offset in (10, 11, 12):
            assert apply(store, HomeCall(0, 10, ((offset, KEPT),)), shard=0) is Verdict.APPLIED
        assert kept_at(store, 0, 0, range(14)) == {10, 11, 12}

    def test_a_higher_base_trims_what_lies_below_it_and_only_that(self, store: Subject) -> None:
        kept = tuple((offset, OUTCOMES[offset % len(OUTCOMES)]) for offset in (3, 5, 9, 10, 11, 100))
        assert apply(store, HomeCall(0, 3, kept), shard=0) is Verdict.APPLIED
        assert apply(store, HomeCall(0, 10, ((12, KEPT),)), shard=0) is Verdict.APPLIED
        assert kept_at(store, 0, 0, range(120)) == {10, 11, 12, 100}
        key, source = key_in(store, 0), Source(1, 0, 100)
        assert store.load(1, [(key, source)]).kept == {source: OUTCOMES[100 % len(OUTCOMES)]}

    def test_what_a_zombie_decided_beyond_the_base_answers_its_successor(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 0, ((0, KEPT), (5, OUTCOMES[2]))), shard=0) is Verdict.APPLIED
        assert apply(store, HomeCall(0, 4, ((4, KEPT),)), shard=0) is Verdict.APPLIED
        assert apply(store, HomeCall(0, 4, ((5, KEPT),)), shard=0) is Verdict.CONFLICT
        source = Source(1, 0, 5)
        assert store.load(1, [(key_in(store, 0), source)]).kept == {source: OUTCOMES[2]}

    def test_is_kept_for_each_shard_and_home(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 10), shard=0) is Verdict.APPLIED
        assert apply(store, HomeCall(1, 3), shard=0) is Verdict.APPLIED
        assert apply(store, HomeCall(0, 3), shard=1) is Verdict.APPLIED
        assert apply(store, HomeCall(0, 3), shard=0) is Verdict.SUPERSEDED

    def test_of_a_refused_call_is_not_raised(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        assert apply(store, HomeCall(0, 9), Change(record.key, None, record)) is Verdict.CONFLICT
        assert apply(store, HomeCall(0, 1), shard=0) is Verdict.APPLIED


class TestIncarnation:
    def test_an_older_one_is_superseded_whatever_its_base(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 0, ((0, KEPT),)), shard=0, incarnation=2) is Verdict.APPLIED
        record = opened(key_in(store, 0), Source(1, 0, 99))
        change = Change(record.key, None, record)
        assert apply(store, HomeCall(0, 99, ((99, KEPT),)), change, incarnation=1) is Verdict.SUPERSEDED
        assert store.records() == []
        assert kept_at(store, 0, 0, range(100), incarnation=2) == {0}

    def test_a_newer_one_forgets_the_decisions_and_the_fence(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 90, ((90, KEPT), (91, KEPT))), shard=0) is Verdict.APPLIED
        home = HomeCall(0, 0, ((0, KEPT), (91, OUTCOMES[0])))
        assert apply(store, home, shard=0, incarnation=2) is Verdict.APPLIED
        assert kept_at(store, 0, 0, range(100), incarnation=2) == {0, 91}
        assert apply(store, HomeCall(0, 5), shard=0, incarnation=2) is Verdict.APPLIED
        assert apply(store, HomeCall(0, 4), shard=0, incarnation=2) is Verdict.SUPERSEDED

    def test_a_newer_one_keeps_the_records(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        ended = closed(record, Source(2, 0, 0))
        change = Change(record.key, record, ended)
        assert apply(store, HomeCall(0, 0), change, incarnation=2) is Verdict.APPLIED
        assert store.records() == [ended]
        assert indexes_equal_records(store)

    def test_a_newer_one_may_remove_what_an_older_one_decided(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        ended = closed(record, Source(1, 0, 7))
        change = Change(record.key, record, ended)
        assert apply(store, HomeCall(0, 7, ((7, KEPT),)), change) is Verdict.APPLIED
        removal = Change(record.key, ended, None, remove=True)
        assert apply(store, HomeCall(0, 0, require_none_kept=True), removal, incarnation=2) is Verdict.APPLIED
        assert store.records() == []


class TestRemoval:
    def ended(self, store: Subject, base: int = 0) -> Record:
        """Store a task that was closed by offset 7 of its home, and that decision."""
        record = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        ended = closed(record, Source(1, 0, 7), PAST)
        call = HomeCall(0, base, ((7, KEPT),))
        assert apply(store, call, Change(record.key, record, ended)) is Verdict.APPLIED
        return ended

    @pytest.mark.parametrize("base", [0, 6, 7])
    def test_is_refused_while_a_decision_is_kept_that_may_be_asked_for(
        self, store: Subject, base: int
    ) -> None:
        ended = self.ended(store)
        removal = Change(ended.key, ended, None, remove=True)
        assert apply(store, HomeCall(0, base, require_none_kept=True), removal) is Verdict.CONFLICT
        assert store.records() == [ended]
        assert indexes_equal_records(store)
        assert kept_at(store, 0, 0, range(10)) == {7}

    def test_takes_away_record_and_entry_and_raises_the_fence(self, store: Subject) -> None:
        ended = self.ended(store)
        removal = Change(ended.key, ended, None, remove=True)
        assert apply(store, HomeCall(0, 8, require_none_kept=True), removal) is Verdict.APPLIED
        assert store.records() == []
        assert store.record(ended.key) is None
        assert store.all_index_entries() == set()
        assert kept_at(store, 0, 0, range(10)) == set()
        assert apply(store, HomeCall(0, 7), shard=0) is Verdict.SUPERSEDED

    def test_keeps_a_zombie_from_the_next_generation(self, store: Subject) -> None:
        """The zombie closed revision 1 of the task that went; now another one has revision 1."""
        first = opened(key_in(store, 0), Source(1, 0, 0))
        ended = self.ended(store)
        assert (
            apply(store, HomeCall(0, 8, require_none_kept=True), Change(ended.key, ended, None, remove=True))
            is Verdict.APPLIED
        )
        again = opened(ended.key, Source(1, 0, 8))
        assert apply(store, HomeCall(0, 8, ((8, KEPT),)), Change(again.key, None, again)) is Verdict.APPLIED
        zombie = Change(first.key, first, closed(first, Source(1, 0, 5)))
        assert apply(store, HomeCall(0, 0, ((5, KEPT),)), zombie) is Verdict.SUPERSEDED
        assert store.records() == [again]

    def test_of_several_at_once(self, store: Subject) -> None:
        records = [started(store, opened(key_in(store, 0, n), Source(1, 0, n), PAST)) for n in range(5)]
        ended = [closed(record, Source(1, 0, 9), PAST) for record in records]
        changes = [Change(old.key, old, new) for old, new in zip(records, ended, strict=True)]
        assert apply(store, HomeCall(0, 0), *changes) is Verdict.APPLIED
        gone = [Change(record.key, record, None, remove=True) for record in ended[1:]]
        assert apply(store, HomeCall(0, 0, require_none_kept=True), *gone) is Verdict.APPLIED
        assert store.records() == ended[:1]
        assert indexes_equal_records(store)


class TestIndexes:
    """A record has the one entry that its state says, whatever happened before."""

    def test_an_open_task_with_a_deadline_is_among_the_deadlines_of_its_home(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 1), Source(1, 2, 5), FUTURE))
        member = f"1/2@5;0;{record.key.id}"
        assert store.all_index_entries() == {(deadlines(store, record.key, 2), member, FUTURE)}

    def test_an_open_task_without_deadline_has_an_entry_at_its_start(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 1), Source(1, 2, 5), None))
        index = Index(IndexKind.UNDATED, DOMAIN, 1, 2)
        assert store.all_index_entries() == {(index, record.key.id, record.state.created_ms)}

    @pytest.mark.parametrize("deadline_ms", [FUTURE, PAST, None])
    def test_a_closed_task_is_among_the_removals_of_its_home(
        self, store: Subject, deadline_ms: int | None
    ) -> None:
        record = started(store, opened(key_in(store, 1), Source(1, 2, 5), deadline_ms))
        ended = closed(record, Source(1, 0, 6), FUTURE + 1)
        assert apply(store, HomeCall(2, 0), Change(record.key, record, ended)) is Verdict.APPLIED
        member = f"2;{record.key.id}"
        assert store.all_index_entries() == {(removals(store, record.key, 2), member, FUTURE + 1)}

    def test_a_new_generation_moves_the_entry_to_its_own_home(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 1), Source(1, 2, 5)))
        ended = closed(record, Source(1, 2, 6))
        assert apply(store, HomeCall(2, 0), Change(record.key, record, ended)) is Verdict.APPLIED
        again = opened(record.key, Source(1, 0, 40), PAST, before=ended)
        assert apply(store, HomeCall(0, 0), Change(record.key, ended, again)) is Verdict.APPLIED
        member = f"1/0@40;0;{record.key.id}"
        assert store.all_index_entries() == {(deadlines(store, record.key, 0), member, PAST)}

    def test_a_change_of_epoch_replaces_the_entry(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 1), Source(1, 2, 5)))
        state = msgspec.structs.replace(record.state, epoch=3, deadline_ms=PAST)
        after = Record(record.key, 2, state, record.start)
        assert apply(store, HomeCall(2, 0), Change(record.key, record, after)) is Verdict.APPLIED
        member = f"1/2@5;3;{record.key.id}"
        assert store.all_index_entries() == {(deadlines(store, record.key, 2), member, PAST)}

    def test_a_change_that_moves_nothing_leaves_the_entry(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 1), Source(1, 2, 5)))
        before = store.all_index_entries()
        after = Record(record.key, 2, msgspec.structs.replace(record.state, user="bob"), record.start)
        assert apply(store, HomeCall(2, 0), Change(record.key, record, after)) is Verdict.APPLIED
        assert store.record(record.key) == after
        assert store.all_index_entries() == before

    def test_a_call_with_thousands_of_tasks_moves_all_of_them(self, store: Subject) -> None:
        ids = [f"task-{n}" for n in range(12_000)]
        keys = [TaskKey(DOMAIN, id_) for id_ in ids if store.shard(id_) == 0]
        records = [opened(key, Source(1, 0, n), PAST) for n, key in enumerate(keys)]
        assert len(records) > 2_500
        changes = [Change(record.key, None, record) for record in records]
        assert apply(store, HomeCall(0, 0), *changes) is Verdict.APPLIED
        ended = [closed(record, Source(1, 0, 9)) for record in records]
        changes = [Change(old.key, old, new) for old, new in zip(records, ended, strict=True)]
        assert apply(store, HomeCall(0, 0), *changes) is Verdict.APPLIED
        assert len(store.all_index_entries()) == len(records)
        assert indexes_equal_records(store)
