"""Messages as they really travel: those of docs/protocol.md, and those of a worker that does everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Final, NamedTuple

from runner.actions.decision import OutgoingMessage
from runner.actions.policy import DomainPolicy, Policy
from runner.actions.timer_token import HookToken, timer_message
from runner.changelog.codec import changelog_key, entry_headers, part_headers, read_entry
from runner.cli.dlq.replay_command import replay_of
from runner.kafka.message import Message
from runner.kafka.topic_message import TopicMessage
from runner.kafka.topics import Topic
from runner.tasks.keys import TaskKey
from runner.worker.dead_letters import DeadLetters
from tests.unit.asyncapi.reading import Headers, channel_of
from tests.unit.docs import stories
from tests.unit.docs.pages import PROTOCOL, blocks
from tests.unit.worker.rig import DEAD_LETTERS, Harness, event, topics

NOTIFICATIONS: Final = "notifications"
TOLD: Final = frozenset(
    {"created", "assigned", "released", "saved", "commented", "updated", "reminded", "escalated"}
    | {"proceeded", "timed_out", "cancelled"}
)
POLICY: Final = Policy(
    domains={"orders": DomainPolicy(admin_role="admin", notify=TOLD)},
    notifications=NOTIFICATIONS,
    hook_ms=1,
    period_chunk=1,
)
ADMIN: Final = {"claims": {"sub": "root", "roles": ["admin"]}}
ANN: Final = {"claims": {"sub": "ann", "roles": ["manager"]}}
FORM: Final[dict[str, Any]] = {
    "taskSpec": "approval",
    "schema": {"type": "object", "properties": {"amount": {"type": "number"}}},
    "outcomes": ["yes"],
}
TRACE: Final = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"),)


class Seen(NamedTuple):
    """A message on a channel of the document."""

    channel: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    place: str


def _sent(outgoing: OutgoingMessage, place: str) -> Seen:
    return Seen(channel_of(outgoing.stream), outgoing.key, outgoing.value, outgoing.headers, place)


# -- docs/protocol.md ------------------------------------------------------------------------------


@cache
def documented() -> tuple[Seen, ...]:
    """Return every message of the stories of the page, shown or not, and those of its changelog."""
    told = [seen for name in stories.stories() for seen in _story(name)]
    return (*told, *_of_changelog())


def _story(name: str) -> Iterator[Seen]:
    runner = stories.Runner(stories.POLICY)
    commands = {each.name for each in stories.documented_inputs() if each.is_command}
    for block in stories.story(name):
        passed_ms, place = block.option("after") or 0, block.place
        if block.words[1] == "out":
            if passed_ms:
                yield from (_sent(each, place) for each in runner.pass_time(passed_ms))
            continue
        runner.now_ms += passed_ms
        partition, value = block.option("partition") or 0, block.text.strip().encode()
        topic = block.text_of("input")
        if topic:
            channel = "commands" if topic in commands else "inputs"
            yield Seen(channel, b"k-9", value, block.headers, place)
            sent = runner.receive_input(topic, value, partition, block.headers)
        else:
            read = json.loads(value)
            key = read["requestMeta"]["id"].encode() if isinstance(read, dict) else b"k-9"
            if isinstance(read, dict):
                yield Seen("requests", key, value, (), place)
            sent = runner.receive(value, partition, key)
        yield from (_sent(each, place) for each in sent)


def _of_changelog() -> Iterator[Seen]:
    main, part = (block for block in blocks(PROTOCOL) if block.words == stories.CHANGELOG)
    record = read_entry(main.text.encode()).record
    yield Seen("tasks", changelog_key(record.key), main.text.encode(), entry_headers(record), main.place)
    told = json.loads(part.text)
    key = changelog_key(TaskKey(told["domain"], told["id"]), told["part"])
    headers = part_headers(record, json.dumps(told["value"]).encode(), told["value"]["source"])
    yield Seen("tasks", key, part.text.encode(), headers, part.place)


# -- a worker that does everything -----------------------------------------------------------------


@cache
def played() -> tuple[Seen, ...]:
    """Return the messages of a worker that has every action, hooks, deadlines and bad messages."""
    return (*_worker(), *_replay())


class _Worker:
    """A worker with a changelog and notifications; what it sends to requests comes back to it."""

    def __init__(self) -> None:
        cluster = topics()
        cluster = replace(cluster, topics={**cluster.topics, NOTIFICATIONS: Topic("n", 4, 1_000_000)})
        self.harness = Harness(policy=POLICY, cluster=cluster, with_changelog=True)
        self.seen: list[Seen] = []
        self._number = 0

    def send(self, action: str, who: dict[str, Any] = ANN, home: int = 0, **parts: Any) -> None:
        self._number += 1
        whole = json.loads(event(action, parts.pop("task_id", "task-1"), f"r-{self._number}", **parts))
        whole["requestMeta"] |= who
        self.receive(json.dumps(whole).encode(), home, TRACE)

    def receive(self, value: bytes, home: int, headers: Headers = (), key: bytes = b"key") -> None:
        waiting = [self.harness.message(value, home, tuple(headers), key)]
        while waiting:
            message = waiting.pop(0)
            self.seen.append(Seen("requests", message.key, message.value, message.headers, "received"))
            sent = self.harness.run(message).outgoing
            self.seen += [
                _sent(each, json.loads(message.value or b"")["eventMeta"]["action"]) for each in sent
            ]
            waiting += self.harness.returned(sent)

    def hooks_due(self) -> None:
        record = self.harness.record()
        assert record is not None
        token = HookToken(record.started_by, 0 if record.life is None else record.life.number)
        made = timer_message(record.key, record.state.home, token, POLICY, self.harness.topics)
        self.seen.append(_sent(made, "hooks"))
        self.receive(made.value or b"", made.partition or 0, made.headers, made.key or b"")

    def remove(self, domain: str = "orders", task_id: str = "task-1") -> None:
        record = self.harness.record(task_id, domain)
        assert record is not None
        assert self.harness.changelog is not None
        self.seen += [_sent(each, "removed") for each in self.harness.changelog.removed(record)]


def _worker() -> list[Seen]:
    worker = _Worker()
    worker.send("DefineTask", ADMIN, task_id=None, **FORM)
    hooks = [{"on": "arrival", "after": 0, "do": "remind"}]
    worker.send("StartTask", taskSpec="approval", taskRoles="manager", timeout=1000, hooks=hooks)
    worker.hooks_due()
    worker.send("ClaimTask", home=1)
    worker.send("ReleaseTask")
    worker.send("AssignTask", ADMIN, user="ann")
    worker.send("SaveTask", data={"amount": 1})
    worker.send("UpdateTask", notes="in a hurry")
    worker.send("CommentTask", text="hello")
    worker.send("GetTask")
    worker.send("ProceedTask", outcome="maybe")
    worker.send("ProceedTask", outcome="yes")
    worker.remove()
    for task_id in ("task-2", "task-3", "task-4"):
        worker.send("StartTask", task_id=task_id, timeout=1000)
    worker.send("CancelTask", ADMIN, task_id="task-2", reason="not needed")
    worker.send("TimeoutTask", task_id="task-3")
    worker.send("TimeoutBetween", task_id=None, fromTimePath="from", payload={"from": 1})
    worker.send("TIMEOUT", task_id=None)
    return worker.seen


def _replay() -> Iterator[Seen]:
    letters = DeadLetters(DEAD_LETTERS, "requests", Harness().topics)
    empty = letters.message(Message(3, 99, None, None, ()), "TOMBSTONE", "the message has no value")
    letter = letters.message(Message(3, 100, b"k", b"\xff", TRACE), "NOT_UTF8", "the value is not UTF-8")
    yield from (_sent(each, "dead letter") for each in (empty, letter))
    texts = {name: text.decode() for name, text in letter.headers}
    found = TopicMessage(DEAD_LETTERS, 0, 7, None, "k", texts, b"\xff", b"k", letter.headers)
    yield _sent(replay_of(found, 4).note, "replay")
    mended = event("GetTask")
    yield _sent(replay_of(replace(found, value=mended), 4).event, "replayed")
