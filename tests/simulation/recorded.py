"""Recorded histories: the same messages, batches and crashes, given to the worker as it is now.

``histories.json.gz`` was written by the runner before its core took more than one transition. Each history
has what stood in ``requests`` at the end of a seed, the batches in which it was handled (some of them twice:
applied and not committed), and every message that came out. A replay has no scheduler and no chance in it,
so it does not change with the steps that a worker takes.

``python -m tests.simulation.recorded`` records anew; that is right only where an answer is meant to change.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import DomainPolicy, Policy
from runner.changelog.writer import Changelog
from runner.envelope.codec import JsonCodec
from runner.envelope.event import NO_RULES
from runner.kafka.message import Message
from runner.store.calls import Ownership
from runner.testing.memory_store import MemoryStore
from runner.worker.assignment import Batch
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.task_processor import TaskProcessor
from tests.simulation.log_model import DEAD_LETTERS, REQUESTS, TASKS
from tests.simulation.simulation import History as Simulated
from tests.simulation.simulation import Rules
from tests.simulation.topic_model import Topics

FILE: Final = Path(__file__).with_name("histories.json.gz")
SEEDS: Final = range(100)
CRASHES: Final = 0.3
"""Share of the batches that are applied and not committed."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A message that was read or sent; bytes as Latin-1."""

    stream: str
    partition: int | None
    key: str | None
    value: str | None
    headers: tuple[tuple[str, str], ...] = ()
    timestamp_ms: int | None = None
    offset: int = -1


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A batch: of each home the offsets from (its base) up to, and what was sent."""

    now_ms: int
    homes: dict[int, tuple[int, int]]
    sent: list[Line]


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """The settings, the log and the batches of one history."""

    seed: int
    shards: int
    slice_events: int
    domains: dict[str, int]
    """Retention by domain, ms."""
    period_chunk: int
    log: list[Line]
    steps: list[Step]


def load() -> list[Recorded]:
    """Return the recorded histories."""
    return msgspec.json.decode(gzip.decompress(FILE.read_bytes()), type=list[Recorded])


def replayed(history: Recorded) -> list[list[Line]]:
    """Return what the worker sends now, by step."""
    machine = _Machine(history)
    return [machine.run(step.now_ms, step.homes) for step in history.steps]


def comparable(lines: list[Line]) -> list[Any]:
    """Return messages as they are compared: byte for byte, but those of the changelog after decoding.

    The reply of a TimeoutBetween says its period since.
    """
    return [
        _decoded(line) if line.stream == TASKS or '"requested"' in (line.value or "") else line
        for line in lines
    ]


def _decoded(line: Line) -> tuple[object, ...]:
    value = line.value and msgspec.json.decode(line.value.encode("latin-1"))
    if value and line.stream != TASKS:
        value["result"] = {name: told for name, told in value["result"].items() if name not in {"from", "to"}}
    return line.stream, line.key, line.headers, value


class _Machine:
    """A worker without a loop: batches in, messages out."""

    def __init__(self, history: Recorded) -> None:
        self._now_ms = 0
        self._messages: dict[int, dict[int, Message]] = {}
        for line in history.log:
            self._messages.setdefault(line.partition or 0, {})[line.offset] = _message(line)
        store = MemoryStore(lambda: self._now_ms, history.shards)
        homes = max(self._messages, default=0) + 1
        store.open(Ownership("cluster", REQUESTS, "topic", "group", homes))
        store.bind_server()
        store.verified(range(homes), homes, store.pending_tokens(range(homes), "token"))
        domains = {name: DomainPolicy(retention_ms=ms) for name, ms in history.domains.items()}
        policy = Policy(domains=domains, period_chunk=history.period_chunk)
        settings = ProcessingSettings(policy, JsonCodec(), NO_RULES, 1, 0, history.slice_events)
        changelog = Changelog(TASKS, Topics(), store.shard)
        self._process = TaskProcessor(settings, store, Topics(), DEAD_LETTERS, changelog)
        self.positions: dict[int, int] = {}

    def run(self, now_ms: int, homes: dict[int, tuple[int, int]]) -> list[Line]:
        """Handle a batch; return what was sent, in order."""
        self._now_ms = now_ms
        messages = [
            message
            for home, (first, end) in homes.items()
            for offset, message in sorted(self._messages[home].items())
            if first <= offset < end
        ]
        bases = {home: first for home, (first, _) in homes.items()}
        result = self._process.run(Batch(tuple(messages), bases), {})
        self.positions = dict(result.positions)
        return [_line(message) for message in result.outgoing]


def _record(seed: int) -> Recorded:
    simulated = Simulated(seed, Rules())
    simulated.run()
    profile = simulated.profile
    log = [
        Line(
            REQUESTS,
            found.partition,
            _text(found.key),
            _text(found.value),
            _texts(found.headers),
            found.timestamp_ms,
            found.offset,
        )
        for found in simulated.broker.visible(REQUESTS)
    ]
    domains = dict.fromkeys(profile.domains, profile.retention_ms)
    history = Recorded(seed, profile.shards, profile.slice_events, domains, profile.period_chunk, log, [])
    machine = _Machine(history)
    for now_ms, homes, is_committed, positions in _batches(Random(seed), log):
        sent = machine.run(now_ms, homes)
        history.steps.append(Step(now_ms, homes, sent))
        if is_committed:
            positions.update(machine.positions)
    return history


def _batches(
    rng: Random, log: list[Line]
) -> Iterator[tuple[int, dict[int, tuple[int, int]], bool, dict[int, int]]]:
    """Choose batches until all of the log is committed; ``positions`` is updated by who handles them."""
    offsets: dict[int, list[int]] = {}
    for line in log:
        offsets.setdefault(line.partition or 0, []).append(line.offset)
    positions = dict.fromkeys(offsets, 0)
    latest_ms = max((line.timestamp_ms or 0 for line in log), default=0)
    for turn in count():
        waiting = {
            home: rest for home in offsets if (rest := [o for o in offsets[home] if o >= positions[home]])
        }
        if not waiting:
            return
        homes = {}
        for home in rng.sample(sorted(waiting), rng.randint(1, len(waiting))):
            rest = waiting[home][: rng.choice((1, 3, 10, 40))]
            homes[home] = (positions[home], rest[-1] + 1)
        yield latest_ms + 40 * turn, homes, rng.random() >= CRASHES, positions


def _message(line: Line) -> Message:
    headers = tuple((name, value.encode("latin-1")) for name, value in line.headers)
    return Message(
        line.partition or 0,
        line.offset,
        _bytes(line.key),
        _bytes(line.value),
        headers,
        timestamp_ms=line.timestamp_ms,
    )


def _line(message: OutgoingMessage) -> Line:
    headers = _texts(message.headers)
    return Line(message.stream, message.partition, _text(message.key), _text(message.value), headers)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("latin-1")


def _texts(headers: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value.decode("latin-1")) for name, value in headers)


def main() -> int:
    """Record the histories."""
    histories = [_record(seed) for seed in SEEDS]
    FILE.write_bytes(gzip.compress(msgspec.json.encode(histories), mtime=0))
    sent = sum(len(step.sent) for history in histories for step in history.steps)
    print(f"{len(histories)} histories, {sum(len(h.steps) for h in histories)} batches, {sent} messages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
