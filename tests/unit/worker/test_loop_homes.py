"""Homes that cannot go on, that come and go, and that are new."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

from runner.changelog.restorer import Extent, Restorer
from runner.changelog.snapshot import ChangelogRecord
from runner.errors import LogUnavailable, StoreUnavailable
from runner.worker.components import LoopLimits
from tests.unit.worker.opened import answered, opened, proceed, start
from tests.unit.worker.rig import DEAD_LETTERS, HOMES, Harness, Worker, event, topics

DOWN = StoreUnavailable("no answer")
STORE_CALLS = ("ping", "load", "apply", "due", "note_committed", "committed")


# -- homes that cannot go on -----------------------------------------------------------------------


def test_the_limit_of_poison_pauses_a_home_for_good_and_the_others_go_on() -> None:
    worker = opened(Worker(Harness(poison_limit=3), homes=(0, 1)))
    for _ in range(5):
        worker.log.append(b"poison")
    worker.log.append(start("a"), home=1)
    worker.step(5)
    assert [outgoing.stream for outgoing in worker.log.sent].count(DEAD_LETTERS) == 3
    assert worker.loop.positions == {0: 3, 1: 1}
    assert worker.recorder.paused_homes == {0}
    worker.ticker.advance(3600)
    worker.step(10)
    assert worker.loop.positions == {0: 3, 1: 1}
    assert worker.recorder.events == ["blocked 0"]


def test_runs_of_poison_are_counted_across_batches() -> None:
    worker = opened(Worker(Harness(poison_limit=3), homes=(0,), limits=LoopLimits(batch_events=1)))
    for value in (b"1", b"2", start("a"), b"3", b"4", b"5", b"6"):
        worker.log.append(value)
    worker.step(12)
    assert worker.loop.positions == {0: 6}
    assert worker.recorder.paused_homes == {0}


def test_a_home_paused_for_poison_goes_on_where_it_is_assigned_anew() -> None:
    worker = opened(Worker(Harness(poison_limit=2), homes=(0,)))
    for value in (b"1", b"2", b"3", start("a")):
        worker.log.append(value)
    worker.step(5)
    assert worker.loop.positions == {0: 2}
    worker.log.revoke(0)
    worker.log.assign(0)
    worker.until_idle()
    assert answered(worker) == ["a"]
    assert worker.recorder.paused_homes == set()


def test_without_a_limit_poison_never_stops_a_home() -> None:
    worker = opened(Worker(Harness(poison_limit=0), homes=(0,)))
    for _ in range(100):
        worker.log.append(b"poison")
    worker.log.append(start("a"))
    worker.until_idle()
    assert answered(worker) == ["a"]


def test_a_home_without_room_for_its_dead_letter_waits_and_is_tried_again() -> None:
    worker = opened(Worker(homes=(0, 1), limits=LoopLimits(paused_seconds=5.0)))
    worker.harness.topics.cluster = topics(dead_letters=None)
    for value in (start("a"), b"poison", start("b")):
        worker.log.append(value)
    worker.log.append(start("c"), home=1)
    worker.step(5)
    assert sorted(answered(worker)) == ["a", "c"]
    assert "'dead-letters'" in worker.recorder.stopped[0]
    worker.ticker.advance(5)
    worker.step(5)
    assert worker.recorder.events == ["blocked 0", "blocked 0"]
    worker.harness.topics.cluster = topics()
    worker.ticker.advance(5)
    worker.until_idle()
    assert sorted(answered(worker)) == ["a", "b", "c"]


def test_timers_of_a_blocked_home_wait_until_it_goes_on() -> None:
    worker = opened(Worker(homes=(0,), limits=LoopLimits(paused_seconds=5.0)))
    worker.harness.topics.cluster = topics(dead_letters=None)
    for value in (start("a", timeout=1000), b"poison"):
        worker.log.append(value)
    worker.step(3)
    worker.ticker.advance(2)
    worker.step(3)
    assert len(worker.log.requests[0]) == 2, "a timer would only pile up"
    worker.harness.topics.cluster = topics()
    worker.ticker.advance(5)
    worker.step(10)
    assert worker.statuses == ["ACK", "TIMEOUT"]


# -- rebalances ------------------------------------------------------------------------------------


def test_a_home_revoked_in_the_middle_is_dropped_and_comes_back_where_it_was_committed() -> None:
    worker = opened(Worker(homes=(0, 1), limits=LoopLimits(batch_events=2)))
    for n in range(6):
        worker.log.append(start(f"a-{n}"), home=0)
        worker.log.append(start(f"b-{n}"), home=1)
    worker.step(2)
    worker.log.revoke(0)
    worker.until_idle()
    assert set(worker.loop.positions) == {1}
    done = worker.log.offsets.get(0, 0)
    assert done < 6
    worker.log.assign(0)
    worker.until_idle()
    assert sorted(answered(worker)) == sorted(f"{home}-{n}" for home in "ab" for n in range(6))


def test_homes_that_come_and_go_leave_the_others_alone() -> None:
    worker = opened(Worker(homes=(0, 1), limits=LoopLimits(batch_events=2)))
    for n in range(6):
        for home in range(3):
            worker.log.append(start(f"{home}-{n}"), home=home)
    worker.step(2)
    others = worker.loop.positions[1]
    worker.log.revoke(0)
    worker.log.assign(2)
    worker.log.calls.clear()
    worker.step()
    assert worker.log.calls.count("committed") == worker.log.calls.count("read_from") == 1
    assert not {"rewind", "pause", "abort"} & set(worker.log.calls)
    assert worker.loop.positions[1] >= others
    worker.until_idle()
    assert set(worker.loop.positions) == {1, 2}
    worker.log.assign(0)
    worker.until_idle()
    assert sorted(answered(worker)) == sorted(f"{home}-{n}" for home in range(3) for n in range(6))


def test_a_home_revoked_before_it_was_opened_is_not_opened() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.log.append(start("a"), home=1)
    worker.faults.once("log.committed", LogUnavailable("no answer"))
    worker.log.assign(1)
    worker.step()
    worker.log.revoke(1)
    worker.until_idle()
    assert worker.log.reading.keys() == worker.loop.positions.keys() == {0}
    assert answered(worker) == []


def test_a_home_revoked_while_it_is_held_back_by_a_cut_leaves_nothing_behind() -> None:
    worker = opened(Worker(homes=(0, 1)))
    for value in (start("a"), proceed("a"), event("StartTask", "a", "a-again")):
        worker.log.append(value)
    worker.step(1)
    assert answered(worker) == ["a", "a", "a-done"]
    worker.log.revoke(0)
    worker.step(3)
    assert len(answered(worker)) == 3
    worker.log.assign(0)
    worker.until_idle()
    assert answered(worker)[-1] == "a-again"


def test_a_home_revoked_while_the_store_is_down_is_not_resumed() -> None:
    worker = opened(Worker(homes=(0, 1)))
    worker.faults.always(DOWN, *(f"store.{call}" for call in STORE_CALLS))
    worker.log.append(start("a"))
    worker.step()
    worker.log.revoke(0)
    worker.step(2)
    worker.faults.mend()
    worker.step(5)
    assert worker.loop.positions == {1: 0}
    assert worker.log.sent == []
    assert worker.recorder.open == {1}


class EndlessChangelog:
    """A changelog whose end is not reached: a transaction is open there."""

    def __init__(self) -> None:
        self.is_held = False

    def begin(self, shard: int) -> None:
        self.is_held = shard >= 0

    def read(self) -> Sequence[ChangelogRecord]:
        return ()

    def close(self) -> None:
        self.is_held = False


class Restoring:
    """What Kafka says of the group, and what the restorer says of itself."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        return dict.fromkeys(partitions, None)

    def homes(self) -> int:
        return HOMES

    def restoring(self, shards_left: int, records: int) -> None:
        self.said.append(f"restoring {shards_left} {records}")

    def restored(self, records: int) -> None:
        self.said.append(f"restored {records}")

    def not_restored(self) -> None:
        self.said.append("not restored")


