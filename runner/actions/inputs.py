"""Inputs of an action: the input, the data, the task id, times and limits of an event.

The rules are those of docs/protocol.md, "Options of every action", "Task ids and homes" and "Paths and
patterns"; every violation is an EventError, which becomes a FAIL reply.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runner.actions.incoming import (
    FORWARDING_HEADERS,
    FORWARDING_HEADERS_BYTES,
    HEADER_BYTES,
    ORIGIN,
    Headers,
    Incoming,
    size_of,
)
from runner.actions.policy import Policy
from runner.envelope.event import Event, as_text
from runner.envelope.paths import MISSING, Root, compile_path, read
from runner.envelope.patterns import Scope, search
from runner.envelope.plain import encode
from runner.envelope.values import is_blank, read_number, truthy
from runner.errors import (
    DOMAIN_MISSING,
    DOMAIN_UNKNOWN,
    INPUT_MISSING,
    NOT_CONVERTIBLE,
    PARAMETER_MISSING,
    UNDELIVERABLE,
    UNSUPPORTED_VERSION,
    EventError,
)
from runner.limits import WIDEST, EventLimits
from runner.tasks.keys import TaskKey

MAX_ID_BYTES: Final = WIDEST.id_bytes
"""Bytes of a task id at most; ``limits.idBytes`` may allow less for new tasks."""

MAX_TIME_MS: Final = 2**53 - 1
"""Largest epoch ms that every JSON reader and a Redis score hold exactly."""


class TaskInput(msgspec.Struct, frozen=True):
    """Input of one event: the element at inputElement, and the data that inputPattern makes of it."""

    element: Any
    data: Any
    is_payload: bool
    """Whether ``data`` is the payload, unchanged."""
    encoded: bytes | None = None
    """``data`` as JSON where a pattern made it; else None."""


def check_version(event: Event) -> None:
    """EventError 10002 unless the event asks for version 0 of its action (absent means 0)."""
    version = event.meta.get("version")
    if not is_blank(version) and (version not in (0, "0") or isinstance(version, bool)):
        raise EventError(
            UNSUPPORTED_VERSION, f"version {str(version)[:40]!r} of {event.action} is not supported; use 0"
        )


def require_small(incoming: Incoming, limits: EventLimits) -> None:
    """EventError 10011 unless request id and headers of a message are within the limits."""
    if is_longer(incoming.event.request_id, limits.id_bytes):
        raise over_limit(f"requestMeta.id is longer than {limits.id_bytes} bytes")
    if incoming.headers and not _are_few(incoming.headers, limits):
        _require_small_headers(incoming, limits)


def _are_few(headers: Headers, limits: EventLimits) -> bool:
    """Whether headers are within the limits by a cheap estimate: four bytes a character at most."""
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
    return size * 4 <= limits.header_bytes and len(headers) <= limits.headers


def _require_small_headers(incoming: Incoming, limits: EventLimits) -> None:
    headers = incoming.headers
    # An event that was sent on has additional headers of the runner.
    is_sent_on = incoming.header(ORIGIN) is not None
    if len(headers) > limits.headers + FORWARDING_HEADERS * is_sent_on:
        raise over_limit(f"the message has {len(headers)} headers, more than {limits.headers}")
    size = size_of(headers) - HEADER_BYTES * len(headers)
    if size > limits.header_bytes + FORWARDING_HEADERS_BYTES * is_sent_on:
        raise over_limit(f"the headers have {size} bytes, more than {limits.header_bytes}")


def is_longer(text: str, limit_bytes: int) -> bool:
    """Whether a text is longer than ``limit_bytes`` in UTF-8; short texts are not encoded."""
    return len(text) * 4 > limit_bytes and len(text.encode()) > limit_bytes


def over_limit(message: str) -> EventError:
    """Return the EventError 10011 of a value beyond a limit."""
    return EventError(NOT_CONVERTIBLE, message, over_limit=True)


def stream_of(event: Event, policy: Policy) -> str:
    """Return the topic that answers this event; EventError 13020 if it is not allowed."""
    stream = event.text("responseStream")
    if stream is None or stream == policy.responses:
        return policy.responses
    if stream not in policy.allowed_streams:
        raise EventError(
            UNDELIVERABLE,
            f"responseStream {stream[:100]!r} is not allowed; list it under `responses.streams`",
        )
    return stream


def is_skipped(incoming: Incoming, limits: EventLimits) -> bool:
    """Whether parameters.skipPattern holds on the payload."""
    event = incoming.event
    pattern = event.parameter("skipPattern")
    if pattern is None:
        return False
    return truthy(search(pattern, event.payload, Scope(incoming, "skipPattern"), limits))


def ignores(event: Event, code: int) -> bool:
    """Whether parameters.ignoreErrors names this code.

    A list that cannot be read ignores no code: the reply is then FAIL.
    """
    try:
        value = event.parameters.get("ignoreErrors")
        codes = value if isinstance(value, list) else (as_text(value, "ignoreErrors") or "").split(",")
        return str(code) in {(as_text(entry, "ignoreErrors") or "").strip() for entry in codes}
    except EventError:
        return False


def domain_of(event: Event, policy: Policy) -> str:
    """Return eventMeta.domain; EventError 10026 if missing, 10027 if not configured."""
    domain = event.text("domain")
    if domain is None:
        raise EventError(DOMAIN_MISSING, "eventMeta.domain is missing; name the domain of the task")
    if domain not in policy.domains:
        raise EventError(DOMAIN_UNKNOWN, f"domain {domain[:100]!r} is unknown; configure it under `domains`")
    return domain


def input_of(incoming: Incoming, limits: EventLimits) -> TaskInput:
    """Return inputPattern(inputElement).

    EventError 10008 where payload or input element is missing, 10011 where the data is too large.
    """
    event = incoming.event
    payload = event.payload
    if payload is None:
        raise EventError(INPUT_MISSING, "payload is missing; send at least an empty object")
    path = event.text("inputElement")
    pattern = event.parameter("inputPattern")
    element = payload if path is None else find(path, event, payload)
    if element is MISSING:
        raise EventError(INPUT_MISSING, f"inputElement {path!r} leads to nothing in the payload")
    if pattern is None:
        return TaskInput(element, element, is_payload=path is None)
    data = search(pattern, element, Scope(incoming, "inputPattern"), limits)
    return TaskInput(element, data, is_payload=False, encoded=encoded_data(data, limits))


def encoded_data(data: Any, limits: EventLimits) -> bytes:
    """Return data as stored JSON; EventError 10011 where it is larger than the limit."""
    encoded = encode(data)
    if len(encoded) > limits.data_bytes:
        raise over_limit(
            f"the data that inputElement and inputPattern give has {len(encoded)} bytes, "
            f"more than {limits.data_bytes}"
        )
    return encoded


def find(path: str, event: Event, node: Any) -> Any:
    """Return the value at a path, from ``node`` unless the path has a root; MISSING if there is none."""
    return read(path, node=node, payload=event.payload, event=event.whole)


def enrichment_of(incoming: Incoming, data: Any) -> Any:
    """Return the value at ``parameters.enrichPath``, from the data of the event; None where there is none."""
    event = incoming.event
    path = event.parameter("enrichPath")
    if path is None:
        return None
    value = find(path, event, data)
    return None if value is MISSING else value


def find_id(incoming: Incoming, task_input: TaskInput, policy: Policy, *, generates: bool) -> str:
    """Return the task id of an event: the value at taskIdPath, else a generated id.

    EventError 10011 for a value that is no text or longer than MAX_ID_BYTES, 10009 where there is no value
    and no saga step to generate an id from, or none may be generated (``generates``).
    """
    path = incoming.event.parameter("taskIdPath")
    value = _id_value(incoming.event, task_input, path)
    task_id = as_text(value, "the task id")
    if task_id is None:
        if not generates:
            raise EventError(PARAMETER_MISSING, "no task id: name the task in taskId, or at taskIdPath")
        task_id = _generated_id(incoming, policy)
    if len(task_id.encode()) > MAX_ID_BYTES:
        raise EventError(NOT_CONVERTIBLE, f"the task id is longer than {MAX_ID_BYTES} bytes")
    return task_id


def task_key(incoming: Incoming, task_input: TaskInput, policy: Policy) -> TaskKey:
    """Return domain and task id of an event that names its task."""
    domain = domain_of(incoming.event, policy)
    return TaskKey(domain, find_id(incoming, task_input, policy, generates=False))


def task_key_or_new(incoming: Incoming, task_input: TaskInput, policy: Policy) -> TaskKey:
    """Return domain and task id of an event; an id is made for one that names none."""
    domain = domain_of(incoming.event, policy)
    return TaskKey(domain, find_id(incoming, task_input, policy, generates=True))


def epoch_ms(value: Any, name: str, lowest: float = 0) -> int | None:
    """Return a time or span in ms, from a number or its text (trimmed); None where absent or blank.

    EventError 10011 for a value that is no JSON number, less than ``lowest``, or beyond 2^53 - 1.
    """
    text = as_text(value, name)
    if text is None:
        return None
    number = read_number(text.strip())
    if number is None or not lowest <= number <= MAX_TIME_MS:
        bounds = "up to" if lowest else "from 0 to"
        raise EventError(NOT_CONVERTIBLE, f"{name} {text[:40]!r} is no number of ms {bounds} 2^53 - 1")
    return int(number)


def _id_value(event: Event, task_input: TaskInput, path: str | None) -> Any:
    if path is None:
        return task_input.data.get("taskId") if isinstance(task_input.data, dict) else None
    if compile_path(path).root is not Root.NODE:
        value = find(path, event, None)
        return None if value is MISSING else value
    for node in (task_input.data, task_input.element, event.payload):
        value = find(path, event, node)
        if value is not MISSING and as_text(value, f"taskIdPath {path!r}") is not None:
            return value
    return None


def _generated_id(incoming: Incoming, policy: Policy) -> str:
    event = incoming.event
    step = event.step_id
    if step is None:
        raise EventError(
            PARAMETER_MISSING,
            "no task id: taskIdPath finds nothing and sagaMeta has no stepId to make one of",
        )
    return f"{event.request_id}:{step}{incoming.first_source.partition:0{policy.partition_width}d}"
