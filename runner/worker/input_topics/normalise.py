"""Normalising: a bare payload becomes an event; pure, and the same event every time.

The request id is the sender's where the message has one, or made from topic, partition and offset. So a
message that is processed twice is one request, not two commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from runner.actions.incoming import TIME, TRACE_HEADERS, Headers, header_text
from runner.actions.timeout_between import TIMEOUT_COMMAND
from runner.envelope.codec import JsonCodec, Sections
from runner.envelope.event import as_text
from runner.envelope.paths import MISSING, read
from runner.envelope.plain import decode
from runner.envelope.values import is_blank, names_in
from runner.errors import EventError, PoisonError
from runner.kafka.message import Message

INPUT: Final = "runner-input"
"""Header of an event made from an input topic: topic, partition and offset of the message."""

_codec: Final = JsonCodec()


@dataclass(frozen=True, slots=True)
class InputTopic:
    """The settings of one input topic, made from the configuration by ``cli``."""

    name: str
    topic: str
    meta: Mapping[str, Any]
    """The eventMeta of every event, but for ``requestTime``: action, domain, parameters and so on."""
    user: str = ""
    """The caller; empty: nobody. Never read from the payload, which anyone can write."""
    roles: tuple[str, ...] = ()
    user_header: str | None = None
    roles_header: str | None = None
    request_id_header: str | None = None
    request_id_path: str | None = None

    @property
    def is_command(self) -> bool:
        """Whether the messages are commands, of which only some are for this runner."""
        return bool(self.meta["action"] == TIMEOUT_COMMAND)


def normalise(message: Message, topic: InputTopic, topic_id: str) -> Sections | None:
    """Return the event of a message, as sections; None: a command for another runner.

    ``topic_id`` tells the topic from an earlier one of its name. Raises PoisonError for a value
    that is no JSON object, or for unreadable headers.
    """
    if message.value is None:
        raise PoisonError("TOMBSTONE", "the message has no value")
    if message.unreadable:
        raise PoisonError("BAD_HEADERS", message.unreadable)
    payload = _codec.to_json(message.value)
    fields = _fields(payload)
    meta = _command_meta(fields, topic) if topic.is_command else dict(topic.meta)
    if meta is None:
        return None
    request_id = _request_id(message, payload, topic)
    if request_id is None:
        request_id = f"{topic.topic}:{topic_id}:{message.partition}@{message.offset}"
        if message.timestamp_ms is not None:
            meta["requestTime"] = message.timestamp_ms
    # A sender that sets the request id may repeat the request: nothing in the event may differ then.
    return {
        "requestMeta": {"id": request_id, "channel": topic.name, "claims": _claims(message, topic)},
        "eventMeta": meta,
        "payload": msgspec.Raw(payload),
    }


def event_headers(message: Message, topic: InputTopic) -> Headers:
    """Return the headers of the event: trace, source and time; no other header is trusted."""
    trace = tuple(header for header in message.headers if header[0] in TRACE_HEADERS)
    place = (INPUT, f"{topic.topic}/{message.partition}@{message.offset}".encode())
    moment_ms = message.timestamp_ms
    return (*trace, place) if moment_ms is None else (*trace, place, (TIME, str(moment_ms).encode()))


def _fields(value: bytes) -> Sections:
    try:
        return _codec.decode(value)
    except PoisonError as error:
        if error.reason == "NOT_AN_ENVELOPE":
            raise PoisonError("NOT_AN_OBJECT", "the value is JSON but not an object") from None
        raise


def _claims(message: Message, topic: InputTopic) -> dict[str, Any]:
    """Return the claims; an absent caller is written as such, so that no payload can set one."""
    user = _header(message, topic.user_header)
    roles = _header(message, topic.roles_header)
    listed = list(topic.roles) if roles is None else roles
    return {"sub": topic.user if user is None else user, "roles": names_in(listed)}


def _request_id(message: Message, payload: bytes, topic: InputTopic) -> str | None:
    """Return the sender's request id; None where there is none that can be read."""
    if topic.request_id_path is None:
        return _header(message, topic.request_id_header)
    try:
        values = decode(payload)
        value = read(topic.request_id_path, node=values, payload=values, event=dict)
        return None if value is MISSING else as_text(value, "the request id")
    except (ValueError, RecursionError, EventError):
        return None


def _header(message: Message, name: str | None) -> str | None:
    """Return a header as text; None if it is not configured, absent, blank, or not text."""
    text = None if name is None else header_text(message.headers, name)
    return text if text and text.strip() else None


def _command_meta(fields: Sections, topic: InputTopic) -> dict[str, Any] | None:
    """Return the eventMeta of a command; None if it is another command, or for another runner."""
    meta = dict(topic.meta)
    command = _plain(fields, "action") or _plain(fields, "command")
    named = (_plain(fields, "runner"), _plain(fields, "element"))
    if command != TIMEOUT_COMMAND or any(name != meta["handler"] and not is_blank(name) for name in named):
        return None
    for field in ("domain", "deployments"):
        value = _plain(fields, field)
        if value and not is_blank(value):
            meta[field] = value
    return meta


def _plain(fields: Sections, name: str) -> Any:
    raw = fields.get(name)
    try:
        return None if raw is None else decode(raw)
    except (ValueError, RecursionError):
        raise PoisonError("NOT_JSON", f"{name} cannot be read") from None