def test_a_home_revoked_while_it_is_restored_leaves_nothing_to_be_restored() -> None:
    """Or the store would never be looked after again, whatever it loses."""
    harness, changelog, told = Harness(with_changelog=True), EndlessChangelog(), Restoring()
    tokens = map(str, count())
    extent = Extent(tuple(harness.terms.policy.domains), 1, told)
    restorer = Restorer(harness.store, changelog, extent, lambda: next(tokens), told)
    worker = opened(Worker(harness, homes=(0,), restorers=[restorer]))
    worker.log.offsets[1] = 7  # another has committed that much, and no shard has heard of it
    worker.log.assign(1)
    worker.step(10)
    assert (restorer.is_busy, changelog.is_held) == (True, True)
    worker.log.revoke(1)
    worker.step(2)
    assert (restorer.is_busy, changelog.is_held) == (False, False)
    assert told.said[-1] == "not restored"


# -- homes that are new ----------------------------------------------------------------------------


def test_a_home_that_was_just_added_waits_until_its_topic_is_known_and_the_others_go_on() -> None:
    worker = opened(Worker(homes=(0,), limits=LoopLimits(poll_seconds=2.0)))
    worker.log.requests[HOMES] = []
    early = worker.log.append(event("StartTask", "early", "req-early"), HOMES)
    worker.log.assign(HOMES)
    worker.log.append(event("StartTask", "old", "req-old"))
    worker.step(5)
    assert worker.statuses == ["ACK"]
    assert HOMES not in worker.loop.positions
    assert HOMES in worker.topic.asked
    before = worker.ticker()
    worker.step()
    assert worker.ticker() - before == 2.0, "does not turn round and round while it waits"
    worker.topic.homes = HOMES + 1
    worker.until_idle()
    assert worker.statuses == ["ACK", "ACK"]
    assert worker.loop.positions[HOMES] == early + 1


def test_a_home_that_was_added_is_not_replayed_when_it_is_taken_over() -> None:
    worker = opened(Worker(homes=(0,)))
    worker.topic.homes = HOMES + 1
    worker.log.requests[HOMES] = []
    worker.log.append(event("StartTask", "task", "req"), HOMES)
    worker.log.assign(HOMES)
    worker.until_idle()
    worker.log.revoke(HOMES)
    worker.step()
    worker.log.offsets.pop(HOMES)
    worker.log.assign(HOMES)
    worker.until_idle()
    assert worker.statuses == ["ACK"]
