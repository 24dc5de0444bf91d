"""``Client``: the API, one call after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

import httpx

from runner.client import calls
from runner.client.calls import Attempts, Call
from runner.client.connection import Token, headers_of, stream_timeouts, timeouts
from runner.client.stream import PATH, StreamReader
from runner.client.values import Change, Comment, HistoryEntry, Task

T = TypeVar("T")


class Client:
    """Tasks over HTTP; may be used by several threads.

    A call that finds the API busy or away is tried again for some seconds; a command is done once all the
    same. Raises ApiProblem where a request is refused, ApiUnavailable where no answer came in the end.
    Fields and filters are named as docs/api.md has them, in snake case: ``due_on``, ``for_me``.
    """

    def __init__(self, url: str, token: Token, *, transport: httpx.BaseTransport | None = None) -> None:
        """``url``: of ``runner web``, without a path. ``token``: a bearer token, or what gives it."""
        self._token = token
        self._after: str | None = None
        self._http = httpx.Client(base_url=url, transport=transport, timeout=timeouts())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is there -------------------------------------------------------------------------------

    def task(self, domain: str, task_id: str) -> Task:
        """Return a task as it is now, with its data."""
        return self._do(calls.read_task(domain, task_id))

    def history(self, domain: str, task_id: str) -> list[HistoryEntry]:
        """Return what happened to a task, oldest first."""
        return self._do(calls.read_history(domain, task_id))

    def comments(self, domain: str, task_id: str) -> list[Comment]:
        """Return the comments on a task, oldest first."""
        return self._do(calls.read_comments(domain, task_id))

    def tasks(self, **filters: Any) -> Iterator[Task]:
        """Give the tasks of a list, ``tasks(for_me=True, order="due")``, with what this client did before."""
        cursor: str | None = None
        while True:
            page = self._do(calls.read_page({"after": self._after, **filters, "cursor": cursor}))
            yield from page.tasks
            cursor = page.cursor
            if cursor is None:
                return

    def count(self, group_by: str, **filters: Any) -> dict[Any, int]:
        """Return how many tasks there are by ``status``, ``spec``, ``role``, ``owner`` or ``overdue``."""
        return self._do(calls.read_counts(group_by, {"after": self._after, **filters}))

    def changes(self, **filters: Any) -> Iterator[Change]:
        """Give changes as they come, for ever; a connection that breaks is made again, and nothing is missed.

        The first is ``reload``: from there on, what changes is told.
        """
        reader = StreamReader()
        while True:
            with suppress(httpx.TransportError):
                yield from self._stream(reader, filters)
            time.sleep(calls.FIRST_PAUSE_SECONDS)

    # -- what is done --------------------------------------------------------------------------------

    def start(self, domain: str, data: Any = None, *, key: str | None = None, **fields: Any) -> Task:
        """Start a task: ``start("orders", {"amount": 12}, roles=["clerk"])``.

        ``key``: the same key starts the same task once, however often this is called.
        """
        return self._command(calls.start(domain, {"data": data, **fields}, key))

    def wait(self, domain: str, task_id: str) -> Task:
        """Return the task once it is over, however long that takes."""
        watched: str | None = None
        for change in self.changes(domain=domain):
            if change.kind == "reload" or change.key == watched:
                task = self.task(domain, task_id)
                if not task.is_open:
                    return task
                watched = task.key
        raise AssertionError("changes end only with an error")

    def claim(self, domain: str, task_id: str, *, if_version: str | None = None) -> Task:
        """Take a task."""
        return self._verb(domain, task_id, "claim", {}, if_version)

    def release(self, domain: str, task_id: str, *, if_version: str | None = None) -> Task:
        """Give a task back to its roles."""
        return self._verb(domain, task_id, "release", {}, if_version)

    def assign(self, domain: str, task_id: str, *, if_version: str | None = None, **fields: Any) -> Task:
        """Give a task to a ``user`` or to ``roles``; None clears what is there. For admins."""
        return self._verb(domain, task_id, "assign", fields, if_version)

    def save(
        self,
        domain: str,
        task_id: str,
        data: Mapping[str, Any],
        *,
        if_version: str | None = None,
        **fields: Any,
    ) -> Task:
        """Save answers so far, merged into those that were saved before."""
        return self._verb(domain, task_id, "draft", {"data": data, **fields}, if_version)

    def proceed(
        self,
        domain: str,
        task_id: str,
        answers: Mapping[str, Any] | None = None,
        *,
        outcome: str | None = None,
        if_version: str | None = None,
    ) -> Task:
        """Finish a task: its saga goes on with the answers."""
        given = {"answers": answers, "outcome": outcome}
        fields = {name: value for name, value in given.items() if value is not None}
        return self._verb(domain, task_id, "proceed", fields, if_version)

    def cancel(self, domain: str, task_id: str, reason: str, *, if_version: str | None = None) -> Task:
        """Cancel a task: its saga goes on with CANCELLED and the reason."""
        return self._verb(domain, task_id, "cancel", {"reason": reason}, if_version)

    def time_out(self, domain: str, task_id: str, *, if_version: str | None = None) -> Task:
        """Time a task out before its deadline."""
        return self._verb(domain, task_id, "timeout", {}, if_version)

    def comment(self, domain: str, task_id: str, text: str) -> Task:
        """Comment on a task."""
        return self._verb(domain, task_id, "comments", {"text": text}, None)

    def update(self, domain: str, task_id: str, *, if_version: str | None = None, **fields: Any) -> Task:
        """Change the deadline, dates, priority or notes of a task; None clears what is there."""
        return self._command(calls.update(domain, task_id, fields, if_version))

    def _verb(
        self, domain: str, task_id: str, verb: str, fields: Mapping[str, Any], if_version: str | None
    ) -> Task:
        return self._command(calls.verb(domain, task_id, verb, fields, if_version))

    def _command(self, call: Call[Task]) -> Task:
        attempts = Attempts(call)
        task = self._answer(attempts)
        self._after = attempts.after or self._after
        return task

    def _do(self, call: Call[T]) -> T:
        return self._answer(Attempts(call))

    def _answer(self, attempts: Attempts[T]) -> T:
        while True:
            try:
                response = self._http.request(**attempts.request(headers_of(self._token)))
            except httpx.TransportError as error:
                pause_seconds: float | None = attempts.failed(error)
            else:
                pause_seconds = attempts.answered(response)
            if pause_seconds is None:
                return attempts.result
            time.sleep(pause_seconds)

    def _stream(self, reader: StreamReader, filters: dict[str, Any]) -> Iterator[Change]:
        headers = {**headers_of(self._token), **reader.headers()}
        query = calls.query_of(filters)
        with self._http.stream(
            "GET", PATH, params=query, headers=headers, timeout=stream_timeouts()
        ) as response:
            if response.is_error:
                response.read()
            yield from reader.opened(response)
            for line in response.iter_lines():
                yield from reader.take(line)
