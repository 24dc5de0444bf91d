"""When closed records go, how many at once, and when they must stay."""

from __future__ import annotations

import pytest
from msgspec import structs

from runner.errors import StoreUnavailable, Superseded
from runner.store.calls import Change, ShardCall
from runner.tasks.keys import TaskKey
from runner.tasks.parts import LIFE, Life, encode_part
from runner.worker.result import BatchResult
from runner.worker.retention import BUSY_PAUSE_MS, CHUNK, MAX_TOMBSTONES, PAUSE_MS, Retention
from runner.worker.schedule import StoreClock
from tests.unit.worker.rig import Harness, batch, event


def sweep(retention: Retention, positions: dict[int, int]) -> int:
    removals = retention.removals(positions)
    return retention.remove(removals, positions) if removals.records else 0


class Bench:
    """The retention of one worker over a store with closed tasks; domain ``brief`` keeps none."""

    def __init__(self, homes: tuple[int, ...] = (0,), shards: int = 4) -> None:
        self.harness = Harness(shards=shards)
        self.ticker, self.store, self.faults = self.harness.ticker, self.harness.store, self.harness.faults
        self.time = StoreClock(self.ticker)
        self.retention = Retention(self.store, self.harness.terms.policy, 1, self.time)
        self.retention.assign(homes)
        self.positions = dict.fromkeys(homes, 0)

    def close(self, *names: str, home: int = 0, domain: str = "brief", commit: bool = True) -> BatchResult:
        """Start and finish tasks on a home, as one batch."""
        values = [
            event(action, name, f"{name}-{action}", meta={"domain": domain})
            for name in names
            for action in ("StartTask", "ProceedTask")
        ]
        done = self.harness.run(*(self.harness.message(value, home) for value in values))
        if commit:
            self.positions |= done.positions
        self.retention.committed(done)
        return done

    def sweep(self, after_ms: int = 0) -> int:
        self.ticker.advance(after_ms / 1000)
        return sweep(self.retention, self.positions)

    @property
    def left(self) -> set[str]:
        return {record.key.id for record in self.store.records()}


def test_a_closed_record_goes_when_its_retention_is_over_and_its_index_entry_with_it() -> None:
    bench = Bench()
    bench.close("kept", domain="orders")
    assert bench.sweep() == 0
    assert bench.sweep(59_999) == 0
    assert bench.left == {"kept"}
    assert bench.sweep(1001) == 1
    assert bench.left == set()
    assert bench.store.all_index_entries() == set()


def test_an_open_task_is_never_removed() -> None:
    bench = Bench()
    bench.harness.handle(event("StartTask", "open", meta={"domain": "brief"}))
    bench.close("closed")
    bench.positions = {0: 3}
    assert bench.sweep() == 1
    assert bench.sweep(10_000_000) == 0
    assert bench.left == {"open"}


def test_before_the_store_told_the_time_nothing_is_asked() -> None:
    bench = Bench()
    assert bench.sweep() == 0
    assert "due" not in bench.store.asked


def test_the_index_of_a_home_that_was_taken_over_is_looked_at_once() -> None:
    bench = Bench(homes=(0, 1))
    bench.close("a", home=0)
    bench.close("b", home=1)
    successor = Retention(bench.store, bench.harness.terms.policy, 1, bench.time)
    successor.assign({1})
    assert sweep(successor, {1: 2}) == 1
    assert bench.left == {"a"}


def test_passes_are_a_second_apart() -> None:
    bench = Bench()
    bench.close("a")
    assert bench.sweep() == 1
    bench.close("b")
    assert bench.sweep(PAUSE_MS - 1) == 0
    assert bench.sweep(1) == 1


def test_an_idle_retention_asks_nothing() -> None:
    bench = Bench()
    bench.close("a")
    bench.sweep()
    bench.sweep(PAUSE_MS)
    asked = len(bench.store.asked)
    assert [bench.sweep(PAUSE_MS) for _ in range(5)] == [0] * 5
    assert len(bench.store.asked) == asked


def test_one_pass_is_bounded_and_the_next_comes_soon() -> None:
    bench = Bench(shards=4)
    names = [f"task-{n}" for n in range(CHUNK + 200)]
    bench.close(*names)
    first = bench.sweep()
    assert CHUNK // 2 < first <= CHUNK + 4
    assert bench.sweep(BUSY_PAUSE_MS - 1) == 0
    assert first + bench.sweep(1) + bench.sweep(BUSY_PAUSE_MS) == len(names)
    assert bench.left == set()


