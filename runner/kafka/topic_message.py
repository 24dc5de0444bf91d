"""One message of a topic: its headers as text, and its event once that is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from runner.envelope.codec import Codec, JsonCodec
from runner.envelope.plain import decode
from runner.errors import PoisonError

KIND: Final = "event-kind"
STATUS: Final = "event-status"
TASK_ID: Final = "task-id"
TASK_DOMAIN: Final = "task-domain"
REPLY: Final = "reply"
RESUME: Final = "resume"

_JSON: Final = JsonCodec()

RawHeaders: TypeAlias = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class TopicMessage:
    """A message of ``requests``, ``responses`` or the dead letters. Text is decoded, bad bytes replaced."""

    topic: str
    partition: int
    offset: int
    time_ms: int | None
    key: str
    headers: Mapping[str, str]
    value: bytes | None
    raw_key: bytes | None = None
    raw_headers: RawHeaders | None = ()
    """The headers as they are, in their order; None: a name is no text, so none can be read."""
    codec: Codec = _JSON
    """Reads the value; what it cannot read is no event."""

    @property
    def kind(self) -> str:
        """``reply`` or ``resume``; empty on topics other than responses."""
        return self.headers.get(KIND, "")

    @property
    def status(self) -> str:
        """ACK, PROCEEDED, TIMEOUT, SUCCESS or FAIL; empty on topics other than responses."""
        return self.headers.get(STATUS, "")

    @property
    def task_id(self) -> str:
        """The task it speaks of; empty where it says none."""
        return self.headers.get(TASK_ID, "")

    @property
    def domain(self) -> str:
        """Domain of the task; empty where it says none."""
        return self.headers.get(TASK_DOMAIN, "")

    def event(self) -> dict[str, Any] | None:
        """Return the whole event; None where the value is none.

        Raises TransientError where its encoding has to be looked up and nobody answers.
        """
        try:
            event = decode(self.codec.to_json(self.value or b""))
        except (ValueError, RecursionError, PoisonError):
            return None
        return event if isinstance(event, dict) else None

    def section(self, name: str) -> dict[str, Any]:
        """Return a section of the event; empty where it is absent or of another type."""
        section = (self.event() or {}).get(name)
        return section if isinstance(section, dict) else {}

    @property
    def step_id(self) -> str:
        """The step of the current (last) saga; empty where the event names none."""
        sagas = (self.event() or {}).get("sagaMeta")
        last = sagas[-1] if isinstance(sagas, list) and sagas else None
        return str(last.get("stepId", "")) if isinstance(last, dict) else ""

    def error(self) -> dict[str, Any]:
        """Return what a FAIL says: code, message, http; empty where there is no error."""
        error = self.section("result").get("error")
        return error if isinstance(error, dict) else {}


class Messages(Protocol):
    """Where messages of topics come from."""

    def next(self, timeout_seconds: float) -> TopicMessage | None:
        """Return the next message, waiting at most so long; None if there was none."""


def read_message(message: Message, codec: Codec = _JSON) -> TopicMessage:
    """Return what a message of the consumer says; not for its error events."""
    # The library types these as optional: only an event that is no message lacks them.
    topic: Any = message.topic()
    partition: Any = message.partition()
    offset: Any = message.offset()
    kind, time_ms = message.timestamp()
    headers = _headers(message)
    return TopicMessage(
        topic=topic,
        partition=partition,
        offset=offset,
        time_ms=None if kind == TIMESTAMP_NOT_AVAILABLE else time_ms,
        key=_text(message.key()),
        headers={name: _text(value) for name, value in headers or ()},
        value=_bytes(message.value()),
        codec=codec,
        raw_key=_bytes(message.key()),
        raw_headers=headers,
    )


def _headers(message: Message) -> RawHeaders | None:
    try:
        headers: Any = message.headers() or ()
        return tuple((name, _bytes(value)) for name, value in headers)
    except (SystemError, UnicodeDecodeError):
        # The library's word for a header name that is not UTF-8; a warm interpreter may hear it later.
        return None


def described(message: TopicMessage) -> dict[str, Any]:
    """Return a response for programs; ``value`` instead of ``event`` where it is no JSON object."""
    event = message.event()
    content = (
        {"event": event} if event is not None else {"value": (message.value or b"").decode(errors="replace")}
    )
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timeMs": message.time_ms,
        "key": message.key,
        "kind": message.kind,
        "status": message.status,
        "taskId": message.task_id,
        "taskDomain": message.domain,
        **content,
    }


def _text(value: str | bytes | None) -> str:
    return (_bytes(value) or b"").decode(errors="replace")


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
