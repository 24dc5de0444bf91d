"""Events per second of one worker: everything is in the log already, the worker catches up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from confluent_kafka import Consumer, TopicPartition

from tests.bench.events import Sent, proceed_event, send_all, start_event
from tests.bench.stage import HOMES, Stage, running_worker, wait_for


def measure_throughput(stage: Stage, tasks: int, *, home: bool = True) -> float:
    """Return events per second for StartTask, then ProceedTask, of so many tasks.

    ``home=False``: every ProceedTask is sent to a wrong partition and forwarded; the forwarded
    event counts once. Time is from the first to the last response, as the worker stamped them.
    """
    send_all(stage, chain(_starts(stage, tasks), _proceeds(stage, tasks, home=home)))
    with running_worker(stage):
        wait_for(lambda: stage.count(stage.responses) >= 3 * tasks, "all responses", 0.25)
        wait_for(lambda: responses_of(stage)[0] >= 3 * tasks, "all responses", 0.5)
    count, first_ms, last_ms = responses_of(stage)
    if count != 3 * tasks:
        raise RuntimeError(f"{count} responses instead of {3 * tasks}")
    return 2 * tasks / ((last_ms - first_ms) / 1000)


def responses_of(stage: Stage) -> tuple[int, int, int]:
    """Return how many responses are committed, and the times of the first and the last, epoch ms."""
    count, first, last = 0, 2**62, 0
    for _, when_ms, _ in read_responses(stage):
        count += 1
        first, last = min(first, when_ms), max(last, when_ms)
    return count, first, last


def read_responses(stage: Stage) -> Iterator[tuple[str, int, str]]:
    """Give (key, epoch ms, status) of every committed response there is now."""
    consumer = Consumer(
        {
            "bootstrap.servers": stage.kafka.bootstrap,
            "group.id": f"{stage.name}-reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(stage.responses, p, 0) for p in range(HOMES)])
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


def _starts(stage: Stage, tasks: int) -> Iterator[Sent]:
    return (start_event(number, stage.name) for number in range(tasks))


def _proceeds(stage: Stage, tasks: int, *, home: bool) -> Iterator[Sent]:
    return (proceed_event(number, stage.name, home=home) for number in range(tasks))
