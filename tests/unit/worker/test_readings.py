"""What verbs ask for besides: read once for all that ask, never believed too early, never too late."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from runner.actions.policy import DomainPolicy
from runner.errors import StoreLost, Superseded
from runner.tasks.keys import TaskKey, definition_key
from runner.tasks.parts import version_part
from tests.unit.worker.rig import HOMES, POLICY, Harness, batch, event, sent, statuses

ADMIN: Final = {"sub": "root", "roles": ["admin"]}
FORM: Final = definition_key("orders", "form")


def harness(**options: Any) -> Harness:
    domains = {"orders": DomainPolicy(retention_ms=60_000, admin_role="admin")}
    return Harness(policy=replace(POLICY, domains=domains), **options)


def by_admin(action: str, task_id: str | None, request_id: str, **parameters: Any) -> bytes:
    whole = json.loads(event(action, task_id, request_id, **parameters))
    whole["requestMeta"]["claims"] = ADMIN
    return json.dumps(whole).encode()


def define(number: int) -> bytes:
    """The definition number ``number`` of one form."""
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}}
    return by_admin(
        "DefineTask", None, f"d-{number}", taskSpec="form", schema=schema, description=str(number)
    )


def start(task_id: str) -> bytes:
    return event("StartTask", task_id, f"start-{task_id}", taskSpec="form")


def save(task_id: str, number: int, **data: Any) -> bytes:
    return by_admin("SaveTask", task_id, f"save-{task_id}-{number}", data=data)


def proceed(task_id: str) -> bytes:
    return event("ProceedTask", task_id, f"done-{task_id}")


def pinned(bench: Harness, task_id: str) -> int | None:
    record = bench.record(task_id)
    assert record is not None
    return record.start.spec_version


def loads(bench: Harness, act: Callable[[], object]) -> int:
    """How many round trips of loading an act makes."""
    bench.store.asked.clear()
    act()
    return bench.store.asked.count("load")


class TestRoundTrips:
    def test_plain_events_make_one(self) -> None:
        bench = harness()
        bench.handle(event("StartTask", "t", "s"))
        assert loads(bench, lambda: bench.handle(event("ProceedTask", "t", "p"))) == 1

    def test_all_that_ask_in_a_slice_make_one_more(self) -> None:
        bench = harness()
        bench.handle(define(1))
        messages = [bench.message(start(f"t{n}"), n % HOMES) for n in range(20)]
        assert loads(bench, lambda: bench.run(*messages)) == 1, "the definition comes with the records"
        assert {pinned(bench, f"t{n}") for n in range(20)} == {0}
        saves = [bench.message(save(f"t{n}", 1, amount=n), n % HOMES) for n in range(20)]
        assert loads(bench, lambda: bench.run(*saves)) == 2
        ends = [bench.message(proceed(f"t{n}"), n % HOMES) for n in range(20)]
        assert loads(bench, lambda: bench.run(*ends)) == 2, "draft and definition together"

    def test_a_task_that_is_started_saved_and_finished_in_one_slice_makes_one_for_each_thing_it_learns(
        self,
    ) -> None:
        bench = harness()
        bench.handle(define(1))
        messages = [
            bench.message(value) for value in (start("t"), save("t", 1, amount=1), save("t", 2), proceed("t"))
        ]
        result = bench.run(*messages)
        assert statuses(result.outgoing) == ["ACK", "SUCCESS", "SUCCESS", "PROCEEDED", "SUCCESS"]
        [resumed] = [sent(each) for each in result.outgoing if dict(each.headers)["event-kind"] == b"resume"]
        assert resumed.value["payload"] == {"taskId": "t", "amount": 1}

    def test_a_redelivered_event_asks_for_nothing(self) -> None:
        bench = harness()
        bench.handle(define(1))
        bench.handle(start("t"))
        bench.handle(save("t", 1, amount=1))
        message = bench.message(proceed("t"))
        first = bench.run(message)
        assert loads(bench, lambda: bench.another().run(batch([message]), {})) == 1
        again = bench.another().run(batch([message]), {})
        assert [each.value for each in again.outgoing] == [each.value for each in first.outgoing]


class TestDefinitions:
    def test_an_event_behind_a_definition_of_its_batch_waits_for_the_next(self) -> None:
        bench = harness()
        messages = [bench.message(value) for value in (define(1), start("t"), start("u"))]
        result = bench.run(*messages)
        assert [message.offset for message in result.deferred] == [1, 2]
        assert bench.record("t") is None
        bench.run(*result.deferred)
        assert (pinned(bench, "t"), pinned(bench, "u")) == (0, 0)

    def test_so_it_does_behind_one_that_is_redelivered(self) -> None:
        bench = harness()
        first = bench.message(define(1))
        bench.run(first)
        result = bench.run(first, bench.message(start("t")))
        assert [message.offset for message in result.deferred] == [1]

    def test_one_that_changes_nothing_holds_up_nobody(self) -> None:
        bench = harness()
        bench.handle(define(1))
        result = bench.run(bench.message(define(1)), bench.message(start("t")))
        assert result.deferred == []

    def test_a_pinned_version_that_is_not_there_pauses_the_home_and_answers_nobody(self) -> None:
        bench = harness()
        bench.handle(define(1))
        bench.handle(start("t"))
        lost = bench.store._tasks.pop(FORM)
        message = bench.message(proceed("t"))
        result = bench.run(message)
        assert result.outgoing == []
        assert list(result.paused) == [0]
        assert "version 0 of definition form" in result.paused[0]
        bench.store._tasks[FORM] = lost
        assert statuses(bench.run(message).outgoing) == ["PROCEEDED", "SUCCESS"]

    def test_it_is_not_believed_before_every_home_of_its_shard_was_verified(self) -> None:
        bench = harness(with_changelog=True)
        bench.handle(define(1))
        shard, key = bench.store.shard(FORM.id), _key_elsewhere(bench)
        bench.store._verified[shard].homes.discard(3)
        bench.store._verified[shard].is_complete = False
        message = bench.message(start(key.id))
        with pytest.raises(StoreLost):
            bench.run(message)
        assert bench.record(key.id) is None
        bench.store.verified([3], HOMES, bench.store.pending_tokens([3], "token"))
        bench.run(message)
        assert pinned(bench, key.id) == 0

    def test_a_record_that_a_successor_changes_between_the_two_reads_is_not_decided_from(self) -> None:
        bench = harness()
        bench.handle(event("StartTask", "t", "s"))
        bench.handle(save("t", 1, amount=1))
        message, later = bench.message(save("t", 2, second=2)), bench.message(save("t", 3, third=3))
        bench.faults.before("store.load", lambda: None)
        bench.faults.before("store.load", lambda: bench.another().run(batch([later]), {}))
        with pytest.raises(Superseded):
            bench.run(message)
        record = bench.record("t")
        assert record is not None
        assert json.loads(record.parts["draft"])["data"] == {"amount": 1, "third": 3}


def test_a_definition_is_restored_and_filled_like_a_task() -> None:
    bench = harness(with_changelog=True)
    bench.handle(define(1))
    bench.handle(define(2))
    record = bench.store.record(FORM)
    assert record is not None
    assert record.life is not None
    assert record.life.versions == 2
    assert set(record.parts) == {version_part(0), version_part(1)}


def _key_elsewhere(bench: Harness) -> TaskKey:
    """A task in another shard than the definition."""
    shard = bench.store.shard(FORM.id)
    return next(TaskKey("orders", f"t{n}") for n in range(99) if bench.store.shard(f"t{n}") != shard)
