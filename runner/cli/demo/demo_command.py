"""``runner demo``: plays the story on embedded servers and says whether all of it was right."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, Any, Final

import msgspec
from rich.text import Text

from runner.cli.demo import story
from runner.cli.demo.checks import Check, check_all
from runner.cli.demo.people import People
from runner.cli.demo.saga_engine import SagaEngine
from runner.cli.demo.timeline import Timeline
from runner.cli.embedded_runner import WHAT, EmbeddedRunner, embedded_runner
from runner.cli.kafka_clients import connect_producer
from runner.cli.screen import plain, say, stderr, stdout
from runner.cli.sending import ACKNOWLEDGE_SECONDS
from runner.cli.sighting import REPLY, Sighting
from runner.cli.topic_reader import TopicReader
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.embedded.children import stop
from runner.errors import FatalError

PARTITIONS: Final = 12
STORY_SECONDS: Final = 40.0
"""The story takes three seconds; a machine under load may take longer."""

DRAIN_SECONDS: Final = 5.0
LAST_LOG_LINES: Final = 20
LONGEST_REASON: Final = 300

_POLL_SECONDS: Final = 0.2


def demo() -> None:
    """Play a purchase approval from start to end, and check it.

    Starts a broker, a Redis and a worker of its own, needs nothing else, and
    leaves nothing behind. What you see is every message on the topics:
    a manager's task that times out, a director's that is finished.
    Exit code 0 only if all of it was right.

    [bold]Example[/bold]

      runner demo
    """
    say(stdout(), f"{WHAT}\n", "dim")
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        running = stack.enter_context(embedded_runner(Config(), PARTITIONS, log))
        topics = running.config.topics
        watched = (topics.requests, topics.responses, topics.dead_letters)
        reader = stack.enter_context(TopicReader(running.config, watched, from_beginning=True))
        play = Play(running.config, reader)
        play.run(running)
        stop(running.worker)
        play.drain()
        checks = play.checks(running.worker.returncode)
        _show(checks)
        if not all(check.holds for check in checks):
            _show_log(log)
            raise FatalError("the demo went wrong: see the checks above")


class Play:
    """The story on stage: what is seen is shown, and handed to the engine and to the people."""

    def __init__(self, config: Config, reader: TopicReader) -> None:
        self._topics = config.topics
        self._reader = reader
        self._producer = connect_producer(config).client
        self._timeline = Timeline(stdout())
        self._engine = SagaEngine(story.STEPS, self._send)
        self._people = People(self._send)
        self._seen: list[Sighting] = []

    def run(self, running: EmbeddedRunner) -> None:
        """Play until the saga has ended and the director has her answer, or too long has passed."""
        give_up = monotonic_seconds() + STORY_SECONDS
        self._timeline.tell(story.TITLE)
        self._timeline.head()
        self._engine.start()
        while not self._is_over() and monotonic_seconds() < give_up and running.worker.poll() is None:
            for seen in self._burst():
                self._see(seen)

    def drain(self) -> None:
        """Show what else is on the topics, once nobody writes any more."""
        give_up = monotonic_seconds() + DRAIN_SECONDS
        while not self._reader.has_read_all() and monotonic_seconds() < give_up:
            for seen in self._burst():
                self._show(seen)
        if self._engine.result is not None:
            payload = msgspec.json.encode(self._engine.result["payload"]).decode()
            self._timeline.tell(f"{story.ENDED}\n{payload}\n")

    def checks(self, worker_exit_code: int | None) -> list[Check]:
        """Return what must be true of all that was seen."""
        return check_all(
            [seen for seen in self._seen if seen.topic == self._topics.responses],
            [seen for seen in self._seen if seen.topic == self._topics.dead_letters],
            worker_exit_code,
        )

    def _burst(self) -> list[Sighting]:
        """Return what there is, in the order in which it was written: partitions know nothing of that."""
        burst = []
        seen = self._reader.next(_POLL_SECONDS)
        while seen is not None:
            burst.append(seen)
            seen = self._reader.next(0)
        return sorted(burst, key=lambda seen: seen.time_ms or 0)

    def _is_over(self) -> bool:
        answered = {seen.key for seen in self._seen if seen.kind == REPLY}
        return self._engine.result is not None and story.DIRECTOR.request_id in answered

    def _see(self, seen: Sighting) -> None:
        self._show(seen)
        if seen.topic != self._topics.responses:
            return
        led_to = self._engine.see(seen)
        if led_to is not None:
            self._timeline.tell(story.ENTERED[led_to])
        person = self._people.see(seen)
        if person is not None:
            self._timeline.tell(story.ACTS[person])

    def _show(self, seen: Sighting) -> None:
        self._seen.append(seen)
        self._timeline.show(seen)

    def _send(self, event: dict[str, Any]) -> None:
        """Send an event to requests, by its key: where its task lives is the runner's business."""
        key = event["requestMeta"]["id"].encode()
        self._producer.produce(self._topics.requests, msgspec.json.encode(event), key)
        self._producer.flush(ACKNOWLEDGE_SECONDS)


def _show(checks: Sequence[Check]) -> None:
    for check in checks:
        mark = Text("✓ ", style="green") if check.holds else Text("✗ ", style="bold red")
        reason = "" if check.holds else f" ({plain(check.seen, LONGEST_REASON)})"
        stdout().print(mark + Text(check.name + reason), soft_wrap=True)


def _show_log(log: IO[bytes]) -> None:
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()[-LAST_LOG_LINES:]
    say(stderr(), "\n".join(["the end of the worker's log:", *map(plain, lines)]))
