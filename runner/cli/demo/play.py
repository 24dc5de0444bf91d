"""The play: one act after the other, over nothing but the topics; every message is shown as it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from rich.text import Text

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import ORIGIN
from runner.cli.demo import story
from runner.cli.demo.account import Account
from runner.cli.demo.actors import SagaEngine, Send
from runner.cli.demo.checks import Answer, Check, SeenResponses, answer_of, check_dead_letters, heard
from runner.cli.demo.purchase import Purchase
from runner.cli.demo.refund import Refund
from runner.cli.responses_table import show_violations
from runner.cli.screen import Column, Rows, note, say, status_text, stdout
from runner.cli.times import clock_time
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.envelope.plain import encode
from runner.kafka.clients import connect_producer
from runner.kafka.reader import TopicReader
from runner.kafka.sending import send_all
from runner.kafka.topic_message import TopicMessage

ACT_SECONDS: Final = 40.0
"""An act takes three seconds at most; a machine under load may take longer."""

TOLD: Final = frozenset({"reminded", "escalated"})
"""What the third act has to hear of."""

DRAIN_SECONDS: Final = 5.0
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
        return replace(message, key=message.key.replace(self.text, "", 1))


class Act(Protocol):
    """One act: a saga, and the people in it."""

    engine: SagaEngine
    title: str
    """What is told at its beginning."""
    ended: str
    """What is told at its end, before the payload of its last event."""
    expected: tuple[Answer, ...]
    """All responses that there must be, once each."""

    def begin(self) -> None:
        """Send what it begins with."""

    def see(self, response: TopicMessage) -> Iterable[str]:
        """Take a response, act on it, and give what is to be told of that."""

    def checks(self, seen: SeenResponses) -> list[Check]:
        """Return what must be true of the responses."""


class Play:
    """The acts on stage: every message is shown as it is seen, and handed to the act."""

    def __init__(self, config: Config, reader: TopicReader, mark: Mark) -> None:
        self._topics = config.topics
        self._reader = reader
        self._mark = mark
        self._producer = connect_producer(config)
        self._rows = Rows(stdout(), _COLUMNS)
        self._acts = acts_of(config, self._send)
        self._seen: list[TopicMessage] = []

    def run(self, has_workers: Callable[[], bool]) -> None:
        """Play one act after the other, as long as each comes to its end."""
        for act in self._acts:
            _tell(act.title)
            act.begin()
            if not self._has_ended(act, has_workers):
                return
            result = act.engine.result or {}
            _tell(f"{act.ended}\n{encode(result.get('payload')).decode()}\n")

    def _has_ended(self, act: Act, has_workers: Callable[[], bool]) -> bool:
        """Play an act until all it expects was seen; whether it was, before too long has passed."""
        give_up = monotonic_seconds() + ACT_SECONDS
        while not set(act.expected) <= set(map(answer_of, self._seen)):
            if monotonic_seconds() > give_up or not has_workers():
                return False
            for message in self._burst():
                self._show(message)
                if message.topic in {self._topics.responses, self._topics.notifications}:
                    for text in act.see(self._mark.taken_off(message)):
                        _tell(text)
        return True

    def drain(self) -> None:
        """Show what else there is, once nothing is expected any more.

        On a real broker it looks for DRAIN_SECONDS: there, nobody can say that all has been read.
        """
        give_up = monotonic_seconds() + DRAIN_SECONDS
        while not self._reader.has_read_all() and monotonic_seconds() < give_up:
            for message in self._burst():
                self._show(message)

    def checks(self) -> list[Check]:
        """Return what must be true of all that was seen."""
        expected = {answer.status for act in self._acts for answer in act.expected}
        responses = [
            message
            for message in self._seen
            if message.topic == self._topics.responses
            # A domain may tell of more than the acts are about.
            or (message.topic == self._topics.notifications and heard(message) in expected)
        ]
        dead_letters = [message for message in self._seen if message.topic == self._topics.dead_letters]
        return check_all(self._acts, responses, dead_letters)

    def _burst(self) -> list[TopicMessage]:
        """Return what there is of ours, in the order of writing: partitions know nothing of that."""
        burst = []
        message = self._reader.next(_POLL_SECONDS)
        while message is not None:
            if self._mark.is_on(message):
                burst.append(message)
            message = self._reader.next(0)
        return sorted(burst, key=lambda message: message.time_ms or 0)

    def _show(self, message: TopicMessage) -> None:
        self._seen.append(self._mark.taken_off(message))
        place = (message.topic, str(message.partition), message.key)
        self._rows.row(clock_time(message.time_ms), *place, _status(message), message.task_id)
        show_violations(stdout(), message.error().get("violations"))

    def _send(self, event: dict[str, Any]) -> None:
        """Send an event to requests, by its key: where its task lives is the runner's business."""
        event = self._mark.put_on(event)
        key = event["requestMeta"]["id"].encode()
        send_all(self._producer, [OutgoingMessage(self._topics.requests, key, encode(event), ())])


def acts_of(config: Config, send: Send) -> list[Act]:
    """Return the acts that can be played: two take an admin of the domain, the third notifications."""
    rules = config.domain_rules().get(story.DOMAIN)
    admin_role = None if rules is None else rules.admin_role
    if rules is None or admin_role is None:
        note(story.NO_ADMIN)
        return [Purchase(send)]
    acts: list[Act] = [Purchase(send), Account(send, admin_role)]
    if config.topics.notifications is None or not set(rules.notify) >= TOLD:
        note(story.NOBODY_IS_TOLD)
        return acts
    return [*acts, Refund(send, admin_role)]


def check_all(
    acts: Sequence[Act], responses: Sequence[TopicMessage], dead_letters: Sequence[TopicMessage]
) -> list[Check]:
    """Return every check of what was seen, in the order of the acts."""
    seen = SeenResponses(responses)
    checks = [check for act in acts for check in act.checks(seen)]
    expected = [answer for act in acts for answer in act.expected]
    return [*checks, seen.no_others(expected), check_dead_letters(dead_letters)]


def _tell(text: str) -> None:
    say(stdout(), text, "italic")


def _status(message: TopicMessage) -> Text:
    """Return the status of a response; of a request the action, or that it was forwarded."""
    if event := heard(message):
        return status_text(event)
    if message.status:
        return status_text(message.status, str(message.error().get("code", "")))
    if ORIGIN in message.headers:
        return status_text("forwarded")
    return status_text(str(message.section("eventMeta").get("action", "?")))
