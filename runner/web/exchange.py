"""Exchange: events go to their homes over Kafka, and their replies are waited for.

Every process reads the whole topic of replies from its end, committed messages only, without a group, and
takes what somebody here waits for. So no process owns a request: whoever asks again, anywhere, is answered.

Four threads touch this: the event loop asks, ``replies`` reads, ``deliveries`` hears what became of what was
sent, ``topics`` asks how many partitions there are. Futures are only touched in the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from runner import log
from runner.envelope.codec import Codec, JsonCodec
from runner.errors import RunnerError, TransientError
from runner.kafka.clients import ANSWER_SECONDS, BrokerConnection
from runner.kafka.topic_message import REPLY, TopicMessage, read_message
from runner.web.problems import Refused, unavailable

EVERY_SECONDS: Final = 5.0
"""Between two looks at the topics."""

_POLL_SECONDS: Final = 0.25
_AGAIN_SECONDS: Final = 0.5
_END: Final = "_PARTITION_EOF"
_GONE: Final = frozenset({"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"})
_NOT_READY: Final = "commands cannot be sent at the moment ({why}); nothing was done, ask again"
_UNANSWERED: Final = (
    "no reply within {seconds} s: the command may still be carried out. Ask again with the same "
    "Idempotency-Key, and it is answered and not carried out twice"
)
_UNSENT: Final = "Kafka did not take the command ({why}); ask again with the same Idempotency-Key"
_TOO_LARGE: Final = "MSG_SIZE_TOO_LARGE"

_log: Final = log.get("exchange")


@dataclass(frozen=True, slots=True)
class Topics:
    """Where commands go, and where their replies come from."""

    requests: str
    replies: str


@dataclass(slots=True)
class _Waiting:
    """Somebody who waits for a reply, in the event loop that they wait in."""

    loop: asyncio.AbstractEventLoop
    reply: asyncio.Future[TopicMessage] = field(init=False)

    def __post_init__(self) -> None:
        self.reply = self.loop.create_future()

    def tell(self, message: TopicMessage) -> None:
        self._later(lambda: self.reply.set_result(message))

    def fail(self, error: Refused) -> None:
        self._later(lambda: self.reply.set_exception(error))

    def _later(self, end: Any) -> None:
        def told() -> None:
            if not self.reply.done():
                end()

        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self.loop.call_soon_threadsafe(told)


class Exchange:
    """Sends events and gives their replies, from ``start`` to ``close``."""

    def __init__(
        self,
        producer: BrokerConnection[Producer],
        consumer: BrokerConnection[Consumer],
        topics: Topics,
        codec: Codec | None = None,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """``codec`` is that of the topic of replies."""
        self._producer = producer
        self._consumer = consumer
        self._topics = topics
        self._codec = codec or JsonCodec()
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._waiting: dict[str, list[_Waiting]] = defaultdict(list)
        self._widths: Mapping[str, int] = {}
        self._next: dict[int, int] = {}
        self._trouble: str | None = "the replies are not read yet"
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for name, run in (("replies", self._read), ("deliveries", self._deliver), ("topics", self._watch))
        ]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def close(self) -> None:
        """End the threads; who still waits gets no reply."""
        self._closing.set()
        for each in self._threads:
            if each.is_alive():
                each.join(ANSWER_SECONDS)
        self._producer.client.flush(_AGAIN_SECONDS)
        self._consumer.client.close()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be asked now; None: it can."""
        return self._trouble

    @property
    def waiting(self) -> int:
        """How many replies are waited for."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def homes(self) -> int:
        """Return how many partitions ``requests`` has; Refused with 503 while that is not known."""
        self._require_ready()
        return self._widths[self._topics.requests]

    async def ask(self, request_id: str, value: bytes, home: int, seconds: float) -> TopicMessage:
        """Send an event to a home and return its reply, which may say FAIL.

        Refused with 503 where it is not sent, with 504 where no reply has come after so many seconds: it may
        still be carried out then.
        """
        self._require_ready()
        waiting = _Waiting(asyncio.get_running_loop())
        with self._lock:
            self._waiting[request_id].append(waiting)
        try:
            self._send(request_id, value, home, waiting)
            return await asyncio.wait_for(waiting.reply, seconds)
        except TimeoutError:
            raise Refused(504, _UNANSWERED.format(seconds=f"{seconds:g}")) from None
        finally:
            self._forget(request_id, waiting)

    def _require_ready(self) -> None:
        if self._trouble is not None:
            raise unavailable(_NOT_READY.format(why=self._trouble))

    def _send(self, request_id: str, value: bytes, home: int, waiting: _Waiting) -> None:
        try:
            self._producer.client.produce(
                self._topics.requests,
                value,
                request_id.encode(),
                home,
                on_delivery=partial(self._delivered, waiting),
            )
        except BufferError:
            raise unavailable(_NOT_READY.format(why="too much is on its way")) from None
        except KafkaException as error:
            raise _unsent(error.args[0]) from error

    def _delivered(self, waiting: _Waiting, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            waiting.fail(_unsent(error))

    def _forget(self, request_id: str, waiting: _Waiting) -> None:
        with self._lock:
            others = [each for each in self._waiting[request_id] if each is not waiting]
            if others:
                self._waiting[request_id] = others
            else:
                del self._waiting[request_id]

    # -- deliveries: its thread -------------------------------------------------------------------

    def _deliver(self) -> None:
        while not self._closing.is_set():
            self._producer.client.poll(_POLL_SECONDS)

    # -- topics: its thread -----------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                self._look()
            except RunnerError as error:
                self._set_trouble(str(error))
            is_well = self._trouble is None
            self._closing.wait(self._every_seconds if is_well else _AGAIN_SECONDS)

    def _look(self) -> None:
        """Learn how many partitions the topics have; the reader takes it up."""
        topics = self._producer.metadata().topics
        names = (self._topics.requests, self._topics.replies)
        widths = {name: len(topics[name].partitions) for name in names if name in topics}
        missing = [name for name in names if not widths.get(name)]
        if missing:
            self._set_trouble(f"there is no topic {' and '.join(missing)}")
            return
        self._widths = widths
        if len(self._next) >= widths[self._topics.replies]:
            self._set_trouble(None)

    def _set_trouble(self, why: str | None) -> None:
        if why == self._trouble:
            return
        if why is None:
            _log.info("ready")
        else:
            _log.warning("not_ready", reason=why)
        self._trouble = why

    # -- replies: its thread ----------------------------------------------------------------------

    def _read(self) -> None:
        while not self._closing.is_set():
            try:
                self._take_up()
                self._read_one()
            except (RunnerError, KafkaException) as error:
                self._set_trouble(f"the replies cannot be read: {_reason(error)}")
                self._closing.wait(_AGAIN_SECONDS)

    def _take_up(self) -> None:
        """Assign partitions that are new: at the start at their ends, later at their beginnings."""
        width = self._widths.get(self._topics.replies, 0)
        if width == len(self._next):
            return
        if width < len(self._next):
            self._next = {}  # another topic of this name
        is_first = not self._next
        found = {
            number: self._end_of(number) if is_first else 0
            for number in range(width)
            if number not in self._next
        }
        self._next = {**self._next, **found}
        self._assign()
        _log.info("partitions", topic=self._topics.replies, read=width, new=sorted(found))
        if self._next:
            self._set_trouble(None)

    def _assign(self) -> None:
        self._consumer.client.assign(
            [TopicPartition(self._topics.replies, number, offset) for number, offset in self._next.items()]
        )

    def _end_of(self, number: int) -> int:
        place = TopicPartition(self._topics.replies, number)
        client = self._consumer.client
        _, high = self._consumer.ask(lambda: client.get_watermark_offsets(place, timeout=ANSWER_SECONDS))
        return int(high)

    def _read_one(self) -> None:
        message = self._consumer.client.poll(_POLL_SECONDS)
        if message is None:
            return
        error = message.error()
        if error is None:
            reply = read_message(message, self._codec)
            self._next[reply.partition] = reply.offset + 1
            self._give(reply)
        elif error.name() in _GONE:
            self._next = {}
            self._widths = {}
            raise TransientError(error.str())
        elif error.name() != _END:
            _log.warning("replies", reason=error.str())

    def _give(self, reply: TopicMessage) -> None:
        """Hand a reply to who waits for it; a task that goes on speaks of its StartTask by the same key."""
        if reply.kind != REPLY:
            return
        with self._lock:
            waiting = list(self._waiting.get(reply.key, ()))
        for each in waiting:
            each.tell(reply)


def _unsent(error: KafkaError) -> Refused:
    if error.name() == _TOO_LARGE:
        return Refused(413, "the command is too large for the topic of requests")
    return unavailable(_UNSENT.format(why=error.str()))


def _reason(error: Exception) -> str:
    return error.args[0].str() if isinstance(error, KafkaException) else str(error)
