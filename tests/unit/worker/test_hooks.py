"""Hooks in a worker: when their events are sent and how often, what is counted, and what is logged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import TIMER
from runner.clock import ManualTicker
from runner.metrics import Metrics
from runner.store.calls import IndexKind
from runner.telemetry.reporter import Reporter
from runner.worker.assignment import Batch
from runner.worker.components import Round
from runner.worker.health import HealthState
from runner.worker.hook_counts import HookCounts
from runner.worker.result import BatchResult
from runner.worker.schedule import StoreClock
from runner.worker.timers import Timers, TimerSettings
from tests.unit.worker.rig import POLICY, Harness, Worker, event, topics

LEASE: Final = 10.0
HEARD: Final = "heard"
ROUND: Final = Round({}, is_caught_up=False, commit=lambda _messages, _homes: None)
REMIND: Final = {"on": "arrival", "after": 1000, "do": "remind"}
AGAIN: Final = {"on": "arrival", "after": 1000, "do": "remind", "repeatEvery": 60_000, "times": 3}
LEVELS: Final = [
    {"on": "arrival", "after": 1000 * level, "do": "reassign", "roles": [f"level-{level}"]}
    for level in (1, 2, 3)
]
NOTIFY: Final = frozenset({"created", "reminded", "escalated", "proceeded"})
TELLING: Final = replace(
    POLICY,
    notifications=HEARD,
    domains={name: replace(each, notify=NOTIFY) for name, each in POLICY.domains.items()},
)


class Bench:
    """Timers and metrics over one store; a worker that comes later has timers of its own."""

    def __init__(self, settings: TimerSettings | None = None, **limits: int | None) -> None:
        self.harness = Harness(policy=TELLING, cluster=topics(**{HEARD: 1_000_000, **limits}))
        self.ticker, self.store = self.harness.ticker, self.harness.store
        self.settings = settings or TimerSettings(lease_seconds=LEASE)
        self.timers = self.of_another_worker()
        self.metrics = Metrics()
        self.reporter = Reporter(self.metrics, HealthState(0.0), ManualTicker())

    def of_another_worker(self) -> Timers:
        time, policy = StoreClock(self.ticker), self.harness.terms.policy
        timers = Timers(self.store, policy, self.harness.topics, self.settings, time, self.ticker)
        timers.assign({0})
        return timers

    def start(self, *hooks: dict[str, Any], task_id: str = "task-1", **parameters: Any) -> BatchResult:
        parameters = {"taskRoles": "clerk", "hooks": list(hooks), **parameters}
        return self.committed(self.harness.handle(event("StartTask", task_id, task_id, **parameters)))

    def committed(self, result: BatchResult) -> BatchResult:
        self.timers.committed(result)
        self.reporter.processed(Batch((), {}), result, 0, 0.0)
        return result

    def due(self) -> list[OutgoingMessage]:
        return self.timers.due(ROUND)

    def decide(self, messages: list[OutgoingMessage]) -> BatchResult:
        return self.committed(self.harness.run(*self.harness.returned(messages)))

    def pass_ms(self, duration_ms: int) -> None:
        self.ticker.advance(duration_ms / 1000)

    def life(self, field: str, task_id: str = "task-1") -> Any:
        record = self.harness.record(task_id)
        assert record is not None
        return getattr(record.life, field)

    def number(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"runner_{name}", labels)


def tokens(messages: list[OutgoingMessage]) -> list[str]:
    """Action and token of each event that the runner sends."""
    return [
        f"{json.loads(each.value or b'')['eventMeta']['action']} {dict(each.headers)[TIMER].decode()}"
        for each in messages
    ]


def heard(result: BatchResult) -> list[str]:
    return [json.loads(m.value or b"")["type"] for m in result.outgoing if m.stream == HEARD]


# -- when, and how often ---------------------------------------------------------------------------


def test_hooks_are_sent_at_their_moment_and_once_within_a_lease() -> None:
    bench = Bench()
    bench.start(REMIND)
    bench.pass_ms(999)
    assert bench.due() == []
    bench.pass_ms(1)
    assert tokens(bench.due()) == ["HookTask 1/0@0;0"]
    for _ in range(5):
        bench.pass_ms(1500)
        bench.timers.caught_up()
        assert bench.due() == [], "it is leased"
    bench.pass_ms(5000)
    bench.timers.caught_up()
    assert tokens(bench.due()) == ["HookTask 1/0@0;0"], "undecided, it comes again once its lease is over"


def test_what_was_sent_twice_is_done_once() -> None:
    bench = Bench()
    bench.start(REMIND, {**REMIND, "after": 2000})
    bench.pass_ms(3000)
    sent = bench.due()
    result = bench.decide([*sent, *sent])
    assert (len(result.hooked), len(result.stale)) == (1, 1)
    assert heard(result) == ["saga.task.reminded"]
    assert bench.number("reminders_total") == 1


def test_every_entry_is_sent_by_itself_also_within_the_lease_of_the_one_before() -> None:
    bench = Bench()
    bench.start(*LEVELS)
    seen = []
    for _ in LEVELS:
        bench.pass_ms(1000)
        sent = bench.due()
        seen += tokens(sent)
        bench.decide(sent)
        assert bench.due() == []
    bench.pass_ms(10_000)
    assert bench.due() == [], "a last look, for what was sent and came to nothing"
    assert seen == ["HookTask 1/0@0;0", "HookTask 1/0@0;1", "HookTask 1/0@0;2"]
    assert bench.life("level") == 3
    assert bench.timers.wait_ms() is None, "nothing more is to come"


def test_an_entry_that_moves_is_sent_by_its_new_number_within_the_lease_of_the_old_one() -> None:
    bench = Bench()
    bench.start({"on": "assignment", "after": 1000, "do": "remind"}, taskUser="ann")
    bench.pass_ms(1000)
    [old] = bench.due()
    claim = json.loads(event("ClaimTask", "task-1", "claim"))
    claim["requestMeta"]["claims"] = {"sub": "bob", "roles": ["clerk"]}
    bench.committed(bench.harness.handle(json.dumps(claim).encode()))
    assert bench.decide([old]).hooked == [], "it was armed for ann"
    bench.pass_ms(1000)
    sent = bench.due()
    assert tokens(sent) == ["HookTask 1/0@0;1"]
    assert len(bench.decide(sent).hooked) == 1


def test_a_worker_that_comes_after_another_has_died_sends_what_is_due() -> None:
    bench = Bench()
    bench.start(*LEVELS)
    bench.pass_ms(1000)
    assert len(bench.due()) == 1, "the worker dies with it"
    bench.timers = bench.of_another_worker()
    assert bench.timers.wait_ms() == 0, "it looks at once"
    for level in (1, 2, 3):
        bench.decide(bench.due())
        assert bench.life("level") == level
        assert bench.due() == [], "each level has its time, after downtime too"
        bench.pass_ms(1000)


def test_without_deadlines_hooks_come_all_the_same() -> None:
    bench = Bench(TimerSettings(lease_seconds=LEASE, kinds=(IndexKind.HOOKS,)))
    bench.start(REMIND, timeout=500)
    bench.pass_ms(600)
    assert bench.due() == []
    bench.pass_ms(400)
    sent = bench.due()
    assert tokens(sent) == ["HookTask 1/0@0;0"]
    bench.decide(sent)
    record = bench.harness.record()
    assert record is not None
    assert record.is_open, "its deadline is left to TimeoutBetween"


def test_timeout_between_finds_a_task_with_hooks_by_its_deadline_and_once() -> None:
    bench = Bench(TimerSettings(kinds=(IndexKind.HOOKS,)))
    bench.start(REMIND, AGAIN, timeout=500)
    bench.pass_ms(2000)
    between = event(
        "TimeoutBetween", None, "between", fromTimePath="from", toTimePath="to", payload={"from": 0}
    )
    result = bench.committed(bench.harness.handle(between))
    told = [each for each in result.outgoing if each.stream == "requests"]
    assert [line.split()[0] for line in tokens(told)] == ["TimeoutTask"]
    result = bench.decide(told)
    record = bench.harness.record()
    assert record is not None
    assert record.state.status.value == "TIMED_OUT"
    assert heard(result) == [], "the reminders were due after the deadline"
    assert bench.due() == [], "no hook is left"


def test_a_loop_does_hooks_by_itself() -> None:
    harness = Harness(policy=TELLING, cluster=topics(**{HEARD: 1_000_000}))
    worker = Worker(harness, homes=(0,))
    worker.log.append(event("StartTask", hooks=LEVELS, taskRoles="clerk"))
    worker.until_idle()
    worker.ticker.advance(3.0)
    worker.until_idle()
    record = harness.record()
    assert record is not None
    assert record.life is not None
    assert record.life.level == 1, "late as it is, the next level has its time"
    types = [json.loads(m.value or b"")["type"] for m in worker.log.sent if m.stream == HEARD]
    assert types == ["saga.task.created", "saga.task.escalated"]


# -- what is counted -------------------------------------------------------------------------------


def test_what_hooks_do_is_counted_with_their_lateness_and_the_age_of_their_tasks() -> None:
    bench = Bench()
    bench.start(AGAIN, *LEVELS[1:])
    bench.pass_ms(1250)
    bench.decide(bench.due())
    bench.pass_ms(750)
    bench.decide(bench.due())
    assert bench.number("reminders_total") == 1
    assert bench.number("escalations_total", level="1") == 1
    assert bench.number("escalations_total", level="2") is None
    assert bench.number("hook_lateness_seconds_count") == 2
    assert bench.number("hook_lateness_seconds_sum") == pytest.approx(0.25)
    assert bench.number("hook_task_age_seconds_sum") == pytest.approx(1.25 + 2.0)
    assert bench.number("timer_lateness_seconds_count") == 0
    assert bench.number("events_total", action="HookTask", status="SUCCESS") == 2


def test_hooks_that_the_event_of_a_deadline_does_are_counted_too() -> None:
    bench = Bench()
    bench.start(REMIND, LEVELS[0], timeout=2000)
    bench.pass_ms(2000)
    [deadline] = [each for each in bench.due() if b"TimeoutTask" in (each.value or b"")]
    result = bench.decide([deadline])
    assert heard(result) == ["saga.task.reminded", "saga.task.escalated"]
    assert bench.number("reminders_total") == 1
    assert bench.number("escalations_total", level="1") == 1


def test_a_stale_event_counts_nothing() -> None:
    bench = Bench()
    bench.start(REMIND)
    bench.pass_ms(1000)
    sent = bench.due()
    bench.decide(sent)
    bench.decide(sent)
    assert bench.number("reminders_total") == 1
    assert bench.number("hook_lateness_seconds_count") == 1
    assert bench.number("events_total", action="HookTask", status="DROPPED") == 1


def test_a_batch_that_comes_again_is_counted_by_its_kept_decisions_where_it_is_committed() -> None:
    bench = Bench()
    bench.start(AGAIN)
    bench.pass_ms(1500)
    messages = bench.harness.returned(bench.due())
    bench.harness.run(*messages)  # Applied; its transaction is aborted.
    result = bench.committed(bench.harness.run(*messages))
    assert result.redelivered == 1
    assert heard(result) == ["saga.task.reminded"]
    assert bench.number("reminders_total") == 1
    assert bench.number("notifications_total", event="reminded") == 1
    assert bench.number("hook_lateness_seconds_count") == 0, "when it was due is not known any more"


def test_what_people_are_told_is_counted_by_what_happened() -> None:
    bench = Bench()
    bench.start(REMIND, task_id="a")
    bench.start(task_id="b")
    bench.pass_ms(1000)
    bench.decide(bench.due())
    assert bench.number("notifications_total", event="created") == 2
    assert bench.number("notifications_total", event="reminded") == 1
    assert bench.number("notifications_left_out_total", event="created") is None


def test_what_a_topic_does_not_take_is_counted_and_one_line_a_batch_and_holds_nothing_up() -> None:
    bench = Bench(**{HEARD: None})
    starts = (event("StartTask", f"t-{n}", f"t-{n}", hooks=[REMIND], taskRoles="clerk") for n in range(5))
    with capture_logs() as lines:
        result = bench.committed(bench.harness.run(*map(bench.harness.message, starts)))
    assert heard(result) == []
    assert len([each for each in result.outgoing if each.stream == "responses"]) == 5
    assert bench.number("notifications_left_out_total", event="created") == 5
    assert bench.number("notifications_total", event="created") is None
    [line] = [each for each in lines if each["event"] == "notifications_left_out"]
    assert (line["log_level"], line["events"], line["first"]) == ("warning", {"created": 5}, "1/0@0")
    bench.pass_ms(1000)
    assert len(bench.decide(bench.due()).hooked) == 5, "hooks are done all the same"


def test_of_several_in_one_event_only_what_is_too_large_is_left_out() -> None:
    bench = Bench()
    escalate = {"on": "arrival", "after": 1000, "do": "reassign", "roles": ["x" * 2000]}
    bench.start(REMIND, escalate, task_id="t")
    # The role is in both as one of the task's, and in one of them as a recipient as well.
    bench.harness.topics.cluster = topics(**{HEARD: 4000})
    bench.pass_ms(1000)
    with capture_logs() as lines:
        result = bench.decide(bench.due())
    assert heard(result) == ["saga.task.reminded"]
    assert bench.number("notifications_total", event="reminded") == 1
    assert bench.number("notifications_left_out_total", event="escalated") == 1
    assert [each["events"] for each in lines] == [{"escalated": 1}]
    assert bench.life("level", "t") == 1


def test_where_nothing_is_to_tell_and_no_hook_nothing_is_counted_or_logged() -> None:
    bench = Bench()
    bench.harness = Harness()
    with capture_logs() as lines:
        result = bench.committed(bench.harness.handle(event("StartTask", taskRoles="clerk")))
    counts = result.hook_counts
    assert counts == HookCounts()
    assert lines == []
