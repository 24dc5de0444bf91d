"""When timers are sent, in which order, how many, and when again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from runner.actions.decision import OutgoingMessage
from runner.actions.timer_token import TimerToken, parse_token
from runner.errors import StoreUnavailable
from runner.tasks.due import DueTask
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.worker.components import Round
from runner.worker.schedule import StoreClock
from runner.worker.timers import FULL_PAUSE_MS, MAX_CHUNKS_IN_FLIGHT, Timers, TimerSettings
from tests.unit.worker.rig import HOMES, NOW, POLICY, Harness, event

LEASE = 10.0
CHUNK = 20
ROUND = Round({}, is_caught_up=False, commit=lambda _messages, _homes: None)


class Bench:
    """Timers over a store with open tasks."""

    def __init__(self, chunk: int = CHUNK, shards: int = 4, admin_role: str | None = None) -> None:
        domains = {name: replace(each, admin_role=admin_role) for name, each in POLICY.domains.items()}
        self.harness = Harness(policy=replace(POLICY, domains=domains), shards=shards)
        self.ticker, self.store, self.faults = self.harness.ticker, self.harness.store, self.harness.faults
        time = StoreClock(self.ticker)
        settings = TimerSettings(chunk, LEASE)
        self.timers = Timers(
            self.store, self.harness.terms.policy, self.harness.topics, settings, time, self.ticker
        )

    def start(self, *deadlines_ms: int, home: int = 0, told: bool = True, tag: str = "t") -> None:
        """Start a task for each deadline (ms from NOW), as one batch."""
        done = self.harness.run(
            *(
                self.harness.message(
                    event("StartTask", f"{tag}-{home}-{n}-{at}", f"{tag}-{n}", timeoutOn=NOW + at), home
                )
                for n, at in enumerate(deadlines_ms)
            )
        )
        if told:
            self.timers.committed(done)

    def decide(self, messages: list[OutgoingMessage]) -> None:
        """Let timers come back and be decided."""
        done = self.harness.run(*self.harness.returned(messages))
        self.timers.release([*done.timed_out, *done.stale])
        self.timers.postpone(done.undeliverable)

    def due(self) -> list[OutgoingMessage]:
        """What is sent in a round."""
        return self.timers.due(ROUND)

    def drained(self) -> list[OutgoingMessage]:
        """All that is sent until nothing is due, each decided before the next."""
        sent: list[OutgoingMessage] = []
        while messages := self.due():
            assert len(sent) < 10_000
            sent += messages
            self.decide(messages)
        return sent


def deadline(outgoing: OutgoingMessage) -> int:
    mark = parse_token(dict(outgoing.headers)["runner-timer"].decode())
    assert mark is not None
    return mark.deadline_ms - NOW


def deadlines(messages: list[OutgoingMessage], home: int = 0) -> list[int]:
    return [deadline(outgoing) for outgoing in messages if outgoing.partition == home]


# -- what is sent ----------------------------------------------------------------------------------


def test_a_due_task_is_told_to_time_out_on_its_home_and_is() -> None:
    bench = Bench()
    bench.timers.assign({2})
    bench.start(-1, home=2)
    [outgoing] = bench.due()
    assert (outgoing.stream, outgoing.partition) == ("requests", 2)
    assert outgoing.headers == (("runner-timer", str(TimerToken(Source(1, 2, 0), NOW - 1)).encode()),)
    bench.decide([outgoing])
    assert bench.due() == []
    record = bench.harness.record("t-2-0--1")
    assert record is not None
    assert record.state.status.value == "TIMED_OUT"


def test_nothing_is_sent_before_its_deadline_and_everything_at_it() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.start(1000)
    assert bench.due() == []
    bench.ticker.advance(0.999)
    assert bench.due() == []
    bench.ticker.advance(0.001)
    assert deadlines(bench.due()) == [1000]


@pytest.mark.parametrize("shards", [1, 4, 16])
def test_timers_go_in_deadline_order_within_a_home_whatever_their_shards(shards: int) -> None:
    bench = Bench(shards=shards)
    moments = [(n * 7919) % 1000 for n in range(300)]
    for home in range(3):
        bench.start(*moments, home=home)
    bench.ticker.advance(2)
    bench.timers.assign({0, 1, 2})
    sent = bench.drained()
    for home in range(3):
        assert deadlines(sent, home) == sorted(moments)


def test_the_order_holds_where_one_shard_has_more_than_the_others() -> None:
    bench = Bench(chunk=5, shards=2)
    ids = [f"id-{n}" for n in range(400)]
    by_shard = {s: [i for i in ids if bench.store.shard(i) == s] for s in range(2)}
    lopsided = [*by_shard[0][:60], *by_shard[1][:3]]
    moments = {task_id: NOW + (n * 31) % 63 for n, task_id in enumerate(lopsided)}
    bench.harness.run(
        *(bench.harness.message(event("StartTask", i, i, timeoutOn=at)) for i, at in moments.items())
    )
    bench.ticker.advance(1)
    bench.timers.assign({0})
    assert deadlines(bench.drained()) == sorted(at - NOW for at in moments.values())


def test_a_deadline_the_estimate_of_the_time_has_not_reached_does_not_overtake_an_earlier_one() -> None:
    bench = Bench(shards=16)
    bench.timers.assign({0})
    assert bench.due() == []
    bench.start(*range(40))
    bench.ticker.advance(0.005)
    # The store is ahead of the estimate by now: while the index is asked, time goes on.
    bench.faults.before("store.due", lambda: bench.ticker.advance(0.05))
    sent = bench.drained()
    assert deadlines(sent) == list(range(40))


def test_a_home_that_is_taken_over_is_looked_at_once() -> None:
    bench = Bench()
    bench.start(-5, home=1, told=False)
    bench.start(-5, home=2, told=False)
    bench.timers.assign({1})
    assert bench.timers.wait_ms() == 0
    assert [outgoing.partition for outgoing in bench.due()] == [1]
    bench.timers.assign({1, 2})
    assert bench.timers.wait_ms() == 0
    assert [outgoing.partition for outgoing in bench.due()] == [2]


def test_nothing_is_sent_for_homes_that_are_gone() -> None:
    bench = Bench()
    bench.timers.assign({0, 1})
    bench.start(500, home=0)
    bench.start(500, home=1)
    bench.timers.assign({1})
    bench.ticker.advance(1)
    assert [outgoing.partition for outgoing in bench.due()] == [1]


def test_a_home_that_comes_back_is_told_again_what_was_sent_before() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.start(-1)
    first = bench.due()
    bench.timers.assign(set())
    bench.timers.assign({0})
    assert bench.due() == first


# -- how often -------------------------------------------------------------------------------------


def test_what_was_sent_is_not_sent_again_before_its_lease_ends() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.start(-1)
    first = bench.due()
    bench.ticker.advance(LEASE - 0.01)
    bench.timers.caught_up()
    bench.start(0, tag="another")
    assert len(bench.due()) == 1, "the other one alone"
    bench.ticker.advance(LEASE + 0.01)
    bench.timers.caught_up()
    assert first[0] in bench.due()


def test_a_lease_does_not_end_before_the_log_was_read_to_its_end_once_since() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.start(-1)
    first = bench.due()
    bench.ticker.advance(3 * LEASE)
    assert bench.due() == []
    bench.timers.caught_up()
    bench.ticker.advance(LEASE)
    assert bench.due() == first


def test_a_deadline_that_a_verb_moves_is_kept_within_the_lease_of_the_old_one() -> None:
    bench = Bench(admin_role="admin")
    bench.timers.assign({0})
    bench.start(-1)
    [first] = bench.due()
    for moved in (30, 10):
        update = json.loads(event("UpdateTask", "t-0-0--1", f"moved-{moved}", timeoutOn=NOW + moved))
        update["requestMeta"]["claims"] = {"roles": ["admin"]}
        bench.timers.committed(bench.harness.handle(json.dumps(update).encode()))
    bench.ticker.advance(0.011)
    [second] = bench.due()
    assert (deadline(first), deadline(second)) == (-1, 10)
    for timer, is_open in ((first, True), (second, False)):
        bench.decide([timer])
        record = bench.harness.record("t-0-0--1")
        assert record is not None
        assert record.is_open is is_open


def test_forgetting_what_was_sent_sends_it_again_at_once() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.start(-2, -1)
    first = bench.due()
    assert len(first) == 2
    bench.timers.aborted()
    assert bench.timers.wait_ms() == 0
    assert bench.due() == first


def test_a_sweep_the_store_does_not_answer_is_made_again() -> None:
    bench = Bench()
    bench.start(-1)
    bench.timers.assign({0})
    bench.faults.once("store.due", StoreUnavailable("no answer"))
    with pytest.raises(StoreUnavailable):
        bench.due()
    assert len(bench.due()) == 1


def test_a_task_that_cannot_be_resumed_is_tried_again_after_its_lease_and_holds_up_nobody() -> None:
    bench = Bench(chunk=5)
    bench.timers.assign({0})
    bench.start(*range(-60, 0), tag="stuck")
    bench.start(*range(-10, 0), tag="fine")
    stuck: Counter[bytes | None] = Counter()
    fine: list[OutgoingMessage] = []
    for _ in range(40):
        messages = bench.due()
        blocked = [outgoing for outgoing in messages if b"stuck" in (outgoing.value or b"")]
        stuck.update(outgoing.value for outgoing in blocked)
        bench.timers.postpone(_tasks(blocked))
        passing = [outgoing for outgoing in messages if outgoing not in blocked]
        bench.decide(passing)
        fine += passing
    assert len(fine) == 10, "the stuck ones are sixty, and there is room for twenty"
    assert set(stuck.values()) == {1}
    assert len(stuck) == 60
    bench.ticker.advance(LEASE + 0.1)
    bench.timers.caught_up()
    assert len(bench.due()) == 5


def _tasks(messages: list[OutgoingMessage]) -> list[DueTask]:
    found = []
    for outgoing in messages:
        mark = parse_token(dict(outgoing.headers)["runner-timer"].decode())
        assert mark is not None
        assert outgoing.key is not None
        name = outgoing.key.decode().removeprefix("timer:orders:")
        found.append(
            DueTask(TaskKey("orders", name), outgoing.partition or 0, mark.started_by, mark.deadline_ms)
        )
    return found


def test_a_timer_nobody_here_sent_is_not_remembered() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.start(-1)
    messages = bench.due()
    forged = DueTask(TaskKey("orders", "of-others"), 0, _tasks(messages)[0].started_by, -(10**400))
    bench.timers.postpone([forged])
    bench.timers.release([forged])
    assert bench.due() == []


# -- how many --------------------------------------------------------------------------------------


def test_timers_go_in_chunks() -> None:
    bench = Bench(chunk=5)
    bench.timers.assign({0})
    bench.start(*range(-13, 0))
    numbers = []
    while messages := bench.due():
        bench.decide(messages)
        numbers.append(len(messages))
    assert max(numbers) == 5
    assert sum(numbers) == 13


def test_no_more_are_sent_than_the_log_can_catch_up_with() -> None:
    bench = Bench(chunk=5)
    bench.timers.assign({0})
    bench.start(*range(-100, 0))
    sent = [outgoing for _ in range(10) for outgoing in bench.due()]
    assert deadlines(sent) == list(range(-100, -100 + 5 * MAX_CHUNKS_IN_FLIGHT))
    assert bench.timers.wait_ms() == FULL_PAUSE_MS
    bench.decide(sent[:7])
    assert deadlines(bench.due()) == list(range(-80, -75))


def test_room_comes_back_when_leases_end() -> None:
    bench = Bench(chunk=1)
    bench.timers.assign({0})
    bench.start(*range(-9, 0))
    assert sum(len(bench.due()) for _ in range(9)) == MAX_CHUNKS_IN_FLIGHT
    bench.ticker.advance(LEASE)
    bench.timers.caught_up()
    assert bench.due() == [], "this round only finds that there is room again"
    assert len(bench.due()) == 1


def test_a_sweep_asks_for_about_as_much_as_it_may_send() -> None:
    bench = Bench(chunk=32, shards=16)
    for home in range(HOMES):
        bench.start(*range(-400, 0), home=home, told=False)
    bench.timers.assign(range(HOMES))
    assert 16 <= len(bench.due()) <= 32
    assert bench.store.entries_given <= 2 * 32 + 16 * HOMES


# -- how long to wait ------------------------------------------------------------------------------


def test_without_a_deadline_there_is_no_end_to_the_wait() -> None:
    bench = Bench()
    bench.timers.assign({0})
    assert bench.due() == []
    assert bench.timers.wait_ms() is None
    assert bench.store.asked.count("due") == 1
    assert bench.due() == []
    assert bench.store.asked.count("due") == 1, "an idle worker asks nothing"


def test_a_new_deadline_lowers_the_wait_and_a_later_one_does_not_raise_it() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.due()
    bench.start(9000)
    assert bench.timers.wait_ms() == 9000
    bench.start(4000, tag="sooner")
    assert bench.timers.wait_ms() == 4000
    bench.start(6000, tag="later")
    assert bench.timers.wait_ms() == 4000
    bench.ticker.advance(1.5)
    assert bench.timers.wait_ms() == 2500
    bench.ticker.advance(100)
    assert bench.timers.wait_ms() == 0


def test_deadlines_of_homes_that_are_not_ours_do_not_count() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.due()
    bench.start(9000, home=1)
    assert bench.timers.wait_ms() is None


def test_a_deadline_that_is_gone_by_then_costs_one_look() -> None:
    bench = Bench()
    bench.timers.assign({0})
    bench.due()
    bench.start(1000)
    bench.harness.handle(event("ProceedTask", "t-0-0-1000", "req-2"))
    bench.ticker.advance(1)
    assert bench.due() == []
    assert bench.timers.wait_ms() is None
