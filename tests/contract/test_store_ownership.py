"""Whose key space it is, how incarnations are counted, and how far the log is known to be committed."""

from dataclasses import replace

import pytest

from runner.errors import StoreMismatch
from runner.store.calls import HomeCall, Opened, Ownership, ShardCall, Verdict
from tests.contract.samples import HOMES, OWNERSHIP
from tests.contract.subjects import Subject


class TestOpen:
    def test_of_an_empty_key_space_creates_it(self, fresh: Subject) -> None:
        assert not fresh.exists()
        assert fresh.open(OWNERSHIP) == Opened(1, created=True)
        assert fresh.exists()
        assert fresh.open(OWNERSHIP) == Opened(1, created=False)
        assert fresh.homes() == HOMES

    @pytest.mark.parametrize(
        ("name", "mine", "given"),
        [
            ("cluster", "cluster-1", replace(OWNERSHIP, cluster_id="another")),
            ("topic", "requests", replace(OWNERSHIP, topic="another")),
            ("group", "group-1", replace(OWNERSHIP, group="another")),
        ],
    )
    def test_of_somebody_elses_is_refused_by_name(
        self, store: Subject, name: str, mine: str, given: Ownership
    ) -> None:
        with pytest.raises(StoreMismatch, match=f"(?s){name}.*{mine}.*another"):
            store.open(given)
        assert store.open(OWNERSHIP) == Opened(1)

    def test_with_a_new_topic_id_is_the_next_incarnation(self, store: Subject) -> None:
        for number in (2, 3):
            again = replace(OWNERSHIP, topic_id=f"topic-{number}")
            assert store.open(again) == Opened(number)
            assert store.open(again) == Opened(number)

    def test_with_an_older_topic_id_is_refused(self, store: Subject) -> None:
        newer = replace(OWNERSHIP, topic_id="topic-2")
        store.open(newer)
        with pytest.raises(StoreMismatch, match="topic id"):
            store.open(OWNERSHIP)
        assert store.open(newer) == Opened(2)

    def test_of_somebody_elses_counts_no_incarnation(self, store: Subject) -> None:
        with pytest.raises(StoreMismatch):
            store.open(replace(OWNERSHIP, topic_id="topic-2", group="another"))
        assert store.open(replace(OWNERSHIP, topic_id="topic-3")) == Opened(2)

    def test_with_more_partitions_adds_them(self, store: Subject) -> None:
        store.note_committed(1, {0: 5, 2: 0})
        assert store.open(replace(OWNERSHIP, partitions=HOMES + 2)) == Opened(1)
        assert store.committed(1) == {0: 5, 1: -1, 2: 0, 3: -1, 4: -1}

    @pytest.mark.parametrize("topic_id", [OWNERSHIP.topic_id, "topic-2"])
    def test_with_fewer_partitions_is_refused(self, store: Subject, topic_id: str) -> None:
        """Whatever waits on the homes that went would wait for ever."""
        with pytest.raises(StoreMismatch, match="partitions"):
            store.open(replace(OWNERSHIP, topic_id=topic_id, partitions=HOMES - 1))
        assert store.open(OWNERSHIP) == Opened(1)
        assert set(store.committed(1)) == set(range(HOMES))

    def test_grown_and_made_again_knows_all_partitions(self, store: Subject) -> None:
        store.open(replace(OWNERSHIP, partitions=5))
        store.open(replace(OWNERSHIP, partitions=6, topic_id="topic-2"))
        assert store.committed(2) == dict.fromkeys(range(6), -1)


