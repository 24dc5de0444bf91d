"""What a load finds: what was written, of any kind, size and name."""

import msgspec
import pytest

from runner.actions.decision import Done, Outcome
from runner.store.calls import Change, HomeCall, Verdict
from runner.store.indexing import parse_removal
from runner.tasks.due import parse_member
from runner.tasks.keys import TaskKey
from runner.tasks.parts import TaskStart, TaskState
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAIN,
    DOMAINS,
    ODD_IDS,
    OUTCOMES,
    PAST,
    apply,
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


class TestLoad:
    def test_of_nothing_gives_the_time_only(self, store: Subject) -> None:
        loaded = store.load(1, [])
        assert loaded.now_ms > 1_700_000_000_000
        assert (loaded.records, loaded.kept) == ({}, {})

    def test_names_every_task_that_was_asked_for(self, store: Subject) -> None:
        there = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        absent = [key_in(store, 0, 1), key_in(store, 1), TaskKey("another", there.key.id)]
        loaded = store.load(1, [(key, Source(1, 0, n)) for n, key in enumerate([there.key, *absent])])
        assert loaded.records == {there.key: there, **dict.fromkeys(absent)}
        assert loaded.now_ms > 1_700_000_000_000

    def test_reads_a_task_of_many_events_and_homes_once(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 2), Source(1, 0, 0)))
        kept = HomeCall(2, 7, ((7, OUTCOMES[0]), (9, OUTCOMES[1])))
        assert apply(store, kept, shard=2) is Verdict.APPLIED
        sources = [Source(1, home, offset) for offset in (9, 8, 7) for home in (2, 0)]
        loaded = store.load(1, [(record.key, source) for source in sources])
        assert loaded.records == {record.key: record}
        assert loaded.kept == {Source(1, 2, 7): OUTCOMES[0], Source(1, 2, 9): OUTCOMES[1]}

    def test_gives_the_decisions_of_this_incarnation_only(self, store: Subject) -> None:
        assert apply(store, HomeCall(0, 0, ((4, KEPT),)), shard=0, incarnation=2) is Verdict.APPLIED
        assert kept_at(store, 0, 0, [4], incarnation=2) == {4}
        assert kept_at(store, 0, 0, [4], incarnation=1) == set()
        assert kept_at(store, 0, 0, [4], incarnation=3) == set()

    def test_gives_a_decision_to_whoever_names_a_task_of_its_shard_there_or_not(self, store: Subject) -> None:
        """What a limit refuses is looked for so: which task it is about cannot be told."""
        home = HomeCall(1, 4, ((4, OUTCOMES[0]),))
        assert apply(store, home, shard=3) is Verdict.APPLIED
        reads = [(key_in(store, shard, domain=""), Source(1, 1, 4)) for shard in range(store.shards)]
        assert store.load(1, reads).kept == {Source(1, 1, 4): OUTCOMES[0]}
        assert not store.load(1, reads[:3]).kept

    def test_of_more_events_than_a_script_may_unpack(self, store: Subject) -> None:
        count = 20_000
        home = HomeCall(0, 0, tuple((offset, KEPT) for offset in range(0, count, 2)))
        assert apply(store, home, shard=0) is Verdict.APPLIED
        assert kept_at(store, 0, 0, range(count)) == set(range(0, count, 2))
        assert apply(store, HomeCall(0, count, ()), shard=0) is Verdict.APPLIED
        assert kept_at(store, 0, 0, range(count)) == set()


