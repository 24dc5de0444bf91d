"""The loop of the worker over an input topic: each payload is one event, whatever fails in between."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from runner.errors import Fenced, LogUnavailable, StoreUnavailable, TransientError
from runner.worker.components import Components, LoopLimits
from runner.worker.delivery import AtLeastOnce, DeliveryMode, ExactlyOnce
from runner.worker.input_topics.positions import EveryPartition, InputPositions
from runner.worker.loop import Loop
from tests.unit.worker.input_topics.bench import TOPIC, input_process
from tests.unit.worker.rig import DEAD_LETTERS, HOMES, Harness, Recorder, event, topics
from tests.unit.worker.scripted_log import ScriptedLog


class InputWorker:
    """The loop of one input topic over a scripted log, with the store of a harness."""

    def __init__(
        self,
        harness: Harness | None = None,
        *,
        delivery: DeliveryMode | None = None,
        limits: LoopLimits | None = None,
    ) -> None:
        self.harness = harness or Harness()
        self.faults, self.ticker = self.harness.faults, self.harness.ticker
        delivery = delivery or ExactlyOnce
        transactions = delivery is ExactlyOnce
        self.log = ScriptedLog(self.ticker, self.faults, HOMES, transactions=transactions, topic=TOPIC)
        self.recorder = Recorder()
        parts = Components(
            log=self.log,
            topic=EveryPartition(),
            store=InputPositions(HOMES),
            processor=input_process(self.harness),
            delivery=delivery,
            incarnation=1,
            pings=[self.harness.store.ping],
        )
        self.loop = Loop(parts, limits or LoopLimits(), self.recorder, self.ticker)
        self.log.listener = self.loop
        self.log.assign(0, 1)

    def put(self, *task_ids: str) -> None:
        for n, task_id in enumerate(task_ids):
            self.log.append(json.dumps({"taskId": task_id}).encode(), n % 2)

    def step(self, times: int = 30) -> None:
        for _ in range(times):
            self.loop.step()

    @property
    def sent(self) -> Counter[str]:
        """How often an event was made of which task's payload."""
        values = [
            json.loads(outgoing.value or b"") for outgoing in self.log.sent if outgoing.stream == "requests"
        ]
        return Counter(value["payload"]["taskId"] for value in values)


IDS = [f"task-{n}" for n in range(6)]
ONCE = Counter(IDS)


def test_each_payload_is_one_event_and_its_offset_is_committed_with_it() -> None:
    worker = InputWorker()
    worker.put(*IDS)
    worker.step()
    assert worker.sent == ONCE
    assert worker.log.offsets == {0: 3, 1: 3}
    first = worker.log.calls.index("begin")
    assert worker.log.calls[first : first + 9] == ["begin", *["produce"] * 6, "send_offsets", "commit"]


def test_without_a_committed_offset_the_first_message_is_the_first() -> None:
    worker = InputWorker()
    worker.put(*IDS)
    worker.log.offsets = {0: 2}
    worker.step()
    assert worker.sent == Counter(["task-1", "task-3", "task-4", "task-5"])


@pytest.mark.parametrize(
    "call", ["begin", "produce", "send_offsets", "commit", "poll", "committed", "read_from"]
)
def test_each_call_of_the_log_may_fail_and_each_payload_is_one_event(call: str) -> None:
    worker = InputWorker()
    worker.put(*IDS)
    worker.faults.once(f"log.{call}", *[LogUnavailable("no answer")] * 3)
    worker.step()
    assert worker.sent == ONCE
    assert worker.log.offsets == {0: 3, 1: 3}
    assert [type(error) for error in worker.recorder.errors] == [LogUnavailable] * 3


@pytest.mark.parametrize("call", ["produce", "flush", "commit_offsets"])
def test_at_least_once_loses_nothing_whichever_call_fails(call: str) -> None:
    worker = InputWorker(delivery=AtLeastOnce)
    worker.put(*IDS)
    worker.faults.once(f"log.{call}", LogUnavailable("no answer"))
    worker.step()
    assert set(worker.sent) == set(IDS)
    assert worker.log.offsets == {0: 3, 1: 3}


def test_an_event_that_was_made_twice_is_the_same_event() -> None:
    worker = InputWorker(delivery=AtLeastOnce)
    worker.put(*IDS)
    worker.faults.once("log.commit_offsets", LogUnavailable("no answer"))
    worker.step()
    assert worker.sent == Counter(IDS * 2)
    assert len({outgoing.value for outgoing in worker.log.sent}) == len(IDS)


def test_an_outage_of_redis_is_waited_for_while_polling_goes_on() -> None:
    worker = InputWorker()
    worker.put(*IDS)
    down: TransientError = StoreUnavailable("no answer")
    worker.faults.always(down, "store.load", "store.ping")
    worker.step(20)
    assert worker.log.sent == []
    assert worker.harness.store.asked.count("load") == 1, "it is asked again only when it answers a ping"
    polls = worker.log.calls.count("poll")
    worker.step(20)
    assert worker.log.calls.count("poll") == polls + 20
    worker.faults.mend()
    worker.step()
    assert worker.sent == ONCE


def test_a_fenced_producer_is_for_whoever_opened_it() -> None:
    worker = InputWorker()
    worker.put(*IDS)
    worker.faults.once("log.commit", Fenced("fenced"))
    with pytest.raises(Fenced):
        worker.step()


def test_a_message_that_nobody_takes_pauses_its_partition_until_somebody_does() -> None:
    harness = Harness(cluster=topics(dead_letters=None))
    worker = InputWorker(harness)
    worker.log.append(b"no json", 0)
    worker.put("task-0", "task-1")
    worker.step()
    assert worker.sent == Counter(["task-1"])
    assert worker.recorder.paused_homes == {0}
    harness.topics.cluster = topics()
    worker.ticker.advance(LoopLimits().paused_seconds)
    worker.step()
    assert worker.sent == Counter(["task-0", "task-1"])
    assert [outgoing.value for outgoing in worker.log.sent if outgoing.stream == DEAD_LETTERS] == [b"no json"]


def test_poison_without_end_pauses_its_partition_for_good() -> None:
    worker = InputWorker(Harness(poison_limit=3))
    for _ in range(5):
        worker.log.append(b"no json", 0)
    worker.put("task-0", "task-1")
    worker.step()
    worker.ticker.advance(10 * LoopLimits().paused_seconds)
    worker.step()
    assert worker.sent == Counter(["task-1"])
    assert worker.recorder.paused_homes == {0}
    assert worker.log.offsets == {0: 3, 1: 1}


def test_a_refused_batch_goes_message_by_message_and_only_the_one_to_blame_waits() -> None:
    worker = InputWorker()
    worker.put(*IDS)
    worker.log.refused = b"task-2"
    worker.step(40)
    assert worker.sent == Counter(["task-0", "task-1", "task-3", "task-5"])
    assert worker.recorder.paused_homes == {0}


def test_the_store_is_only_read() -> None:
    harness = Harness()
    harness.handle(event("StartTask", "task-0", "start", timeout=0), 3)
    harness.store.asked.clear()
    worker = InputWorker(harness)
    worker.put(*IDS)
    worker.step()
    assert set(harness.store.asked) == {"load"}
    assert worker.log.sent[0].partition == 3


def test_a_partition_that_was_added_is_read_from_its_first_payload() -> None:
    worker = InputWorker()
    worker.step()
    worker.log.requests[HOMES] = []
    worker.log.append(json.dumps({"taskId": "added"}).encode(), HOMES)
    worker.log.assign(HOMES)
    worker.step()
    assert worker.sent == Counter(["added"])