class TestAddHomes:
    def test_notes_that_nothing_of_the_new_ones_is_committed(self, store: Subject) -> None:
        store.note_committed(1, {0: 5})
        store.add_homes(1, HOMES + 2)
        assert store.homes() == HOMES + 2
        assert store.committed(1) == {0: 5, 1: -1, 2: -1, 3: -1, 4: -1}

    def test_again_or_of_fewer_changes_nothing(self, store: Subject) -> None:
        store.add_homes(1, HOMES + 1)
        store.note_committed(1, {0: 5, HOMES: 7})
        for homes in (HOMES + 1, HOMES, 1):
            store.add_homes(1, homes)
        assert store.homes() == HOMES + 1
        assert store.committed(1) == {0: 5, 1: -1, 2: -1, HOMES: 7}

    @pytest.mark.parametrize("incarnation", [0, 2, 11])
    def test_of_another_incarnation_changes_nothing(self, store: Subject, incarnation: int) -> None:
        store.add_homes(incarnation, HOMES + 1)
        assert store.homes() == HOMES
        assert store.committed(1) == dict.fromkeys(range(HOMES), -1)
        assert store.committed(incarnation) == {}

    def test_of_an_earlier_incarnation_changes_nothing(self, store: Subject) -> None:
        store.open(replace(OWNERSHIP, topic_id="topic-2"))
        store.add_homes(1, HOMES + 1)
        assert store.homes() == HOMES
        assert HOMES not in store.committed(1)

    def test_makes_no_key_space_where_there_is_none(self, fresh: Subject) -> None:
        fresh.add_homes(1, HOMES)
        assert not fresh.exists()
        assert (fresh.homes(), fresh.committed(1)) == (0, {})

    def test_is_kept_when_the_store_is_opened_again(self, store: Subject) -> None:
        store.add_homes(1, HOMES + 2)
        with pytest.raises(StoreMismatch, match="partitions"):
            store.open(OWNERSHIP)
        assert store.open(replace(OWNERSHIP, partitions=HOMES + 2)) == Opened(1)
        store.add_homes(1, HOMES + 3)
        assert store.committed(1) == dict.fromkeys(range(HOMES + 3), -1)


class TestCommitted:
    def test_is_none_yet_of_every_partition_at_first(self, store: Subject) -> None:
        assert store.committed(1) == dict.fromkeys(range(HOMES), -1)

    def test_never_moves_back(self, store: Subject) -> None:
        store.note_committed(1, {0: 7, 1: 0})
        store.note_committed(1, {0: 6, 1: 1})
        assert store.committed(1) == {0: 7, 1: 1, 2: -1}

    def test_of_nothing_notes_nothing(self, store: Subject) -> None:
        store.note_committed(1, {})
        assert store.committed(1) == dict.fromkeys(range(HOMES), -1)

    def test_is_kept_for_each_incarnation(self, store: Subject) -> None:
        store.note_committed(1, {0: 70, 1: 8})
        store.open(replace(OWNERSHIP, topic_id="topic-2"))
        assert store.committed(2) == dict.fromkeys(range(HOMES), -1)
        store.note_committed(2, {0: 3})
        assert store.committed(2) == {0: 3, 1: -1, 2: -1}
        assert store.committed(1) == {0: 70, 1: 8, 2: -1}
        assert store.committed(12) == {}

    def test_survives_opening_again(self, store: Subject) -> None:
        store.note_committed(1, {0: 7})
        store.open(OWNERSHIP)
        assert store.committed(1) == {0: 7, 1: -1, 2: -1}

    def test_of_large_offsets(self, store: Subject) -> None:
        store.note_committed(1, {0: 2**50 + 1})
        store.note_committed(1, {0: 2**50})
        assert store.committed(1)[0] == 2**50 + 1


class TestFences:
    def test_of_homes_never_seen_are_left_out(self, store: Subject) -> None:
        assert store.fences(1, range(HOMES)) == {}
        assert store.fences(1, []) == {}

    def test_are_the_highest_base_in_any_shard(self, store: Subject) -> None:
        for shard, home, base in ((0, 0, 4), (1, 0, 7), (0, 1, 9), (1, 2, 0), (0, 0, 5)):
            assert store.apply([ShardCall(shard, 1, (HomeCall(home, base),), ())]) == [Verdict.APPLIED]
        assert store.fences(1, range(HOMES)) == {0: 7, 1: 9, 2: 0}
        assert store.fences(1, [1]) == {1: 9}

    def test_are_those_of_the_incarnation(self, store: Subject) -> None:
        assert store.apply([ShardCall(0, 1, (HomeCall(0, 40),), ())]) == [Verdict.APPLIED]
        assert store.apply([ShardCall(1, 2, (HomeCall(0, 3),), ())]) == [Verdict.APPLIED]
        assert store.fences(1, [0]) == {0: 40}
        assert store.fences(2, [0]) == {0: 3}


def test_ping_returns(fresh: Subject) -> None:
    fresh.ping()
