"""Where a home begins that was just assigned."""

from __future__ import annotations

import pytest

from runner.clock import ManualTicker
from runner.errors import LogUnavailable, PositionUnknown, StoreUnavailable
from runner.kafka.offsets import EARLIEST, start_offsets
from runner.store.calls import HomeCall, Ownership, ShardCall, Verdict
from tests.unit.worker.faults import Faults
from tests.unit.worker.faulty_store import FaultyStore
from tests.unit.worker.scripted_log import ScriptedLog


def opened(
    group: int | None, store: int | None, *, faults: Faults | None = None, incarnation: int = 1
) -> int:
    """Open home 0, where Kafka and the store know these offsets (None: nothing)."""
    faults = faults or Faults()
    log = ScriptedLog(ManualTicker(), faults)
    log.offsets = {} if group is None else {0: group}
    memory = FaultyStore(lambda: 1, faults)
    if store is not None:
        memory.open(Ownership("cluster", "requests", "topic-1", "group", 4))
        memory.note_committed(1, {0: store})
    return start_offsets([0], log, memory, incarnation)[0]


@pytest.mark.parametrize(
    ("group", "store", "begin"),
    [
        (7, 7, 7),
        (9, 7, 9),  # the note in the store was lost in a crash
        (7, 9, 9),  # somebody moved the group back
        (None, 9, 9),  # the group's offsets expired, or were deleted
        (0, 9, 9),
        (4, -1, 4),  # the store has seen no commit of this home yet
        (None, -1, EARLIEST),
        (None, 0, 0),
        (0, -1, 0),
    ],
)
def test_a_home_begins_at_the_furthest_offset_known_to_be_committed(
    group: int | None, store: int, begin: int
) -> None:
    assert opened(group, store) == begin


def test_a_home_added_to_the_topic_begins_at_its_first_message_once_and_where_it_was_later_on() -> None:
    faults = Faults()
    log = ScriptedLog(ManualTicker(), faults)
    store = FaultyStore(lambda: 1, faults)
    store.open(Ownership("cluster", "requests", "topic-1", "group", 4))
    assert start_offsets([6], log, store, 1) == {6: EARLIEST}
    store.note_committed(1, {6: 9})
    assert start_offsets([5, 6], log, store, 1) == {5: EARLIEST, 6: 9}
    assert store.homes() == 7


def test_a_home_added_to_the_topic_begins_where_the_group_says_if_it_says_something() -> None:
    faults = Faults()
    log = ScriptedLog(ManualTicker(), faults)
    log.offsets = {4: 30}
    store = FaultyStore(lambda: 1, faults)
    store.open(Ownership("cluster", "requests", "topic-1", "group", 4))
    assert start_offsets([4], log, store, 1) == {4: 30}


def test_a_home_the_store_has_lost_is_not_taken_for_one_that_was_added() -> None:
    faults = Faults()
    store = FaultyStore(lambda: 1, faults)
    store.open(Ownership("cluster", "requests", "topic-1", "group", 4))
    store._committed.clear()
    with pytest.raises(PositionUnknown, match="partition 3"):
        start_offsets([3], ScriptedLog(ManualTicker(), faults), store, 1)


def test_a_home_the_store_has_lost_begins_where_kafka_says() -> None:
    assert opened(7, None) == 7


def test_where_nobody_knows_the_worker_stops_and_names_the_remedy() -> None:
    with pytest.raises(PositionUnknown, match=r"partition 0.*restore Redis, or .*--reset-offsets"):
        opened(None, None)


def test_offsets_of_an_earlier_topic_of_this_name_do_not_count() -> None:
    with pytest.raises(PositionUnknown):
        opened(None, 9, incarnation=2)


def test_each_home_is_looked_at_by_itself() -> None:
    faults = Faults()
    log = ScriptedLog(ManualTicker(), faults)
    log.offsets = {1: 5, 3: 1}
    store = FaultyStore(lambda: 1, faults)
    store.open(Ownership("cluster", "requests", "topic-1", "group", 4))
    store.note_committed(1, {2: 8, 3: 6})
    assert start_offsets([0, 1, 2, 3], log, store, 1) == {0: EARLIEST, 1: 5, 2: 8, 3: 6}


@pytest.mark.parametrize(("group", "begin"), [(None, 8), (3, 8), (9, 9)])
def test_a_home_begins_at_its_fence_where_the_metadata_of_the_last_commit_was_lost(
    group: int | None, begin: int
) -> None:
    """Below it everything would be refused as superseded, for good."""
    faults = Faults()
    log = ScriptedLog(ManualTicker(), faults)
    log.offsets = {} if group is None else {0: group}
    store = FaultyStore(lambda: 1, faults)
    store.open(Ownership("cluster", "requests", "topic-1", "group", 4))
    store.note_committed(1, {0: 5})
    for shard, base in ((3, 8), (1, 6)):
        assert store.apply([ShardCall(shard, 1, (HomeCall(0, base),), ())]) == [Verdict.APPLIED]
    assert start_offsets([0], log, store, 1) == {0: begin}


def test_a_home_of_which_nothing_was_committed_begins_at_its_first_message_wherever_that_is() -> None:
    """Restoring it leaves a fence of 0; what was there may have had its retention."""
    faults = Faults()
    store = FaultyStore(lambda: 1, faults)
    store.open(Ownership("cluster", "requests", "topic-1", "group", 4))
    assert store.apply([ShardCall(1, 1, (HomeCall(0, 0),), ())]) == [Verdict.APPLIED]
    assert start_offsets([0], ScriptedLog(ManualTicker(), faults), store, 1) == {0: EARLIEST}


def test_outages_are_passed_on() -> None:
    faults = Faults()
    faults.once("log.committed", LogUnavailable("no answer"))
    with pytest.raises(LogUnavailable):
        opened(1, 1, faults=faults)
    faults.once("store.committed", StoreUnavailable("no answer"))
    with pytest.raises(StoreUnavailable):
        opened(1, 1, faults=faults)
