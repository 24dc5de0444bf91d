"""Calls of the API as values: what is sent, and what is made of the answer; both clients make the same.

A command carries a key (``Idempotency-Key``) from its first attempt on, so that it may be sent again when no
answer came: whoever has done it already answers again.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from uuid import uuid4

import httpx

from runner.client.problem import ApiProblem, ApiUnavailable
from runner.client.values import Comment, HistoryEntry, Task, comment_of, entry_of, task_of

T = TypeVar("T")

PREFIX: Final = "/api/v1"
ATTEMPTS: Final = 5
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
AGAIN: Final = frozenset({429, 502, 503, 504})
_OK: Final = range(200, 300)
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:-]+")
_LETTER_BEHIND: Final = re.compile(r"_([a-z])")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Attempts(Generic[T]):
    """The attempts at one call: what to send, how long to wait before it is sent again, and the result."""

    def __init__(self, call: Call[T]) -> None:
        self._call = call
        self._left = ATTEMPTS
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self.result: T
        self.after: str | None = None
        """What a list is asked with, to see what this command did; None for what is no command."""

    def request(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments of ``request`` of httpx; ``headers`` say who calls."""
        call = self._call
        body = {} if call.body is None else {"json": call.body}
        url, named = PREFIX + call.path, {"headers": {**headers, **call.headers}}
        return {"method": call.method, "url": url, "params": call.query, **named, **body}

    def failed(self, error: Exception) -> float:
        """Return the pause in seconds before the next attempt; ApiUnavailable where there is none."""
        return self._again(str(error) or type(error).__name__, None)

    def answered(self, response: httpx.Response) -> float | None:
        """Return the pause in seconds before the next attempt; None where ``result`` is there.

        Raises ApiProblem where the answer is final, ApiUnavailable where there is no attempt left.
        """
        document = document_of(response)
        if response.status_code in _OK:
            self.after = document.get("after") if isinstance(document, dict) else None
            self.result = self._call.read(document)
            return None
        problem = ApiProblem(response.status_code, document if isinstance(document, dict) else {})
        if response.status_code not in AGAIN:
            raise problem
        return self._again(problem.detail, response.headers.get("retry-after"))

    def _again(self, why: str, wished: str | None) -> float:
        self._left -= 1
        if not self._left:
            raise ApiUnavailable(f"{self._call.method} {self._call.path}: {why}")
        pause_seconds, self._pause_seconds = self._pause_seconds, self._pause_seconds * 2
        if wished is not None and wished.isdecimal():
            pause_seconds = max(pause_seconds, float(wished))
        return min(pause_seconds, LONGEST_PAUSE_SECONDS)


def path_of(domain: str, task_id: str) -> str:
    """Return the path of a task; an id of unusual signs stands there as ``~`` and base64url."""
    if not _PLAIN.fullmatch(task_id) or task_id in {".", ".."}:
        task_id = "~" + urlsafe_b64encode(task_id.encode()).decode().rstrip("=")
    return f"/tasks/{domain}/{task_id}"


def query_of(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a list: ``for_me=True`` is ``forMe=true``; None is left out."""
    return {name: value for name, value in _camel_names(filters).items() if value is not None}


def read_task(domain: str, task_id: str) -> Call[Task]:
    """Return the call that reads a task."""
    return Call("GET", path_of(domain, task_id), task_of)


def read_history(domain: str, task_id: str) -> Call[list[HistoryEntry]]:
    """Return the call that reads the history of a task."""
    path = f"{path_of(domain, task_id)}/history"
    return Call("GET", path, lambda answer: [entry_of(each) for each in answer["history"]])


def read_comments(domain: str, task_id: str) -> Call[list[Comment]]:
    """Return the call that reads the comments on a task."""
    path = f"{path_of(domain, task_id)}/comments"
    return Call("GET", path, lambda answer: [comment_of(each) for each in answer["comments"]])


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

    tasks: list[Task]
    cursor: str | None
    """What the next page is asked with; None: this was the last."""


def read_page(filters: Mapping[str, Any]) -> Call[Page]:
    """Return the call that reads a page of a list."""
    return Call("GET", "/tasks", _page_of, query_of(filters))


def read_counts(group_by: str, filters: Mapping[str, Any]) -> Call[dict[Any, int]]:
    """Return the call that counts the tasks of a list by what they have in common."""

    def counts(answer: Any) -> dict[Any, int]:
        return {each["value"]: each["count"] for each in answer["counts"]}

    return Call("GET", "/tasks/count", counts, {**query_of(filters), "group_by": group_by})


def start(domain: str, fields: Mapping[str, Any], key: str | None) -> Call[Task]:
    """Return the call that starts a task."""
    return _command("POST", "/tasks", {"domain": domain, **query_of(fields)}, None, key)


def verb(
    domain: str, task_id: str, name: str, fields: Mapping[str, Any], if_version: str | None
) -> Call[Task]:
    """Return the call of a verb on a task."""
    return _command("POST", f"{path_of(domain, task_id)}/{name}", _camel_names(fields), if_version)


def update(domain: str, task_id: str, fields: Mapping[str, Any], if_version: str | None) -> Call[Task]:
    """Return the call that changes dates, priority or notes of a task."""
    return _command("PATCH", path_of(domain, task_id), _camel_names(fields), if_version)


def _command(method: str, path: str, body: Any, if_version: str | None, key: str | None = None) -> Call[Task]:
    headers = {"Idempotency-Key": key or uuid4().hex}
    if if_version is not None:
        headers["If-Match"] = f'"{if_version}"'
    return Call(method, path, lambda answer: task_of(answer["task"]), {}, body, headers)


def _page_of(answer: Any) -> Page:
    return Page([task_of(each) for each in answer["tasks"]], answer["next"])


def document_of(response: httpx.Response) -> Any:
    """Return the JSON of an answer; of anything else what a problem would say."""
    try:
        return response.json()
    except ValueError:
        return {"detail": response.text[:1000]}


def _camel_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {_LETTER_BEHIND.sub(lambda match: match[1].upper(), name): fields[name] for name in fields}
