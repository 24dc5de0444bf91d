"""Applied offsets, verified homes, and how a shard that has lost something is filled again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from runner.actions.decision import Done
from runner.errors import StoreLost
from runner.store.calls import Change, Completeness, HomeCall, Index, Phase, Restoring, ShardCall, Verdict
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAINS,
    HOMES,
    OWNERSHIP,
    PAST,
    SHARDS,
    apply,
    call_of,
    closed,
    deadlines,
    indexes_equal_records,
    kept_at,
    key_in,
    opened,
    started,
)
from tests.contract.subjects import RestorableSubject

HOME = 1
TOKEN = "restorer-1"


@pytest.fixture
def store(restorable: RestorableSubject) -> RestorableSubject:
    """An opened store whose server was adopted."""
    restorable.bind_server()
    return restorable


def advanced(store: RestorableSubject, until: int, base: int = 0, shard: int = 0) -> Verdict:
    return apply(store, HomeCall(HOME, base, decided_up_to=until), shard=shard)


def step(
    store: RestorableSubject,
    phase: Phase,
    *changes: Change,
    base: int = 0,
    token: str = TOKEN,
    forget: Sequence[tuple[Index, str]] = (),
) -> Verdict:
    """Do one step of restoring shard 0 of the home."""
    homes = (HomeCall(HOME, base),)
    call = ShardCall(0, 1, homes, changes, Restoring(token, phase), tuple(forget))
    return store.apply([call])[0]


def verify(store: RestorableSubject, homes: Sequence[int]) -> None:
    store.verified(homes, HOMES, store.pending_tokens(homes, "a token"))


def load(store: RestorableSubject, key: TaskKey, base: int) -> Record | None:
    source = Source(1, HOME, base)
    store.pending_tokens([], "a token")
    return store.load(1, [(key, source)], Completeness({HOME: base})).records[key]


class TestAppliedOffsets:
    def test_a_call_whose_base_lies_beyond_the_applied_offset_is_lost_and_changes_nothing(
        self, store: RestorableSubject
    ) -> None:
        record = opened(key_in(store, 0), Source(1, HOME, 9))
        call = HomeCall(HOME, 9, ((9, Done(5)),), decided_up_to=10)
        assert apply(store, call, Change(record.key, None, record)) is Verdict.LOST
        assert store.records() == []
        assert kept_at(store, 0, HOME, [9]) == set()

    def test_an_applied_offset_moves_on_and_never_back(self, store: RestorableSubject) -> None:
        assert advanced(store, 10) is Verdict.APPLIED
        assert advanced(store, 5) is Verdict.APPLIED
        assert store.shards_behind(1, {HOME: 10}) == [(shard, HOME) for shard in range(1, SHARDS)]
        assert store.shards_behind(1, {HOME: 11}) == [(shard, HOME) for shard in range(SHARDS)]
        assert advanced(store, 12, base=10) is Verdict.APPLIED
        assert store.shards_behind(1, {HOME: 12}) == [(shard, HOME) for shard in range(1, SHARDS)]

    def test_without_applied_offsets_nothing_is_lost(self, store: RestorableSubject) -> None:
        assert apply(store, HomeCall(HOME, 99), shard=0) is Verdict.APPLIED

    def test_a_home_of_which_nothing_was_committed_lacks_nothing(self, store: RestorableSubject) -> None:
        assert store.shards_behind(1, {HOME: 0}) == []

    def test_applied_offsets_of_an_earlier_topic_of_the_name_say_nothing(
        self, store: RestorableSubject
    ) -> None:
        assert advanced(store, 10) is Verdict.APPLIED
        assert (0, HOME) in store.shards_behind(2, {HOME: 10})
        assert apply(store, HomeCall(HOME, 0, decided_up_to=3), incarnation=2, shard=0) is Verdict.APPLIED
        assert (0, HOME) in store.shards_behind(2, {HOME: 4})

    def test_nor_do_they_where_the_first_call_for_the_new_topic_moves_none(
        self, store: RestorableSubject
    ) -> None:
        assert advanced(store, 10) is Verdict.APPLIED
        assert apply(store, HomeCall(HOME, 0), incarnation=2, shard=0) is Verdict.APPLIED
        assert (0, HOME) in store.shards_behind(2, {HOME: 1})
        assert apply(store, HomeCall(HOME, 0, decided_up_to=3), incarnation=2, shard=0) is Verdict.APPLIED
        assert (0, HOME) in store.shards_behind(2, {HOME: 4})

    def test_in_a_topic_that_was_made_again_a_home_is_lost_until_it_was_looked_at(
        self, store: RestorableSubject
    ) -> None:
        """Tasks of the earlier topic may be gone although nothing was committed in the new one."""
        assert store.open(replace(OWNERSHIP, topic_id="made again")).incarnation == 2
        assert store.shards_behind(2, {HOME: 0}) == [(shard, HOME) for shard in range(SHARDS)]
        assert store.shards_behind(2, {HOMES: 0}) == [], "a partition that was added later"
        homes = (HomeCall(HOME, 0),)
        for phase in (Phase.BEGIN, Phase.END):
            call = ShardCall(0, 2, homes, (), Restoring(TOKEN, phase))
            assert store.apply([call]) == [Verdict.APPLIED]
        assert store.shards_behind(2, {HOME: 0}) == [(shard, HOME) for shard in range(1, SHARDS)]


class TestCompleteness:
    def test_what_is_there_is_given_if_the_applied_offset_has_come_to_the_base(
        self, store: RestorableSubject
    ) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, HOME, 0)))
        assert advanced(store, 7) is Verdict.APPLIED
        assert load(store, record.key, 7) == record
        with pytest.raises(StoreLost):
            load(store, record.key, 8)

    def test_what_is_not_there_is_said_only_once_every_home_was_verified(
        self, store: RestorableSubject
    ) -> None:
        key = key_in(store, 0)
        for home in range(HOMES):
            with pytest.raises(StoreLost):
                load(store, key, 0)
            verify(store, [home])
        assert load(store, key, 0) is None

    def test_what_is_closed_is_given_only_once_every_home_was_verified(
        self, store: RestorableSubject
    ) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, HOME, 0)))
        ended = closed(record, Source(1, HOME, 1))
        assert load(store, record.key, 0) == record
        order = HomeCall(HOME, 0)
        assert apply(store, order, Change(record.key, record, ended)) is Verdict.APPLIED
        with pytest.raises(StoreLost):
            load(store, record.key, 0)
        verify(store, range(HOMES))
        assert load(store, record.key, 0) == ended

    def test_another_record_is_given_only_once_every_home_was_verified_though_it_is_open(
        self, store: RestorableSubject
    ) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, HOME, 0)))
        other = started(store, opened(key_in(store, 0, 1), Source(1, HOME, 1)))
        store.pending_tokens([], "a token")
        reads = [(key, Source(1, HOME, 0)) for key in (record.key, other.key)]
        demand = Completeness({HOME: 0}, others={other.key})
        assert store.load(1, reads, Completeness({HOME: 0})).records[other.key] == other
        with pytest.raises(StoreLost):
            store.load(1, reads, demand)
        verify(store, range(HOMES))
        assert store.load(1, reads, demand, parts={record.key: ["life"]}).records[other.key] == other

    def test_a_home_that_is_being_restored_is_not_verified_any_more(self, store: RestorableSubject) -> None:
        key = key_in(store, 0)
        verify(store, range(HOMES))
        assert load(store, key, 0) is None
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        with pytest.raises(StoreLost):
            load(store, key, 0)
        assert step(store, Phase.END) is Verdict.APPLIED
        with pytest.raises(StoreLost):
            load(store, key, 0)
        verify(store, [HOME])
        assert load(store, key, 0) is None

    def test_a_token_from_before_a_home_was_restored_verifies_nothing(self, store: RestorableSubject) -> None:
        key = key_in(store, 0)
        verify(store, [home for home in range(HOMES) if home != HOME])
        tokens = store.pending_tokens([HOME], "before")
        assert tokens.keys() == set(range(SHARDS))
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert step(store, Phase.END) is Verdict.APPLIED
        store.verified([HOME], HOMES, tokens)
        with pytest.raises(StoreLost):
            load(store, key, 0)
        assert store.pending_tokens([HOME], "after") == {0: TOKEN}
        verify(store, [HOME])
        assert load(store, key, 0) is None

    def test_the_token_of_a_shard_stays_until_all_homes_asked_for_are_verified(
        self, store: RestorableSubject
    ) -> None:
        first = store.pending_tokens([0, HOME], "first")
        assert first == dict.fromkeys(range(SHARDS), "first")
        store.verified([0], HOMES, first)
        assert store.pending_tokens([0], "second") == {}
        assert store.pending_tokens([0, HOME], "second") == first

    def test_nothing_is_given_of_a_shard_that_nobody_has_looked_at(self, store: RestorableSubject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, HOME, 0)))
        with pytest.raises(StoreLost):
            store.load(1, [(record.key, Source(1, HOME, 0))], Completeness({HOME: 0}))

    def test_what_was_read_is_changed_only_while_nothing_was_lost_since(
        self, store: RestorableSubject
    ) -> None:
        verify(store, range(HOMES))
        key = key_in(store, 0)
        tokens = store.load(1, [(key, Source(1, HOME, 0))], Completeness({HOME: 0})).shard_tokens
        assert tokens == {0: "a token"}
        record = opened(key, Source(1, HOME, 0))
        call = call_of(
            store, HomeCall(HOME, 0, decided_up_to=1), Change(key, None, record), shard_token=tokens[0]
        )
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert step(store, Phase.END) is Verdict.APPLIED
        assert store.apply([call]) == [Verdict.LOST]
        assert store.records() == []


class TestRestoring:
    def test_a_shard_ends_with_what_is_written_and_its_applied_offset_at_the_base(
        self, store: RestorableSubject
    ) -> None:
        kept = opened(key_in(store, 0, 1), Source(1, HOME, 3), PAST)
        ended = closed(opened(key_in(store, 0, 2), Source(1, HOME, 4)), Source(1, HOME, 5))
        undated = opened(key_in(store, 0, 3), Source(1, HOME, 6), None)
        assert step(store, Phase.BEGIN, base=8) is Verdict.APPLIED
        records = (kept, ended, undated)
        assert step(store, Phase.WRITE, *(Change(r.key, None, r) for r in records)) is Verdict.APPLIED
        assert step(store, Phase.END, base=8) is Verdict.APPLIED
        assert sorted(r.key for r in store.records()) == sorted(r.key for r in records)
        assert [store.record(record.key) for record in records] == list(records)
        assert indexes_equal_records(store)
        assert (0, HOME) not in store.shards_behind(1, {HOME: 8})

    def test_what_is_held_of_a_home_can_be_taken_out(self, store: RestorableSubject) -> None:
        mine = started(store, opened(key_in(store, 0, 1), Source(1, HOME, 3), PAST))
        other = started(store, opened(key_in(store, 0, 2), Source(1, 0, 3), PAST))
        entries = store.index_entries(0, HOME, DOMAINS, 10)
        assert entries == [(deadlines(store, mine.key, HOME), f"1/{HOME}@3;0;{mine.key.id}")]
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        gone = Change(mine.key, mine, None, remove=True)
        assert step(store, Phase.WRITE, gone, forget=entries) is Verdict.APPLIED
        assert store.index_entries(0, HOME, DOMAINS, 10) == []
        assert [record.key for record in store.records()] == [other.key]
        assert indexes_equal_records(store)

    def test_entries_that_stand_for_nothing_go_as_well(self, store: RestorableSubject) -> None:
        record = started(store, opened(key_in(store, 0), Source(1, HOME, 3), PAST))
        entries = store.index_entries(0, HOME, DOMAINS, 10)
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert step(store, Phase.WRITE, forget=entries) is Verdict.APPLIED
        assert store.all_index_entries() == set()
        assert store.record(record.key) == record

    def test_a_record_is_put_only_where_the_same_is_there_as_was_thought(
        self, store: RestorableSubject
    ) -> None:
        there = started(store, opened(key_in(store, 0, 1), Source(1, 0, 3), PAST))
        told = opened(there.key, Source(1, HOME, 4), PAST)
        other = opened(key_in(store, 0, 2), Source(1, HOME, 5), PAST)
        changes = (Change(other.key, None, other), Change(told.key, None, told))
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert step(store, Phase.WRITE, *changes) is Verdict.CONFLICT
        assert store.records() == [there]
        assert step(store, Phase.WRITE, Change(there.key, there, None, remove=True)) is Verdict.APPLIED
        assert step(store, Phase.WRITE, *changes) is Verdict.APPLIED
        assert sorted(record.key for record in store.records()) == sorted([told.key, other.key])
        assert indexes_equal_records(store)

    def test_what_is_taken_out_goes_whatever_became_of_it(self, store: RestorableSubject) -> None:
        before = started(store, opened(key_in(store, 0), Source(1, HOME, 3), PAST))
        after = closed(before, Source(1, HOME, 4))
        assert apply(store, HomeCall(HOME, 0), Change(before.key, before, after)) is Verdict.APPLIED
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert step(store, Phase.WRITE, Change(before.key, before, None, remove=True)) is Verdict.APPLIED
        assert store.records() == []

    def test_no_more_is_held_out_than_was_asked_for(self, store: RestorableSubject) -> None:
        for number in range(5):
            started(store, opened(key_in(store, 0, number), Source(1, HOME, number), PAST))
        assert len(store.index_entries(0, HOME, DOMAINS, 3)) == 3

    def test_while_a_home_is_restored_nobody_else_writes_there(self, store: RestorableSubject) -> None:
        assert advanced(store, 5) is Verdict.APPLIED
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert advanced(store, 6) is Verdict.LOST
        assert store.shards_behind(1, {HOME: 0}) == [(0, HOME)]
        assert step(store, Phase.END, base=5) is Verdict.APPLIED
        assert advanced(store, 6, base=5) is Verdict.APPLIED

    def test_decisions_go_when_restoring_begins(self, store: RestorableSubject) -> None:
        assert apply(store, HomeCall(HOME, 0, ((2, Done(5)),), decided_up_to=3), shard=0) is Verdict.APPLIED
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert step(store, Phase.END) is Verdict.APPLIED
        assert kept_at(store, 0, HOME, [2]) == set()

    def test_who_begins_last_restores_and_others_are_superseded(self, store: RestorableSubject) -> None:
        record = opened(key_in(store, 0), Source(1, HOME, 3))
        assert step(store, Phase.BEGIN) is Verdict.APPLIED
        assert step(store, Phase.BEGIN, token="restorer-2") is Verdict.APPLIED
        assert step(store, Phase.WRITE, Change(record.key, None, record)) is Verdict.SUPERSEDED
        assert step(store, Phase.END) is Verdict.SUPERSEDED
        assert store.records() == []
        assert step(store, Phase.END, token="restorer-2") is Verdict.APPLIED
        assert step(store, Phase.WRITE, token="restorer-2") is Verdict.SUPERSEDED

    def test_a_restorer_from_before_the_fence_is_superseded(self, store: RestorableSubject) -> None:
        assert advanced(store, 9, base=0) is Verdict.APPLIED
        assert advanced(store, 12, base=9) is Verdict.APPLIED
        assert step(store, Phase.BEGIN, base=8) is Verdict.SUPERSEDED
        assert step(store, Phase.BEGIN, base=9) is Verdict.APPLIED


class TestMarkedByHand:
    """The changelog was written from the store: its homes had no applied offsets before, and lack nothing."""

    def test_lacks_nothing_up_to_its_base(self, store: RestorableSubject) -> None:
        assert apply(store, HomeCall(HOME, 7), shard=0) is Verdict.APPLIED
        assert (0, HOME) in store.shards_behind(1, {HOME: 7})
        assert _by_hand(store, 7) is Verdict.APPLIED
        assert store.shards_behind(1, {HOME: 7}) == [(shard, HOME) for shard in range(1, SHARDS)]
        assert (0, HOME) in store.shards_behind(1, {HOME: 8})

    def test_keeps_what_was_decided_and_is_not_committed(self, store: RestorableSubject) -> None:
        kept = HomeCall(HOME, 5, ((5, Done(5)), (8, Done(5))))
        assert apply(store, kept, shard=0) is Verdict.APPLIED
        assert _by_hand(store, 7) is Verdict.APPLIED
        assert kept_at(store, 0, HOME, [5, 8]) == {8}

    def test_is_refused_where_a_later_batch_was_seen(self, store: RestorableSubject) -> None:
        assert apply(store, HomeCall(HOME, 9), shard=0) is Verdict.APPLIED
        assert _by_hand(store, 7) is Verdict.SUPERSEDED
        assert (0, HOME) in store.shards_behind(1, {HOME: 7})


def _by_hand(store: RestorableSubject, base: int) -> Verdict:
    homes = (HomeCall(HOME, base, decided_up_to=base),)
    return store.apply([ShardCall(0, 1, homes, (), Restoring(TOKEN, Phase.SET_OFFSET))])[0]
