"""Batch processing of an input topic: payloads become events on ``requests``, at the homes of their tasks.

Nothing is changed in the store. The loop commits the events and the offsets of the payloads in one
transaction; if that fails, the same payloads are redelivered and make the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers, Incoming, size_of
from runner.actions.plan import TaskPlan
from runner.actions.policy import TopicCatalog
from runner.actions.registry import plan
from runner.actions.render import OVERHEAD_BYTES
from runner.envelope.codec import JsonCodec
from runner.envelope.event import read_event, require_answerable
from runner.errors import PoisonError
from runner.kafka.message import Message
from runner.store.calls import Loaded
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.worker.assignment import Batch
from runner.worker.batch_state import BatchState
from runner.worker.dead_letters import DeadLetters
from runner.worker.in_flight import InFlight
from runner.worker.input_topics.normalise import InputTopic, event_headers, normalise
from runner.worker.overlap import Step, no_step
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.result import BatchResult, PhaseEnded, Send

MADE: Final = "EVENT"
LEFT_ALONE: Final = "IGNORED"

_JSON: Final = JsonCodec()


class RecordLookup(Protocol):
    """Loads the records of tasks."""

    def load(self, incarnation: int, reads: Sequence[tuple[TaskKey, Source]]) -> Loaded:
        """Return the records of these tasks, in one round trip; StoreUnavailable."""


@dataclass(slots=True)
class _Event:
    """An event made of a payload, as it is sent to ``requests``."""

    message: Message
    value: bytes
    request_id: str
    headers: Headers
    task: TaskKey | None
    home: int | None = None

    @property
    def key(self) -> bytes:
        """The sender's key, which keeps the sender's order; the request id where there is none."""
        return self.message.key or self.request_id.encode()


class InputProcessor:
    """Makes events of the payloads of one input topic; keeps nothing between batches."""

    def __init__(
        self,
        topic: InputTopic,
        topic_id: str,
        settings: ProcessingSettings,
        records: RecordLookup,
        topics: TopicCatalog,
        dead_letters: str,
    ) -> None:
        """``settings`` are those under which the events will be read from ``requests``."""
        self._topic = topic
        self._topic_id = topic_id
        self._settings = settings
        self._records = records
        self._topics = topics
        self._dead_letters = DeadLetters(dead_letters, topic.topic, topics)
        # No event has this source: no task id is generated from it, and no decision kept for it.
        self._nowhere = Source(settings.incarnation, 0, -1)

    def run(
        self,
        batch: Batch,
        poison_runs: Mapping[int, int],
        phase_ended: PhaseEnded = lambda _: None,
        send: Send | None = None,
    ) -> BatchResult:
        """Return the events and dead letters of a batch; StoreUnavailable if Redis does not answer."""
        del send  # all messages are sent at the end: a batch is processed quickly
        batch_state = BatchState(batch, poison_runs, self._settings.poison_limit)
        items = [
            InFlight(message, Source(0, message.partition, message.offset)) for message in batch.messages
        ]
        events = [self._event_or_poison(item) for item in items]
        batch_state.count_poison(items)
        phase_ended("decode")
        self._find_homes([event for event in events if event is not None and event.task is not None])
        phase_ended("load")
        result = BatchResult()
        for item, event in zip(items, events, strict=True):
            if not batch_state.is_deferred(item.message):
                self._finish(item, event, batch_state, result)
        batch_state.complete(result)
        phase_ended("decide")
        return result

    def prefetch(self, messages: Sequence[Message]) -> Step:
        """Return no step: payloads are read quickly, when their batch is processed."""
        del messages
        return no_step

    def _event_or_poison(self, item: InFlight) -> _Event | None:
        try:
            return self._event(item.message)
        except PoisonError as error:
            item.poison = error
            return None

    def _event(self, message: Message) -> _Event | None:
        """Return the event of a message; PoisonError where ``requests`` could not take or return it."""
        settings, requests = self._settings, self._settings.policy.requests
        _require_size(len(message.value or b""), settings.policy.limits.event_bytes)
        sections = normalise(message, self._topic, self._topic_id)
        if sections is None:
            return None
        value = self._topics.encode(requests, sections)
        # Read as the worker reads it: an event that would be poison there is poison here.
        _require_size(len(value), settings.policy.limits.event_bytes)
        text = settings.codec.to_json(value)
        event = read_event(_JSON.decode(text), text, settings.rules)
        require_answerable(event)
        task_plan = plan(Incoming(event, self._nowhere, None, value), settings.policy)
        task = task_plan.key if isinstance(task_plan, TaskPlan) else None
        event_to_send = _Event(message, value, event.request_id, event_headers(message, self._topic), task)
        size = len(event_to_send.key) + len(value) + OVERHEAD_BYTES + size_of(event_to_send.headers)
        limit = self._topics.limit_bytes(requests)
        _require_size(size, size if limit is None else limit)
        return event_to_send

    def _find_homes(self, events: list[_Event]) -> None:
        """Set the home of each event whose task exists."""
        if not events:
            return
        keys = dict.fromkeys(event.task for event in events if event.task is not None)
        loaded = self._records.load(self._settings.incarnation, [(key, self._nowhere) for key in keys])
        for event in events:
            record = None if event.task is None else loaded.records[event.task]
            event.home = None if record is None else record.state.home

    def _finish(
        self, item: InFlight, event: _Event | None, batch_state: BatchState, result: BatchResult
    ) -> None:
        """Add a message to the result, or pause its partition if it cannot be dead-lettered."""
        message = item.message
        if item.poison is not None:
            reason, text = item.poison.reason, str(item.poison)
            dead_letter = self._dead_letters.message_or_pause(message, reason, text, batch_state)
            if dead_letter is None:
                return
            result.add_dead_letter(item, reason, text)
            result.outgoing.append(dead_letter)
        elif event is None:
            result.counts[self._topic.name, LEFT_ALONE] += 1
        else:
            requests = self._settings.policy.requests
            result.outgoing.append(
                OutgoingMessage(requests, event.key, event.value, event.headers, event.home)
            )
            result.counts[self._topic.name, MADE] += 1
        result.positions[message.partition] = message.offset + 1


def _require_size(size: int, limit: int) -> None:
    if size > limit:
        raise PoisonError("TOO_LARGE", f"{size} bytes as an event, of which {limit} can be taken")
