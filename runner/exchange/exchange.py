"""Exchange: events go to the home of their task, and their replies are waited for.

Each event goes straight to the partition its task lives on where that is known, else by its key. That is
only a convenience: the runner forwards an event that arrives elsewhere, at the price of a hop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Producer

from runner.actions.decision import OutgoingMessage
from runner.actions.inputs import stream_of
from runner.actions.policy import Policy
from runner.actions.registry import is_addressed
from runner.clock import Ticker, monotonic_seconds
from runner.config import Config
from runner.errors import EventError, FatalError
from runner.exchange.event_lines import EventLine
from runner.kafka.clients import BrokerConnection
from runner.kafka.reader import read_topics
from runner.kafka.sending import UNSENT, Receipt, Step, never, no_step, send_all
from runner.kafka.topic_message import REPLY, Messages, TopicMessage

LONGEST_LIST: Final = 5
LONGEST_KEY: Final = 60
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Sending:
    """One event on its way, and what became of it."""

    line: EventLine
    home: int | None
    """Partition it goes to because its task lives there; None: its key decides."""
    receipt: Receipt = UNSENT


def send_events(
    producer: BrokerConnection[Producer],
    topic: str,
    events: Sequence[Sending],
    step: Step = no_step,
    is_stopped: Callable[[], bool] = never,
) -> list[Sending]:
    """Send events as ``send_all`` does, and return each with what became of it."""
    messages = [
        OutgoingMessage(topic, each.line.event.request_id.encode(), each.line.value, (), each.home)
        for each in events
    ]
    receipts = send_all(producer, messages, step, is_stopped)
    return [Sending(each.line, each.home, receipt) for each, receipt in zip(events, receipts, strict=True)]


class Replies:
    """The replies that are still missing: as many for a request id as events had it.

    Events for another runner are not answered, nor waited for.
    """

    def __init__(
        self, lines: Iterable[EventLine], policy: Policy, reader: Messages, ticker: Ticker = monotonic_seconds
    ) -> None:
        """``reader`` must have been entered before the events are sent."""
        addressed = [line for line in lines if is_addressed(line.event, policy)]
        self._missing = Counter(line.event.request_id for line in addressed)
        self._reader = reader
        self._ticker = ticker

    @property
    def missing(self) -> int:
        return self._missing.total()

    def each(self, timeout_seconds: float) -> Iterator[TopicMessage]:
        """Give each reply as it comes, until all have; FatalError if some are missing after so long."""
        deadline_seconds = self._ticker() + timeout_seconds
        while self._missing and self._ticker() < deadline_seconds:
            message = self._reader.next(min(_POLL_SECONDS, max(0.0, deadline_seconds - self._ticker())))
            if message is not None and message.kind == REPLY and message.key in self._missing:
                self._missing -= Counter([message.key])
                yield message
        if self._missing:
            keys = [key[:LONGEST_KEY] for key in list(self._missing)[:LONGEST_LIST]]
            named = ", ".join(keys + ["…"] * (len(self._missing) > LONGEST_LIST))
            raise FatalError(
                f"{self.missing} replies did not come within {timeout_seconds:g} s (for {named}); "
                "is a worker running? The events stay in the log, and its replies will still come"
            )


@contextmanager
def awaited_replies(
    config: Config, policy: Policy, producer: BrokerConnection[Producer], lines: Sequence[EventLine]
) -> Iterator[Replies]:
    """Give the replies to these events, which are to be sent inside the block: none is missed."""
    topics = reply_topics(lines, policy).intersection(producer.metadata().topics)
    with read_topics(config, topics, from_beginning=False) as reader:
        yield Replies(lines, policy, reader)


def reply_topics(lines: Iterable[EventLine], policy: Policy) -> set[str]:
    """Return the topics on which these events may be answered."""
    topics = {policy.responses}
    for line in lines:
        try:
            topics.add(stream_of(line.event, policy))
        except EventError:
            continue  # refused on ``responses``
    return topics


def ask(
    config: Config, policy: Policy, producer: BrokerConnection[Producer], event: Sending, seconds: float
) -> TopicMessage:
    """Send one event and return its reply; FatalError if Kafka refuses it, or no reply comes in time."""
    with awaited_replies(config, policy, producer, [event.line]) as replies:
        [sent] = send_events(producer, config.topics.requests, [event])
        if sent.receipt.refusal:
            raise FatalError(f"Kafka refused the event: {sent.receipt.refusal}")
        return next(replies.each(seconds))
