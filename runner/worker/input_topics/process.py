"""The middle of an input: a batch of payloads becomes events on ``requests``, at the homes of their tasks.

It keeps nothing and changes nothing in the store. The loop commits the events and the offsets of the
payloads in one transaction; if that fails, the same payloads come again and make the same events.
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
from runner.errors import EventError, PoisonError
from runner.store.calls import Loaded
from runner.tasks.record import TaskKey
from runner.tasks.source import Source
from runner.worker.assignment import Batch
from runner.worker.batch_state import BatchState
from runner.worker.dead_letters import DeadLetterBox
from runner.worker.decoder import InFlight, ProcessingSettings, limit_poison, note_leftovers
from runner.worker.event_log import Message
from runner.worker.input_topics.input_topic import InputTopic
from runner.worker.input_topics.normalise import event_headers, normalise
from runner.worker.process import Lap, Send
from runner.worker.result import BatchResult

MADE: Final = "EVENT"
LEFT_ALONE: Final = "IGNORED"

_JSON: Final = JsonCodec()


class Records(Protocol):
    """Where the records of tasks are looked up."""

    def load(self, incarnation: int, reads: Sequence[tuple[TaskKey, Source]]) -> Loaded:
        """Return the records of these tasks, in one round trip; StoreUnavailable."""
        ...


@dataclass(slots=True)
class _Made:
    """An event that was made of a payload, as it will stand on ``requests``."""

    message: Message
    value: bytes
    request_id: str
    headers: Headers
    task: TaskKey | None
    home: int | None = None

    @property
    def key(self) -> bytes:
        """The sender's key, so that what it keeps in order stays in order; else the request id."""
        return self.message.key or self.request_id.encode()


class InputProcess:
    """Makes events of the payloads of one input topic. Keeps nothing between batches."""

    def __init__(
        self,
        topic: InputTopic,
        topic_id: str,
        terms: ProcessingSettings,
        records: Records,
        topics: TopicCatalog,
        dead_letters: str,
    ) -> None:
        """``terms`` are those under which the events will be read from ``requests``."""
        self._topic = topic
        self._topic_id = topic_id
        self._terms = terms
        self._records = records
        self._topics = topics
        self._dead_letters = dead_letters
        # Nothing was ever read there: a task id made of it, or a decision kept for it, is none.
        self._nowhere = Source(terms.incarnation, 0, -1)

    def run(
        self,
        batch: Batch,
        runs: Mapping[int, int],
        phase_ended: Lap = lambda _: None,
        send: Send | None = None,
    ) -> BatchResult:
        """Return the events and dead letters of a batch; StoreUnavailable if Redis does not answer."""
        del send  # all of it goes at the end: there is little to wait for on the way
        progress = BatchState(batch)
        items = [
            InFlight(message, Source(0, message.partition, message.offset)) for message in batch.messages
        ]
        made = [self._taken(item) for item in items]
        limit_poison(items, progress, dict(runs), self._terms.poison_limit)
        phase_ended("decode")
        self._find_homes([one for one in made if one is not None and one.task is not None])
        phase_ended("load")
        done = BatchResult()
        for item, one in zip(items, made, strict=True):
            if not progress.is_deferred(item.message):
                self._finish(item, one, progress, done)
        note_leftovers(batch.messages, items, progress, runs, self._terms.poison_limit, done)
        phase_ended("decide")
        return done

    def _taken(self, item: InFlight) -> _Made | None:
        try:
            return self._made(item.message)
        except PoisonError as error:
            item.poison = error
            return None

    def _made(self, message: Message) -> _Made | None:
        """Return the event of a message; PoisonError where ``requests`` could not take or give it."""
        terms, requests = self._terms, self._terms.policy.requests
        _require_size(len(message.value or b""), terms.policy.limits.event_bytes)
        sections = normalise(message, self._topic, self._topic_id)
        if sections is None:
            return None
        value = self._topics.encode(requests, sections)
        # Read as the worker will read it: what would be poison there is poison here.
        _require_size(len(value), terms.policy.limits.event_bytes)
        text = terms.codec.to_json(value)
        event = read_event(_JSON.decode(text), text, terms.rules)
        require_answerable(event)
        asked = plan(Incoming(event, self._nowhere, None, value), terms.policy)
        task = asked.key if isinstance(asked, TaskPlan) else None
        made = _Made(message, value, event.request_id, event_headers(message, self._topic), task)
        size = len(made.key) + len(value) + OVERHEAD_BYTES + size_of(made.headers)
        limit = self._topics.limit_bytes(requests)
        _require_size(size, size if limit is None else limit)
        return made

    def _find_homes(self, made: list[_Made]) -> None:
        """Note where the tasks of these events live, as far as there are any."""
        if not made:
            return
        keys = dict.fromkeys(one.task for one in made if one.task is not None)
        found = self._records.load(self._terms.incarnation, [(key, self._nowhere) for key in keys])
        for one in made:
            record = None if one.task is None else found.records[one.task]
            one.home = None if record is None else record.state.home

    def _finish(self, item: InFlight, made: _Made | None, progress: BatchState, done: BatchResult) -> None:
        """Collect what a message came to, or cut its partition where it can neither go on nor away."""
        message = item.message
        if item.poison is not None:
            letter = self._buried(item, item.poison, progress, done)
            if letter is None:
                return
            done.emits.append(letter)
        elif made is None:
            done.counts[self._topic.name, LEFT_ALONE] += 1
        else:
            requests = self._terms.policy.requests
            done.emits.append(OutgoingMessage(requests, made.key, made.value, made.headers, made.home))
            done.counts[self._topic.name, MADE] += 1
        done.positions[message.partition] = message.offset + 1

    def _buried(
        self, item: InFlight, why: PoisonError, progress: BatchState, done: BatchResult
    ) -> OutgoingMessage | None:
        """Return the dead letter; None, and its partition paused, if no topic takes it."""
        limit = self._topics.limit_bytes(self._dead_letters)
        box = DeadLetterBox(self._dead_letters, self._topic.topic, limit)
        try:
            letter = box.letter(item.message, why.reason, str(why))
        except EventError as error:
            progress.pause(item.message.partition, item.message.offset, error.message)
            return None
        done.dead[why.reason] += 1
        done.buried[item.message.partition] += 1
        done.refused.append((item.source, why.reason, str(why)))
        return letter


def _require_size(size: int, limit: int) -> None:
    if size > limit:
        raise PoisonError("TOO_LARGE", f"{size} bytes as an event, of which {limit} can be taken")