class TestRoundTrip:
    @pytest.mark.parametrize("id_", ODD_IDS.values(), ids=ODD_IDS)
    def test_of_odd_ids(self, store: Subject, id_: str) -> None:
        key = TaskKey(DOMAIN, id_)
        record = started(store, opened(key, Source(1, 1, 3), PAST))
        assert store.records() == [record]
        [(member, score)] = (
            store.due([deadlines(store, key, 1)], 10).by_index[deadlines(store, key, 1)].entries
        )
        due = parse_member(member, DOMAIN, 1, score)
        assert (due.key, due.started_by, due.deadline_ms, due.member) == (key, Source(1, 1, 3), PAST, member)

        after = closed(record, Source(1, 1, 4), PAST)
        assert apply(store, HomeCall(1, 0), Change(key, record, after)) is Verdict.APPLIED
        [(member, _)] = store.due([removals(store, key, 1)], 10).by_index[removals(store, key, 1)].entries
        assert parse_removal(removals(store, key, 1), member) == (2, id_)
        assert apply(store, HomeCall(1, 0), Change(key, after, None, remove=True)) is Verdict.APPLIED
        assert store.records() == []
        assert store.all_index_entries() == set()

    @pytest.mark.parametrize("domain", DOMAINS)
    def test_of_odd_domains(self, store: Subject, domain: str) -> None:
        record = started(store, opened(TaskKey(domain, "one"), Source(1, 0, 0)))
        assert store.records() == [record]
        assert indexes_equal_records(store)

    def test_keeps_equal_ids_of_two_domains_apart(self, store: Subject) -> None:
        records = [
            started(store, opened(TaskKey(domain, "one"), Source(1, 0, n)))
            for n, domain in enumerate(DOMAINS)
        ]
        loaded = store.load(1, [(record.key, Source(1, 0, 0)) for record in records])
        assert loaded.records == {record.key: record for record in records}

    def test_of_a_record_with_as_little_as_there_can_be(self, store: Subject) -> None:
        whole = opened(key_in(store, 0), Source(1, 0, 0))
        state = TaskState(whole.state.status, home=0, source=str(Source(1, 0, 0)), created_ms=0)
        bare = Record(whole.key, 1, state, TaskStart(event=msgspec.Raw(b"{}")))
        started(store, bare)
        assert store.record(bare.key) == bare
        assert indexes_equal_records(store)

    def test_of_stored_data_that_is_null(self, store: Subject) -> None:
        whole = opened(key_in(store, 0), Source(1, 0, 0))
        start = msgspec.structs.replace(whole.start, data=msgspec.Raw(b"null"))
        started(store, Record(whole.key, 1, whole.state, start))
        found = store.record(whole.key)
        assert found is not None
        assert found.start.data == msgspec.Raw(b"null")

    def test_of_an_event_of_a_megabyte(self, store: Subject) -> None:
        whole = opened(key_in(store, 0), Source(1, 0, 0))
        event = msgspec.Raw(msgspec.json.encode({"payload": "ü\n\0" * 300_000}))
        record = started(store, Record(whole.key, 1, whole.state, TaskStart(event=event)))
        assert store.record(record.key) == record

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
    def test_of_every_kind_of_outcome(self, store: Subject, outcome: Outcome) -> None:
        assert apply(store, HomeCall(1, 0, ((0, outcome),)), shard=3) is Verdict.APPLIED
        source = Source(1, 1, 0)
        assert store.load(1, [(key_in(store, 3), source)]).kept == {source: outcome}

    def test_of_large_offsets(self, store: Subject) -> None:
        large = 2**50
        assert (
            apply(store, HomeCall(1, large, ((large, KEPT), (large + 1, KEPT))), shard=3) is Verdict.APPLIED
        )
        assert kept_at(store, 3, 1, [large - 1, large, large + 1, large + 2]) == {large, large + 1}
        assert apply(store, HomeCall(1, large - 1), shard=3) is Verdict.SUPERSEDED
        assert apply(store, HomeCall(1, large + 1), shard=3) is Verdict.APPLIED
        assert kept_at(store, 3, 1, [large, large + 1]) == {large + 1}

    def test_keeps_the_start_of_a_generation_until_the_next(self, store: Subject) -> None:
        first = started(store, opened(key_in(store, 0), Source(1, 0, 0)))
        loaded = store.record(first.key)
        assert loaded is not None
        ended = closed(loaded, Source(1, 0, 1))
        assert apply(store, HomeCall(0, 0), Change(first.key, loaded, ended)) is Verdict.APPLIED
        assert store.record(first.key) == ended
        again = opened(first.key, Source(1, 0, 2), before=ended)
        assert apply(store, HomeCall(0, 0), Change(first.key, ended, again)) is Verdict.APPLIED
        assert store.record(first.key) == again

    def test_of_a_task_started_and_closed_in_one_call(self, store: Subject) -> None:
        record = opened(key_in(store, 0), Source(1, 0, 0))
        ended = closed(record, Source(1, 0, 1))
        assert apply(store, HomeCall(0, 0), Change(record.key, None, ended)) is Verdict.APPLIED
        assert store.records() == [ended]
        assert indexes_equal_records(store)
