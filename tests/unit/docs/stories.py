"""Stories: the examples of docs/protocol.md, played by an empty runner.

Blocks opened with ``json in STORY partition=N`` are fed, in their order, to the batch processor over the
memory store, and what it sends must be the ``json out STORY`` blocks, whose last line of prose before them
names topic, key and headers. ``after=MS`` lets time pass; what falls due then is part of the story.
``input=NAME`` feeds a payload to an input topic of the page's own configuration, with
``headers=name:value,…``.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import yaml

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers
from runner.actions.policy import DomainPolicy, Policy
from runner.cli.wiring.events import build_inputs
from runner.config import Config
from runner.envelope.codec import JsonCodec, Sections
from runner.envelope.event import NO_RULES
from runner.kafka.message import Message
from runner.store.calls import Ownership
from runner.testing.memory_store import MemoryStore
from runner.worker.assignment import Batch
from runner.worker.components import Round
from runner.worker.input_topics.normalise import InputTopic
from runner.worker.input_topics.processor import InputProcessor
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.schedule import StoreClock
from runner.worker.task_processor import TaskProcessor
from runner.worker.timers import Timers, TimerSettings
from tests.unit.docs.pages import (
    PROTOCOL,
    Block,
    blocks,
)

NOW: Final = 1_795_000_000_000
HOMES: Final = 4
TOPIC_ID: Final = "w8pP3cZzQ1S7a0bN5dXJ4g"
FIRST_OFFSET: Final = 100
LIMITS: Final = {
    "requests": 1_000_000,
    "responses": 1_000_000,
    "approvals": 1_000_000,
    "dead-letters": 2_000_000,
    "notifications": 1_000_000,
}
POLICY: Final = Policy(
    {
        "orders": DomainPolicy(admin_role="admin"),
        "care": DomainPolicy(notify=frozenset({"reminded", "escalated"})),
    },
    partitions=HOMES,
    allowed_streams=frozenset({"approvals"}),
    notifications="notifications",
)
"""The configuration that the page begins with."""
CHANGELOG: Final = ["json", "changelog"]


def documented_inputs() -> list[InputTopic]:
    """The input topics of the page's example."""
    (example,) = (b.text for b in blocks(PROTOCOL) if b.words == ["yaml"] and b.text.startswith("inputs:"))
    settings = {**yaml.safe_load(example), "domains": {"orders": {}}}
    return build_inputs(Config.model_validate(settings))


class TopicCatalog:
    """Topics with limits; JSON on all of them."""

    def encode(self, stream: str, sections: Sections) -> bytes:
        assert stream in {"requests", *LIMITS}
        return JsonCodec().encode(sections)

    def limit_bytes(self, stream: str) -> int | None:
        return LIMITS.get(stream)

    def partition(self, stream: str, request_id: str) -> int | None:  # noqa: ARG002 - as the Outlet has it
        return None


