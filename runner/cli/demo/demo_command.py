"""``runner demo``: plays the story, on embedded servers or on yours, and says whether all was right."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import IO, Annotated, Any, Final
from uuid import uuid4

import typer
from rich.text import Text

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import ORIGIN
from runner.cli.demo import story
from runner.cli.demo.actors import People, SagaEngine
from runner.cli.demo.checks import Check, check_all, check_worker
from runner.cli.embedded_runner import WHAT, embedded_runner
from runner.cli.options import ConfigFile, read_config
from runner.cli.screen import Column, Rows, plain, say, status_text, stderr, stdout
from runner.cli.times import clock_time
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.embedded.subprocesses import stop
from runner.envelope.plain import encode
from runner.errors import FatalError
from runner.kafka.clients import connect_producer
from runner.kafka.reader import TopicReader, read_topics
from runner.kafka.sending import send_all
from runner.kafka.topic_message import REPLY, TopicMessage

PARTITIONS: Final = 12
STORY_SECONDS: Final = 40.0
"""The story takes three seconds; a machine under load may take longer."""

DRAIN_SECONDS: Final = 5.0
LAST_LOG_LINES: Final = 20
LONGEST_REASON: Final = 300

_POLL_SECONDS: Final = 0.2

# Together no wider than the usual terminal.
_COLUMNS: Final = (
    Column("time", 12),
    Column("topic", 9),
    Column("partition", 9, align_right=True),
    Column("key", 14),
    Column("status", 11),
    Column("task id", 15),
)

Live = Annotated[
    bool, typer.Option("--live", help="On the configured brokers, with the workers that run there.")
]


def demo(
    live: Live = False,  # noqa: FBT002 - typer's way to declare a flag
    config: ConfigFile = None,
) -> None:
    """Play a purchase approval from start to end, and check it.

    Starts a broker, a Redis and a worker of its own, needs nothing else, and
    leaves nothing behind. What you see is every message on the topics:
    a manager's task that times out, a director's that is finished.
    Exit code 0 only if all of it was right.

    With --live it starts nothing: its four requests go to the topics of your
    configuration, in the domain "default", and workers of yours answer them.
    Other readers of those topics see them too.

    [bold]Examples[/bold]

      runner demo

      runner demo --live --config runner.yaml
    """
    checks = _on_a_real_site(read_config(config)) if live else _on_embedded_servers()
    if not all(check.holds for check in checks):
        raise FatalError("the demo went wrong: see the checks above")


def _on_embedded_servers() -> list[Check]:
    say(stdout(), f"{WHAT}\n", "dim")
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        running = stack.enter_context(embedded_runner(Config(), PARTITIONS, log))
        worker = running.worker
        reader = stack.enter_context(_reader(running.config, from_beginning=True))
        play = Play(running.config, reader, Mark())
        play.run(lambda: worker.poll() is None)
        stop(worker)
        play.drain()
        checks = [*play.checks(), check_worker(worker.returncode)]
        _show_checks(checks)
        if not all(check.holds for check in checks):
            _show_log(log)
    return checks


def _on_a_real_site(config: Config) -> list[Check]:
    say(stdout(), f"on {config.kafka.brokers}, with the workers that run there\n", "dim")
    with _reader(config, from_beginning=False) as reader:
        play = Play(config, reader, Mark(f".{uuid4().hex[:6]}"))
        play.run(lambda: True)
        play.drain()
    checks = play.checks()
    _show_checks(checks)
    return checks


def _reader(config: Config, *, from_beginning: bool) -> AbstractContextManager[TopicReader]:
    topics = (config.topics.requests, config.topics.responses, config.topics.dead_letters)
    return read_topics(config, topics, from_beginning=from_beginning)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the ids of one demo's requests end with; empty where nobody else uses the topics."""

    text: str = ""

    def put_on(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event under a marked request id; one that has the mark already is left as it is."""
        request = event["requestMeta"]
        request_id = request["id"].removesuffix(self.text) + self.text
        return event | {"requestMeta": request | {"id": request_id}}

    def is_on(self, message: TopicMessage) -> bool:
        """Whether a message belongs to this demo: also a timer's, whose key holds the task's id."""
        return self.text in message.key

    def taken_off(self, message: TopicMessage) -> TopicMessage:
        """Return the message under the key that the story knows."""
        return replace(message, key=message.key.removesuffix(self.text))


class Play:
    """The story on stage: every message is shown as it is seen, and handed to the engine and the people."""

    def __init__(self, config: Config, reader: TopicReader, mark: Mark) -> None:
        self._topics = config.topics
        self._reader = reader
        self._mark = mark
        self._producer = connect_producer(config)
        self._rows = Rows(stdout(), _COLUMNS)
        self._engine = SagaEngine(story.STEPS, self._send)
        self._people = People(self._send)
        self._seen: list[TopicMessage] = []

    def run(self, has_workers: Callable[[], bool]) -> None:
        """Play until the saga has ended and the director has her answer, or too long has passed."""
        give_up = monotonic_seconds() + STORY_SECONDS
        _tell(story.TITLE)
        self._engine.start()
        while not self._is_over() and monotonic_seconds() < give_up and has_workers():
            for message in self._burst():
                self._show(message)
                if message.topic == self._topics.responses:
                    self._act(self._mark.taken_off(message))

    def drain(self) -> None:
        """Show what else there is, once nothing is expected any more.

        On a real broker it looks for DRAIN_SECONDS: there, nobody can say that all has been read.
        """
        give_up = monotonic_seconds() + DRAIN_SECONDS
        while not self._reader.has_read_all() and monotonic_seconds() < give_up:
            for message in self._burst():
                self._show(message)
        if self._engine.result is not None:
            _tell(f"{story.ENDED}\n{encode(self._engine.result['payload']).decode()}\n")

    def checks(self) -> list[Check]:
        """Return what must be true of all that was seen."""
        return check_all(
            [message for message in self._seen if message.topic == self._topics.responses],
            [message for message in self._seen if message.topic == self._topics.dead_letters],
        )

    def _burst(self) -> list[TopicMessage]:
        """Return what there is of ours, in the order of writing: partitions know nothing of that."""
        burst = []
        message = self._reader.next(_POLL_SECONDS)
        while message is not None:
            if self._mark.is_on(message):
                burst.append(message)
            message = self._reader.next(0)
        return sorted(burst, key=lambda message: message.time_ms or 0)

    def _is_over(self) -> bool:
        answered = {message.key for message in self._seen if message.kind == REPLY}
        return self._engine.result is not None and story.DIRECTOR.request_id in answered

    def _act(self, response: TopicMessage) -> None:
        following = self._engine.see(response)
        if following is not None:
            _tell(story.ENTERED[following])
        person = self._people.see(response)
        if person is not None:
            _tell(story.ACTS[person])

    def _show(self, message: TopicMessage) -> None:
        self._seen.append(self._mark.taken_off(message))
        place = (message.topic, str(message.partition), message.key)
        self._rows.row(clock_time(message.time_ms), *place, _status(message), message.task_id)

    def _send(self, event: dict[str, Any]) -> None:
        """Send an event to requests, by its key: where its task lives is the runner's business."""
        event = self._mark.put_on(event)
        key = event["requestMeta"]["id"].encode()
        send_all(self._producer, [OutgoingMessage(self._topics.requests, key, encode(event), ())])


def _tell(text: str) -> None:
    say(stdout(), text, "italic")


def _status(message: TopicMessage) -> Text:
    """Return the status of a response; of a request the action, or that it was forwarded."""
    if message.status:
        return status_text(message.status, str(message.error().get("code", "")))
    if ORIGIN in message.headers:
        return status_text("forwarded")
    return status_text(str(message.section("eventMeta").get("action", "?")))


def _show_checks(checks: Sequence[Check]) -> None:
    for check in checks:
        mark = Text("✓ ", style="green") if check.holds else Text("✗ ", style="bold red")
        reason = "" if check.holds else f" ({plain(check.seen, LONGEST_REASON)})"
        stdout().print(mark + Text(check.name + reason), soft_wrap=True)


def _show_log(log: IO[bytes]) -> None:
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()[-LAST_LOG_LINES:]
    say(stderr(), "\n".join(["the end of the worker's log:", *map(plain, lines)]))
