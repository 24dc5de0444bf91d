"""Very many deadlines at once: how late they are, and what else gets through meanwhile."""

from __future__ import annotations

import time
from typing import Final

from confluent_kafka import Producer

from tests.bench.events import Sent, proceed_event, send_all, start_event
from tests.bench.latency import Reader, spread
from tests.bench.rig import HOMES, Rig, running_worker, wait_for

PROBES: Final = 20
"""ProceedTasks for other tasks, one each EVERY_SECONDS from the first deadline on."""

EVERY_SECONDS: Final = 0.4
OPENED_A_SECOND: Final = 2_500
"""How many tasks a worker opens at least, while the measurement sends and reads on the same cores."""


def measure_deadline_burst(rig: Rig, deadlines: int) -> dict[str, float]:
    """Open tasks that are all due within one second, and answer a few others while they end."""
    probes = f"{rig.name}-probe"
    with running_worker(rig):
        reader = Reader(rig)
        try:
            send_all(rig, (start_event(n, probes) for n in range(PROBES)))
            first = time.time() + 5 + deadlines / OPENED_A_SECOND
            due = {f"{rig.name}-{n}": first + n / deadlines for n in range(deadlines)}
            starts = (
                start_event(n, rig.name, timeoutOn=int(due[f"{rig.name}-{n}"] * 1000))
                for n in range(deadlines)
            )
            send_all(rig, starts)
            wait_for(lambda: len(reader.seen) >= deadlines + PROBES, "all tasks to be open")
            if time.time() > first:
                raise RuntimeError(
                    f"tasks were still opened {time.time() - first:.0f} s after the first deadline"
                )
            sent = _probe(rig, probes, first)
            # ACK and TIMEOUT of each, and of a probe ACK, PROCEEDED and SUCCESS.
            wait_for(lambda: len(reader.seen) >= 2 * deadlines + 3 * PROBES, "all ends")
        finally:
            reader.close()
    seen = reader.seen
    late = [(seen[key, "TIMEOUT"] - round(when, 3)) * 1000 for key, when in due.items()]
    answered = [(seen[key, "SUCCESS"] - when) * 1000 for key, when in sent.items()]
    lateness = spread(late)
    return {
        "deadlines within one second": deadlines,
        "late, p50 ms": lateness.p50_ms,
        "late, p99 ms": lateness.p99_ms,
        "late, worst ms": max(late),
        "early, worst ms": max(0.0, -min(late)),
        "timed out a second": deadlines / (max(seen[key, "TIMEOUT"] for key in due) - first),
        "ProceedTask meanwhile, p50 ms": spread(answered).p50_ms,
        "ProceedTask meanwhile, worst ms": max(answered),
    }


def _probe(rig: Rig, probes: str, first: float) -> dict[str, float]:
    """Send the ProceedTasks at their moments; return when each was sent."""
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "linger.ms": 0})
    sent: dict[str, float] = {}
    for number in range(PROBES):
        time.sleep(max(0.0, first + number * EVERY_SECONDS - time.time()))
        event: Sent = proceed_event(number, probes)
        sent[event.key] = time.time()
        producer.produce(rig.requests, event.value, event.key, number % HOMES)
        producer.flush(10)
    return sent