def test_a_pass_over_tasks_with_many_parts_is_bounded_by_what_it_tells_the_changelog() -> None:
    """All tombstones of a pass are one transaction, and the producer holds 100,000 messages."""
    bench = Bench(shards=1)
    names = [f"task-{n}" for n in range(60)]
    bench.close(*names)
    for record in bench.store.records():
        life = Life(record.revision, record.revision - 1, "1/0@1", history=200, comments=200)
        change = Change(
            record.key, record, structs.replace(record, life=life), parts={LIFE: encode_part(life)}
        )
        bench.store.apply([ShardCall(0, 1, (), (change,))])
    first = bench.sweep()
    assert first == MAX_TOMBSTONES // 402
    assert bench.sweep(BUSY_PAUSE_MS) == first
    while bench.sweep(BUSY_PAUSE_MS):
        pass
    assert bench.left == set()


def test_a_task_with_more_parts_than_fit_into_a_pass_goes_by_itself() -> None:
    bench = Bench(shards=1)
    bench.close("a", "b")
    for record in bench.store.records():
        life = Life(record.revision, record.revision - 1, "1/0@1", comments=MAX_TOMBSTONES)
        change = Change(
            record.key, record, structs.replace(record, life=life), parts={LIFE: encode_part(life)}
        )
        bench.store.apply([ShardCall(0, 1, (), (change,))])
    assert [bench.sweep(BUSY_PAUSE_MS) for _ in range(3)] == [1, 1, 0]


def test_a_record_whose_decision_redelivery_may_ask_for_stays() -> None:
    bench = Bench()
    done = bench.close("a", commit=False)
    assert bench.sweep() == 0
    assert bench.left == {"a"}
    bench.positions |= done.positions
    assert bench.sweep(PAUSE_MS) == 1


def test_an_undecided_removal_is_asked_for_once_a_second() -> None:
    bench = Bench()
    bench.close("a", commit=False)
    bench.sweep()
    asked = bench.store.asked.count("due")
    for _ in range(30):
        bench.sweep(PAUSE_MS // 10)
    assert bench.store.asked.count("due") == asked + 3


@pytest.mark.parametrize("again", [False, True])
def test_a_record_that_was_replaced_meanwhile_stays(again: bool) -> None:
    """Also where the new generation is closed by then: its retention is another."""
    bench = Bench()
    bench.close("a")
    actions = ("StartTask", "ProceedTask") if again else ("StartTask",)

    def replace() -> None:
        """Another batch of the home, committed too, comes between the sweep and the load."""
        for action in actions:
            done = bench.harness.handle(event(action, "a", f"new-{action}", meta={"domain": "brief"}))
            bench.positions |= done.positions

    bench.faults.before("store.load", replace)
    assert bench.sweep() == 0
    record = bench.store.record(TaskKey("brief", "a"))
    assert record is not None
    assert record.is_open != again
    assert record.revision == 3 + again


def test_a_zombie_finds_out_that_it_was_superseded_and_removes_nothing() -> None:
    bench = Bench()
    bench.close("a")
    stale = dict(bench.positions)
    message = bench.harness.message(event("StartTask", "b", "b", meta={"domain": "brief"}))
    bench.harness.process.run(batch([message]), {})
    behind = next(f"c-{n}" for n in range(99) if _same_shard(bench, f"c-{n}"))
    bench.close(behind)
    with pytest.raises(Superseded):
        sweep(bench.retention, stale)
    assert "a" in bench.left


def _same_shard(bench: Bench, name: str) -> bool:
    return bench.store.shard(name) == bench.store.shard("a")


def test_a_change_that_slept_through_a_removal_is_superseded() -> None:
    bench = Bench()
    start = bench.harness.message(event("StartTask", "a", "r", meta={"domain": "brief"}))
    bench.harness.run(start)
    finish = bench.harness.message(event("ProceedTask", "a", "p", meta={"domain": "brief"}))
    done = bench.harness.run(finish)
    bench.positions |= done.positions
    bench.retention.committed(done)
    assert bench.sweep() == 1
    with pytest.raises(Superseded):
        bench.harness.another().run(batch([start]), {})
    assert bench.left == set()


def test_homes_that_are_gone_are_not_swept() -> None:
    bench = Bench(homes=(0, 1))
    bench.close("a", home=0)
    bench.close("b", home=1)
    bench.retention.assign({1})
    bench.positions.pop(0)
    assert bench.sweep() == 1
    assert bench.left == {"a"}


@pytest.mark.parametrize("call", ["due", "load", "apply"])
def test_a_pass_the_store_does_not_answer_is_made_again_a_second_later(call: str) -> None:
    bench = Bench()
    bench.close("a")
    bench.faults.once(f"store.{call}", StoreUnavailable("no answer"))
    with pytest.raises(StoreUnavailable):
        bench.sweep()
    assert bench.sweep(PAUSE_MS - 1) == 0
    assert bench.sweep(1) == 1
