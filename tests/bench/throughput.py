"""Events per second of one worker: everything is in the log already, the worker catches up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from confluent_kafka import Consumer, TopicPartition

from tests.bench.events import Sent, proceed_event, send_all, start_event
from tests.bench.rig import HOMES, Rig, running_worker, wait_for


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a worker got through, and what it spent its time on."""

    events_per_second: float
    split_us: Mapping[str, float]
    """Microseconds of the loop for each event, by the parts of the loop; they add up to the wall.

    Poll has the time in it until the first event is there, and up to a quarter of a second at the end.
    """


def measure_throughput(rig: Rig, tasks: int) -> Throughput:
    """Return what one worker does with StartTask, then ProceedTask, of so many tasks, sent to the home.

    Time is from the first to the last response, as the worker stamped them.
    """
    send_all(rig, chain(_starts(rig, tasks), _proceeds(rig, tasks, home=True)))
    spent = _answer_all(rig, 3 * tasks)
    seconds = _seconds(rig, {"ACK", "PROCEEDED", "SUCCESS"}, 3 * tasks)
    split_us = {part: each * 1e6 / (2 * tasks) for part, each in spent.items()}
    return Throughput(2 * tasks / seconds, split_us)


def measure_forwarded(rig: Rig, tasks: int) -> float:
    """Return ProceedTasks per second that are sent to a wrong partition and forwarded to the home.

    They are sent once every task is open: between two partitions there is no order.
    """
    send_all(rig, _starts(rig, tasks))
    _answer_all(rig, tasks)
    send_all(rig, _proceeds(rig, tasks, home=False))
    _answer_all(rig, 3 * tasks)
    return tasks / _seconds(rig, {"PROCEEDED", "SUCCESS"}, 2 * tasks)


def _answer_all(rig: Rig, responses: int) -> dict[str, float]:
    """Run a worker until there are so many responses; they are counted by offset first: it is cheap.

    Returns the seconds that each part of its loop took until then.
    """
    with running_worker(rig):
        wait_for(lambda: rig.count(rig.responses) >= responses, "all responses", 0.25)
        spent = rig.loop_seconds()
        wait_for(lambda: sum(1 for _ in read_responses(rig)) >= responses, "all responses", 0.5)
    return spent


def _seconds(rig: Rig, statuses: set[str], expected: int) -> float:
    times_ms = [when_ms for _, when_ms, status in read_responses(rig) if status in statuses]
    if len(times_ms) != expected:
        raise RuntimeError(f"{len(times_ms)} responses {sorted(statuses)} instead of {expected}")
    return (max(times_ms) - min(times_ms)) / 1000


def read_responses(rig: Rig) -> Iterator[tuple[str, int, str]]:
    """Give (key, epoch ms, status) of every committed response there is now."""
    consumer = Consumer(
        {
            "bootstrap.servers": rig.kafka.bootstrap,
            "group.id": f"{rig.name}-reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(rig.responses, p, 0) for p in range(HOMES)])
    ended: set[int] = set()
    try:
        while len(ended) < HOMES:
            for message in consumer.consume(1000, 1.0):
                if message.error() is not None:
                    ended.add(message.partition() or 0)
                    continue
                headers = dict(message.headers() or [])
                status = headers["event-status"]
                text = status.decode() if isinstance(status, bytes) else str(status)
                yield (message.key() or b"").decode(), message.timestamp()[1], text
    finally:
        consumer.close()


def _starts(rig: Rig, tasks: int) -> Iterator[Sent]:
    return (start_event(number, rig.name) for number in range(tasks))


def _proceeds(rig: Rig, tasks: int, *, home: bool) -> Iterator[Sent]:
    return (proceed_event(number, rig.name, home=home) for number in range(tasks))