class Runner:
    """The batch processor over a memory store; what it sends to requests comes back to it at once."""

    def __init__(self, policy: Policy) -> None:
        self.now_ms = NOW
        self._policy = policy
        self._store = MemoryStore(lambda: self.now_ms)
        self._store.open(Ownership("cluster", "requests", "topic-1", "group", HOMES))
        self._offsets = dict.fromkeys(range(HOMES), FIRST_OFFSET)
        terms = ProcessingSettings(policy, JsonCodec(), NO_RULES, 1, 0)
        self._process = TaskProcessor(terms, self._store, TopicCatalog(), "dead-letters")
        self._inputs = {
            each.name: InputProcessor(each, TOPIC_ID, terms, self._store, TopicCatalog(), "dead-letters")
            for each in documented_inputs()
        }
        self._input_offsets = dict.fromkeys(self._inputs, FIRST_OFFSET)

    def receive(
        self, value: bytes, partition: int, key: bytes, headers: Headers = ()
    ) -> list[OutgoingMessage]:
        """Everything that is sent on account of one message, in its order."""
        waiting = deque([(partition, key, value, headers)])
        sent: list[OutgoingMessage] = []
        while waiting:
            for outgoing in self._processed(*waiting.popleft()):
                sent.append(outgoing)
                if outgoing.stream == self._policy.requests:
                    waiting.append(
                        (
                            outgoing.partition or 0,
                            outgoing.key or b"",
                            outgoing.value or b"",
                            outgoing.headers,
                        )
                    )
        return sent

    def receive_input(
        self, name: str, value: bytes, partition: int, headers: Headers
    ) -> list[OutgoingMessage]:
        """Everything that is sent on account of one message on an input topic."""
        offset = self._input_offsets[name]
        self._input_offsets[name] += 1
        message = Message(partition, offset, b"k-9", value, headers, timestamp_ms=self.now_ms)
        made = self._inputs[name].run(Batch((message,), {partition: offset}), {}).outgoing
        sent = list(made)
        for outgoing in made:
            sent += self.receive(
                outgoing.value or b"", outgoing.partition or 0, outgoing.key or b"", outgoing.headers
            )
        return sent

    def pass_time(self, duration_ms: int) -> list[OutgoingMessage]:
        """Let time pass, and return everything that is sent on account of deadlines."""
        self.now_ms += duration_ms
        time = StoreClock(lambda: 0.0)
        timers = Timers(self._store, self._policy, TopicCatalog(), TimerSettings(), time, lambda: 0.0)
        timers.assign(range(HOMES))
        sent: list[OutgoingMessage] = []
        for outgoing in timers.due(Round({}, is_caught_up=False, commit=lambda _messages, _homes: None)):
            follow = self.receive(
                outgoing.value or b"", outgoing.partition or 0, outgoing.key or b"", outgoing.headers
            )
            sent += [outgoing, *follow]
        return sent

    def _processed(self, partition: int, key: bytes, value: bytes, headers: Headers) -> list[OutgoingMessage]:
        offset = self._offsets[partition]
        self._offsets[partition] += 1
        message = Message(partition, offset, key, value, headers, timestamp_ms=self.now_ms)
        result = self._process.run(Batch((message,), {partition: offset}), {})
        for domains, to_ms in result.passes:
            self._store.note_timeout(domains, to_ms)
        return result.outgoing


def shown(outgoing: OutgoingMessage) -> tuple[str, Any]:
    """A message as the page shows it: the line before it, and its value."""
    at = "" if outgoing.partition is None else f", partition {outgoing.partition},"
    headers = ", ".join(f"`{name}: {value.decode()}`" for name, value in outgoing.headers)
    line = f"On `{outgoing.stream}`{at} with key `{(outgoing.key or b'').decode()}` and headers {headers}:"
    return line, json.loads(outgoing.value or b"")


def story(name: str) -> list[Block]:
    return [block for block in story_blocks() if block.words[2] == name]


def stories() -> list[str]:
    return sorted({block.words[2] for block in story_blocks()})


def story_blocks() -> list[Block]:
    """The JSON examples of the protocol but for that of the changelog, which is no event."""
    return [block for block in blocks(PROTOCOL) if block.words[:1] == ["json"] and block.words != CHANGELOG]


def told(blocks_of_story: list[Block]) -> Iterator[tuple[Block | None, OutgoingMessage | None]]:
    """Play a story: each block that it shows beside what was sent, and what was sent but is not shown.

    Messages to requests need not be shown: they are the runner's own.
    """
    runner = Runner(POLICY)
    sent: deque[OutgoingMessage] = deque()
    for block in blocks_of_story:
        passed_ms = block.option("after")
        if block.words[1] == "in":
            yield from ((None, outgoing) for outgoing in sent if outgoing.stream != "requests")
            runner.now_ms += passed_ms or 0
            key = re.search(r'"id": "([^"]+)"', block.text)
            value, partition = block.text.strip().encode(), block.option("partition")
            assert partition is not None, block.place
            if "input=" in block.info:
                sent = deque(runner.receive_input(block.text_of("input"), value, partition, block.headers))
                continue
            sent = deque(runner.receive(value, partition, b"k-9" if key is None else key[1].encode()))
            continue
        if passed_ms is not None:
            yield from ((None, outgoing) for outgoing in sent)
            sent = deque(runner.pass_time(passed_ms))
        while sent and sent[0].stream == "requests" and "On `requests`" not in block.before:
            sent.popleft()
        yield block, sent.popleft() if sent else None
    yield from ((None, outgoing) for outgoing in sent if outgoing.stream != "requests")
