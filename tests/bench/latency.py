"""How long an answer takes: request sent to response readable, at a steady rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.bench.ceilings import ANSWERED, CEILING_OF_THE_SAME, running_ceiling
from tests.bench.events import Sent, proceed_event, send_all, start_event
from tests.bench.rig import HOMES, Rig, running_worker, wait_for

STEP_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 99th percentile, in ms."""

    p50_ms: float
    p99_ms: float


def spread(values_ms: list[float]) -> Spread:
    """Return the spread of some values."""
    ordered = sorted(values_ms)
    return Spread(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))])


class Reader:
    """Notes when each response became readable (read_committed), from a thread of its own."""

    def __init__(self, rig: Rig) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": rig.kafka.bootstrap,
                "group.id": f"{rig.name}-latency",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
            }
        )
        self._consumer.assign([TopicPartition(rig.responses, p, 0) for p in range(HOMES)])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seen: dict[tuple[str, str], float] = {}
        """(key, status) to the epoch seconds at which it was read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # All that is there; it waits for the first, never for more.
            for message in self._consumer.consume(500, 0.0) or self._consumer.consume(1, 0.01):
                now = time.time()
                status = dict(message.headers() or [])["event-status"]
                key = ((message.key() or b"").decode(), bytes(status).decode())  # type: ignore[arg-type]
                self.seen.setdefault(key, now)


def measure_latency(rig: Rig, per_second: int, seconds: float) -> Spread:
    """Return the spread from the sending of a StartTask to its committed ACK."""
    events = [start_event(number, rig.name) for number in range(int(per_second * seconds))]
    with running_worker(rig):
        return _answered(rig, events, per_second, "ACK")


def measure_ceiling_latency(rig: Rig, per_second: int, seconds: float) -> Spread:
    """Return the same spread of ceiling (e), on a rig with a changelog: what the servers take."""
    events = [start_event(number, rig.name) for number in range(int(per_second * seconds))]
    with running_ceiling(rig, CEILING_OF_THE_SAME):
        return _answered(rig, events, per_second, ANSWERED)


def measure_forwarded_latency(rig: Rig, per_second: int, seconds: float) -> Spread:
    """Return the spread from the sending of a ProceedTask to a wrong partition to its committed SUCCESS."""
    numbers = range(int(per_second * seconds))
    with running_worker(rig):
        send_all(rig, (start_event(number, rig.name) for number in numbers))
        wait_for(lambda: rig.count(rig.responses) >= len(numbers), "the tasks to be open", 0.25)
        events = [proceed_event(number, rig.name, home=False) for number in numbers]
        return _answered(rig, events, per_second, "SUCCESS")


def _answered(rig: Rig, events: Sequence[Sent], per_second: int, status: str) -> Spread:
    reader = Reader(rig)
    try:
        answered = _counter(reader, status)
        sent = _send_steadily(rig, events, per_second)
        wait_for(lambda: answered() >= len(sent), "all answers")
    finally:
        reader.close()
    return spread([(reader.seen[key, status] - when) * 1000 for key, when in sent.items()])


def measure_lateness(rig: Rig, tasks: int, over_seconds: float) -> Spread:
    """Return how late TIMEOUT was readable, for deadlines spread evenly over some seconds."""
    with running_worker(rig):
        reader = Reader(rig)
        try:
            lead_seconds = 3.0 + tasks / 2500
            due = _start_with_deadlines(rig, tasks, over_seconds, lead_seconds)
            timed_out = _counter(reader, "TIMEOUT")
            wait_for(lambda: timed_out() >= tasks, "all timeouts")
        finally:
            reader.close()
    late = [(reader.seen[key, "TIMEOUT"] - when) * 1000 for key, when in due.items()]
    if min(late) < 0:
        raise RuntimeError(f"a deadline fired {-min(late):.0f} ms early")
    return spread(late)


def _counter(reader: Reader, status: str) -> Callable[[], int]:
    return lambda: sum(1 for _, seen in tuple(reader.seen) if seen == status)


def _send_steadily(rig: Rig, events: Sequence[Sent], per_second: int) -> dict[str, float]:
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "linger.ms": 2})
    sent: dict[str, float] = {}
    began = time.time()
    for number, event in enumerate(events):
        wait = began + number / per_second - time.time()
        if wait > 0:
            producer.poll(0)
            time.sleep(max(wait, STEP_SECONDS / 10))
        sent[event.key] = time.time()
        producer.produce(rig.requests, event.value, event.key, event.partition)
    producer.flush(30)
    return sent


def _start_with_deadlines(rig: Rig, tasks: int, over_seconds: float, lead_seconds: float) -> dict[str, float]:
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "linger.ms": 5})
    first_ms = int((time.time() + lead_seconds) * 1000)
    due: dict[str, float] = {}
    for number in range(tasks):
        deadline_ms = first_ms + int(number * over_seconds * 1000 / tasks)
        event = start_event(number, rig.name, timeoutOn=deadline_ms)
        due[event.key] = deadline_ms / 1000
        producer.produce(rig.requests, event.value, event.key, event.partition)
        producer.poll(0)
    producer.flush(30)
    return due
