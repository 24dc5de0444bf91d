"""What an action works on: the input, the stored or sent data, the id of the task, its numbers.

Every rule here is protocol section 1 ("Paths and patterns") or 3 ("The id of a task"); every
mistake is an EventError, which becomes a FAIL reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from runner.actions.incoming import Incoming
from runner.actions.policy import Policy
from runner.envelope.event import Event, as_text
from runner.envelope.paths import MISSING, Root, compile_path, read
from runner.envelope.patterns import search
from runner.envelope.scope import Scope
from runner.envelope.truth import truthy
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
from runner.tasks.record import TaskKey

MAX_ID_BYTES: Final = 8192
MAX_TIME_MS: Final = 2**53 - 1
"""Largest epoch that survives every JSON reader and a Redis score unrounded."""

_NUMBER: Final = re.compile(r"\s*[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Input:
    """The input of one event: the raw input element, and the data that inputPattern made of it."""

    element: Any
    data: Any
    is_payload: bool
    """Whether ``data`` is the payload as it stands."""


def check_version(event: Event) -> None:
    """EventError 10002 unless the event asks for version 0 of its action (absent means 0)."""
    version = event.meta.get("version")
    if version not in (None, 0, "0", "") or isinstance(version, bool):
        raise EventError(
            UNSUPPORTED_VERSION,
            f"version {str(version)[:40]!r} of {event.action} is not supported; use 0",
        )


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


def is_skipped(incoming: Incoming) -> bool:
    """Whether parameters.skipPattern holds on the payload."""
    event = incoming.event
    pattern = event.parameter("skipPattern")
    return pattern is not None and truthy(search(pattern, event.payload, Scope(incoming, "skipPattern")))


def ignores(event: Event, code: int) -> bool:
    """Whether parameters.ignoreErrors names this code.

    A list that cannot be read ignores nothing: the reply is then the FAIL that was due anyway.
    """
    try:
        given = event.parameters.get("ignoreErrors")
    except EventError:
        return False
    codes = given if isinstance(given, list) else str(given or "").split(",")
    return str(code) in {str(entry).strip() for entry in codes}


def domain_of(event: Event, policy: Policy) -> str:
    """Return eventMeta.domain; EventError 10026 if missing, 10027 if not configured."""
    domain = event.text("domain")
    if domain is None:
        raise EventError(DOMAIN_MISSING, "eventMeta.domain is missing; name the domain of the task")
    if domain not in policy.domains:
        raise EventError(DOMAIN_UNKNOWN, f"domain {domain[:100]!r} is unknown; configure it under `domains`")
    return domain


def input_of(incoming: Incoming) -> Input:
    """Return inputPattern(inputElement); EventError 10008 where there is nothing to read."""
    event = incoming.event
    payload = event.payload
    if payload is None:
        raise EventError(INPUT_MISSING, "payload is missing; send at least an empty object")
    path = event.text("inputElement")
    pattern = event.parameter("inputPattern")
    element = payload if path is None else find(path, event, payload)
    if element is MISSING:
        raise EventError(INPUT_MISSING, f"inputElement {path!r} leads to nothing in the payload")
    data = element if pattern is None else search(pattern, element, Scope(incoming, "inputPattern"))
    return Input(element, data, is_payload=path is None and pattern is None)


def find(path: str, event: Event, node: Any) -> Any:
    """Return what a path finds, starting at ``node`` unless the path says where; or MISSING."""
    return read(path, node=node, payload=event.payload, event=event.whole)


def find_id(incoming: Incoming, given: Input, policy: Policy) -> str:
    """Return the id of the task this event is about: looked up, else generated.

    EventError 10011 if what was found is no text or longer than MAX_ID_BYTES, 10009 if nothing was
    found and the event names no saga step to generate an id from.
    """
    path = incoming.event.parameter("taskIdPath")
    found = _looked_up(incoming.event, given, path)
    task_id = as_text(found, "the task id")
    if task_id is None:
        task_id = _generated(incoming, policy)
    if len(task_id.encode()) > MAX_ID_BYTES:
        raise EventError(NOT_CONVERTIBLE, f"the task id is longer than {MAX_ID_BYTES} bytes")
    return task_id


def task_key(incoming: Incoming, given: Input, policy: Policy) -> TaskKey:
    """Return domain and id of the task this event is about."""
    return TaskKey(domain_of(incoming.event, policy), find_id(incoming, given, policy))


def epoch_ms(value: Any, name: str) -> int | None:
    """Return a time or span in ms, from a number or its text; None if absent or blank.

    EventError 10011 for what is no finite number, is negative, or beyond 2^53 - 1.
    """
    text = as_text(value, name)
    if text is None:
        return None
    # Python alone would also take 1_000 and the digits of other scripts.
    if not _NUMBER.fullmatch(text) or not 0 <= float(text) <= MAX_TIME_MS:
        raise EventError(NOT_CONVERTIBLE, f"{name} {text[:40]!r} is no number of ms from 0 to 2^53 - 1")
    return int(float(text))


def _looked_up(event: Event, given: Input, path: str | None) -> Any:
    if path is None:
        return given.data.get("taskId") if isinstance(given.data, dict) else None
    if compile_path(path).root is not Root.NODE:
        found = find(path, event, None)
        return None if found is MISSING else found
    for node in (given.data, given.element, event.payload):
        found = find(path, event, node)
        if found is not MISSING and as_text(found, f"taskIdPath {path!r}") is not None:
            return found
    return None


def _generated(incoming: Incoming, policy: Policy) -> str:
    event = incoming.event
    step = event.step_id
    if step is None:
        raise EventError(
            PARAMETER_MISSING,
            "no task id: taskIdPath finds nothing and sagaMeta has no stepId to make one of",
        )
    return f"{event.request_id}:{step}{incoming.first_source.partition:0{policy.partition_width}d}"
