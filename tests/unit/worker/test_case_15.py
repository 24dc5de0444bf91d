"""Acceptance case 15: what was applied and never committed, and then lost, resumes its saga once."""

from __future__ import annotations

from runner.store.calls import Change, HomeCall, ShardCall, Verdict
from tests.unit.worker.rig import batch, event, statuses
from tests.unit.worker.test_hostile_values import harness, raw
from tests.unit.worker.test_record_parts import restored


def test_case_15_start_claim_and_proceed_that_were_never_committed_resume_the_saga_once() -> None:
    bench = harness(with_changelog=True)
    start = bench.message(event("StartTask", "task-1", "start"))
    claim = bench.message(raw("ClaimTask", "claim", "{}", '{"taskId":"task-1"}'))
    end = bench.message(raw("ProceedTask", "end", "{}", '{"taskId":"task-1"}'))
    killed = bench.run(start, claim, end)
    assert statuses(killed.outgoing) == ["ACK", "SUCCESS", "PROCEEDED", "SUCCESS"], "none of it is committed"

    # The next worker's batch has the start alone; it commits that, and then all of Redis is lost.
    committed = bench.another().run(batch([start]), {})
    assert statuses(committed.outgoing) == ["ACK"]
    record = restored(list(committed.outgoing))
    assert record is not None
    assert record.is_open
    assert record.is_plain, "the changelog is not ahead of its offsets"

    fresh = harness(with_changelog=True)
    shard = fresh.store.shard("task-1")
    home = HomeCall(0, 0, decided_up_to=1)
    change = Change(record.key, None, record, parts=record.all_parts)
    for number in range(fresh.store.shards):
        changes = (change,) if number == shard else ()
        assert fresh.store.apply([ShardCall(number, 1, (home,), changes)]) == [Verdict.APPLIED]
    done = fresh.another().run(batch([claim, end]), {})
    assert statuses(done.outgoing) == ["SUCCESS", "PROCEEDED", "SUCCESS"]
