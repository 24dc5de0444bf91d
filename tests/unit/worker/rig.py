"""One worker on the bench: its real parts over a scripted log and a memory store."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers
from runner.actions.policy import DomainPolicy, Policy
from runner.changelog.restorer import Restorer
from runner.changelog.writer import Changelog
from runner.clock import ManualTicker
from runner.envelope.codec import JsonCodec
from runner.envelope.event import NO_RULES, MetaRules
from runner.errors import TransientError
from runner.kafka.message import Message
from runner.kafka.topics import Cluster, KafkaTopicCatalog, Topic
from runner.store.calls import Ownership
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.worker.assignment import Batch
from runner.worker.components import Components, LoopLimits
from runner.worker.delivery import AtLeastOnce, DeliveryMode, ExactlyOnce
from runner.worker.loop import Loop
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.result import BatchResult
from runner.worker.retention import Retention
from runner.worker.schedule import StoreClock
from runner.worker.task_processor import TaskProcessor
from runner.worker.timers import Timers, TimerSettings
from tests.unit.worker.faults import Faults
from tests.unit.worker.faulty_store import FaultyStore
from tests.unit.worker.scripted_log import ScriptedLog

NOW: Final = 1_800_000_000_000
HOMES: Final = 4
DEAD_LETTERS: Final = "dead-letters"
TASKS: Final = "tasks"
MINUTE: Final = 60_000

POLICY: Final = Policy(
    domains={"orders": DomainPolicy(retention_ms=60_000), "brief": DomainPolicy(retention_ms=0)},
    deployment="eu",
    allowed_streams=frozenset({"orders-out"}),
    period_chunk=3,
)


def topics(**limits: int | None) -> Cluster:
    """All topics, with 1 MB each but for those given; None: there is no such topic."""
    sizes: dict[str, int | None] = dict.fromkeys(
        ("requests", "responses", DEAD_LETTERS, TASKS, "orders-out"), 1_000_000
    )
    sizes |= {name.replace("_", "-"): limit for name, limit in limits.items()}
    return Cluster(
        "cluster", {name: Topic(name, HOMES, size) for name, size in sizes.items() if size is not None}
    )


def event(
    action: str,
    task_id: str | None = "task-1",
    request_id: str = "req-1",
    *,
    meta: Mapping[str, Any] | None = None,
    payload: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> bytes:
    """Give the bytes of an event as a saga engine sends it."""
    named = {} if task_id is None else {"taskId": task_id}
    return json.dumps(
        {
            "requestMeta": {"id": request_id},
            "sagaMeta": [{"sagaId": "purchase", "stepId": "step-2"}],
            "eventMeta": {"action": action, "domain": "orders", "parameters": parameters, **(meta or {})},
            "payload": {**named, **(payload or {})},
        }
    ).encode()


@dataclass(frozen=True)
class Sent:
    """A reply or a resumed event, as its reader reads it."""

    kind: str
    status: str
    request_id: str
    value: dict[str, Any]

    @property
    def code(self) -> int:
        return int(self.value["result"]["error"]["code"])


def sent(outgoing: OutgoingMessage) -> Sent:
    """Read one message that was sent to a topic of responses."""
    assert outgoing.value is not None
    assert outgoing.key is not None
    headers = dict(outgoing.headers)
    value: dict[str, Any] = json.loads(outgoing.value, parse_int=_integer)
    kind, status = headers["event-kind"].decode(), headers["event-status"].decode()
    assert value["result"]["status"] == status
    request_id = value["requestMeta"]["id"]
    # As the number was spelled: a float has only some of its digits.
    is_whole_number = isinstance(request_id, float) and request_id.is_integer()
    assert str(int(Decimal(repr(request_id))) if is_whole_number else request_id) == outgoing.key.decode()
    return Sent(kind, status, outgoing.key.decode(), value)


def _integer(text: str) -> int | str:
    """Read a whole number; Python alone has bounds for its digits."""
    return text if len(text) > 4300 else int(text)


def statuses(messages: Iterable[OutgoingMessage]) -> list[str]:
    """Give the statuses of what went to responses, in order."""
    return [sent(outgoing).status for outgoing in messages if outgoing.stream in {"responses", "orders-out"}]


class Harness:
    """Steps 2 to 5 alone: processes batches of messages given to it."""

    def __init__(
        self,
        *,
        policy: Policy = POLICY,
        rules: MetaRules = NO_RULES,
        poison_limit: int = 0,
        max_event_bytes: int = 1_000_000,
        cluster: Cluster | None = None,
        shards: int = 4,
        with_changelog: bool = False,
    ) -> None:
        self.ticker = ManualTicker()
        self.faults = Faults()
        self.store = FaultyStore(self.now_ms, self.faults, shards)
        self.store.open(Ownership("cluster", "requests", "topic-1", "group", HOMES))
        self.topics = KafkaTopicCatalog(cluster or topics(), {}, JsonCodec())
        self.terms = ProcessingSettings(
            policy=policy.within(replace(policy.limits, event_bytes=max_event_bytes)),
            codec=JsonCodec(),
            rules=rules,
            incarnation=1,
            poison_limit=poison_limit,
        )
        self.store.verified(range(HOMES), HOMES, self.store.pending_tokens(range(HOMES), "token"))
        self.changelog = Changelog(TASKS, self.topics, self.store.shard) if with_changelog else None
        self.process = self.another()
        self._next: dict[int, int] = {}

    def now_ms(self) -> int:
        """The time of the store: the ticker decides it."""
        return NOW + round(self.ticker() * 1000)

    def another(self) -> TaskProcessor:
        """A second process over the same store: a zombie, or the successor of one."""
        return TaskProcessor(self.terms, self.store, self.topics, DEAD_LETTERS, self.changelog)

    def message(
        self, value: bytes | None, home: int = 0, headers: Headers = (), key: bytes | None = b"key"
    ) -> Message:
        """The next message of a home."""
        offset = self._next.get(home, 0)
        self._next[home] = offset + 1
        return Message(home, offset, key, value, headers, timestamp_ms=self.now_ms())

    def following(self, home: int) -> int:
        """The offset of the next message of a home."""
        return self._next.get(home, 0)

    def run(self, *messages: Message, runs: Mapping[int, int] | None = None) -> BatchResult:
        """Process a batch of messages; its bases are the offsets it begins with."""
        return self.process.run(batch(messages), runs or {})

    def handle(self, value: bytes | None, home: int = 0, headers: Headers = ()) -> BatchResult:
        """Process one message that comes next."""
        return self.run(self.message(value, home, headers))

    def returned(self, messages: Iterable[OutgoingMessage]) -> list[Message]:
        """What was sent to the requests topic, as it comes back."""
        return [
            structs.replace(
                self.message(outgoing.value, outgoing.partition or 0, outgoing.headers), key=outgoing.key
            )
            for outgoing in messages
            if outgoing.stream == "requests"
        ]

    def record(self, task_id: str = "task-1", domain: str = "orders") -> Record | None:
        return self.store.record(TaskKey(domain, task_id))


def batch(messages: Collection[Message]) -> Batch:
    """A batch that begins with the first message of each home."""
    bases: dict[int, int] = {}
    for message in messages:
        bases.setdefault(message.partition, message.offset)
    return Batch(tuple(messages), bases)


@dataclass
class Recorder:
    """An Observer that writes down what it is told."""

    events: list[str] = field(default_factory=list)
    processed_batches: list[tuple[Batch, BatchResult, int]] = field(default_factory=list)
    errors: list[TransientError] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    stopped: dict[int, str] = field(default_factory=dict)
    paused_homes: set[int] = field(default_factory=set)
    laps: list[str] = field(default_factory=list)
    gone: int = 0
    times_taken: int = 0

    def phase_ended(self, part: str) -> None:
        self.laps.append(part)

    def processed(self, batch: Batch, done: BatchResult, timers: int, seconds: float) -> None:
        assert seconds >= 0
        self.processed_batches.append((batch, done, timers))

    def delivered(self) -> None:
        self.times_taken += 1

    def aborted(self, error: TransientError) -> None:
        self.events.append("aborted")
        self.errors.append(error)

    def recovered(self) -> None:
        self.events.append("recovered")

    def homes(self, opened: Collection[int], paused: Collection[int]) -> None:
        self.open, self.paused_homes = set(opened), set(paused)

    def paused(self, home: int, reason: str) -> None:
        self.events.append(f"blocked {home}")
        self.stopped[home] = reason

    def removed(self, records: int) -> None:
        self.gone += records


@dataclass
class KnownTopic:
    """The requests topic as far as it is known: so many partitions."""

    homes: int = HOMES
    asked: list[int] = field(default_factory=list)
    """The partitions asked for that are not known."""

    def has_home(self, partition: int) -> bool:
        if partition >= self.homes:
            self.asked.append(partition)
        return partition < self.homes


class Worker:
    """A whole worker: the loop over a scripted log."""

    def __init__(
        self,
        harness: Harness | None = None,
        *,
        homes: Iterable[int] = (0, 1),
        limits: LoopLimits | None = None,
        delivery: DeliveryMode | None = None,
        timers: Sequence[type[Timers]] = (Timers,),
        settings: TimerSettings | None = None,
        recorder: Recorder | None = None,
        restorers: Sequence[Restorer] = (),
    ) -> None:
        self.harness = harness or Harness()
        self.ticker, self.faults, self.store = self.harness.ticker, self.harness.faults, self.harness.store
        delivery = delivery or ExactlyOnce
        self.log = ScriptedLog(self.ticker, self.faults, HOMES, transactions=delivery is not AtLeastOnce)
        self.recorder = recorder or Recorder()
        self.topic = KnownTopic()
        time = StoreClock(self.ticker)
        policy = self.harness.terms.policy
        settings = settings or TimerSettings()
        of_timers = (self.store, policy, self.harness.topics, settings, time, self.ticker)
        retention = Retention(self.store, policy, 1, time, self.harness.changelog, self.recorder.removed)
        self.loop = Loop(
            Components(
                log=self.log,
                topic=self.topic,
                store=self.store,
                processor=self.harness.process,
                delivery=delivery,
                incarnation=1,
                duties=[*(timers(*of_timers) for timers in timers), retention],
                guards=restorers,
                before_opening=[restorer.bind_server for restorer in restorers],
                pings=[self.store.ping],
            ),
            limits or LoopLimits(),
            self.recorder,
            self.ticker,
        )
        self.log.listener = self.loop
        self.log.assign(*homes)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.loop.step()

    def until_idle(self, steps: int = 200) -> None:
        """Step until all that was read is committed and nothing more is done."""
        for _ in range(steps):
            if not self.loop.step() and self.is_idle:
                return
        raise AssertionError(f"still busy after {steps} steps; {self.loop.positions}")

    @property
    def is_idle(self) -> bool:
        """Whether every home that is ours and can go on has been read and committed to its end."""
        positions = self.loop.positions
        return not self.log.rebalances and all(
            home in positions and all(message.offset < positions[home] for message in self.log.requests[home])
            for home in self.log.owned - self.recorder.paused_homes
        )

    @property
    def statuses(self) -> list[str]:
        return statuses(self.log.sent)
