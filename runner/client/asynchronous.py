"""``AsyncClient``: the same as ``Client``, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

import httpx

from runner.client import calls
from runner.client.calls import Attempts, Call
from runner.client.connection import Token, headers_of, stream_timeouts, timeouts
from runner.client.stream import PATH, StreamReader
from runner.client.values import Change, Comment, HistoryEntry, Task

T = TypeVar("T")


class AsyncClient:
    """Tasks over HTTP, for one event loop.

    A call that finds the API busy or away is tried again for some seconds; a command is done once all the
    same. Raises ApiProblem where a request is refused, ApiUnavailable where no answer came in the end.
    Fields and filters are named as docs/api.md has them, in snake case: ``due_on``, ``for_me``.
    """

    def __init__(self, url: str, token: Token, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """``url``: of ``runner web``, without a path. ``token``: a bearer token, or what gives it."""
        self._token = token
        self._after: str | None = None
        self._http = httpx.AsyncClient(base_url=url, transport=transport, timeout=timeouts())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- what is there -------------------------------------------------------------------------------

    async def task(self, domain: str, task_id: str) -> Task:
        """Return a task as it is now, with its data."""
        return await self._do(calls.read_task(domain, task_id))

    async def history(self, domain: str, task_id: str) -> list[HistoryEntry]:
        """Return what happened to a task, oldest first."""
        return await self._do(calls.read_history(domain, task_id))

    async def comments(self, domain: str, task_id: str) -> list[Comment]:
        """Return the comments on a task, oldest first."""
        return await self._do(calls.read_comments(domain, task_id))

    async def tasks(self, **filters: Any) -> AsyncIterator[Task]:
        """Give the tasks of a list, ``tasks(for_me=True, order="due")``, with what this client did before."""
        cursor: str | None = None
        while True:
            page = await self._do(calls.read_page({"after": self._after, **filters, "cursor": cursor}))
            for task in page.tasks:
                yield task
            cursor = page.cursor
            if cursor is None:
                return

    async def count(self, group_by: str, **filters: Any) -> dict[Any, int]:
        """Return how many tasks there are by ``status``, ``spec``, ``role``, ``owner`` or ``overdue``."""
        return await self._do(calls.read_counts(group_by, {"after": self._after, **filters}))

    async def changes(self, **filters: Any) -> AsyncIterator[Change]:
        """Give changes as they come, for ever; a connection that breaks is made again, and nothing is missed.

        The first is ``reload``: from there on, what changes is told.
        """
        reader = StreamReader()
        while True:
            with suppress(httpx.TransportError):
                async for change in self._stream(reader, filters):
                    yield change
            await asyncio.sleep(calls.FIRST_PAUSE_SECONDS)

    # -- what is done --------------------------------------------------------------------------------

    async def start(self, domain: str, data: Any = None, *, key: str | None = None, **fields: Any) -> Task:
        """Start a task: ``start("orders", {"amount": 12}, roles=["clerk"])``.

        ``key``: the same key starts the same task once, however often this is called.
        """
        return await self._command(calls.start(domain, {"data": data, **fields}, key))

    async def wait(self, domain: str, task_id: str) -> Task:
        """Return the task once it is over, however long that takes."""
        watched: str | None = None
        async for change in self.changes(domain=domain):
            if change.kind == "reload" or change.key == watched:
                task = await self.task(domain, task_id)
                if not task.is_open:
                    return task
                watched = task.key
        raise AssertionError("changes end only with an error")

    async def claim(self, domain: str, task_id: str, *, if_version: str | None = None) -> Task:
        """Take a task."""
        return await self._verb(domain, task_id, "claim", {}, if_version)

    async def release(self, domain: str, task_id: str, *, if_version: str | None = None) -> Task:
        """Give a task back to its roles."""
        return await self._verb(domain, task_id, "release", {}, if_version)

    async def assign(
        self, domain: str, task_id: str, *, if_version: str | None = None, **fields: Any
    ) -> Task:
        """Give a task to a ``user`` or to ``roles``; None clears what is there. For admins."""
        return await self._verb(domain, task_id, "assign", fields, if_version)

    async def save(
        self,
        domain: str,
        task_id: str,
        data: Mapping[str, Any],
        *,
        if_version: str | None = None,
        **fields: Any,
    ) -> Task:
        """Save answers so far, merged into those that were saved before."""
        return await self._verb(domain, task_id, "draft", {"data": data, **fields}, if_version)

    async def proceed(
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
        return await self._verb(domain, task_id, "proceed", fields, if_version)

    async def cancel(self, domain: str, task_id: str, reason: str, *, if_version: str | None = None) -> Task:
        """Cancel a task: its saga goes on with CANCELLED and the reason."""
        return await self._verb(domain, task_id, "cancel", {"reason": reason}, if_version)

    async def time_out(self, domain: str, task_id: str, *, if_version: str | None = None) -> Task:
        """Time a task out before its deadline."""
        return await self._verb(domain, task_id, "timeout", {}, if_version)

    async def comment(self, domain: str, task_id: str, text: str) -> Task:
        """Comment on a task."""
        return await self._verb(domain, task_id, "comments", {"text": text}, None)

    async def update(
        self, domain: str, task_id: str, *, if_version: str | None = None, **fields: Any
    ) -> Task:
        """Change the deadline, dates, priority or notes of a task; None clears what is there."""
        return await self._command(calls.update(domain, task_id, fields, if_version))

    async def _verb(
        self, domain: str, task_id: str, verb: str, fields: Mapping[str, Any], if_version: str | None
    ) -> Task:
        return await self._command(calls.verb(domain, task_id, verb, fields, if_version))

    async def _command(self, call: Call[Task]) -> Task:
        attempts = Attempts(call)
        task = await self._answer(attempts)
        self._after = attempts.after or self._after
        return task

    async def _do(self, call: Call[T]) -> T:
        return await self._answer(Attempts(call))

    async def _answer(self, attempts: Attempts[T]) -> T:
        while True:
            try:
                response = await self._http.request(**attempts.request(headers_of(self._token)))
            except httpx.TransportError as error:
                pause_seconds: float | None = attempts.failed(error)
            else:
                pause_seconds = attempts.answered(response)
            if pause_seconds is None:
                return attempts.result
            await asyncio.sleep(pause_seconds)

    async def _stream(self, reader: StreamReader, filters: dict[str, Any]) -> AsyncIterator[Change]:
        headers = {**headers_of(self._token), **reader.headers()}
        query = calls.query_of(filters)
        async with self._http.stream(
            "GET", PATH, params=query, headers=headers, timeout=stream_timeouts()
        ) as response:
            if response.is_error:
                await response.aread()
            for change in reader.opened(response):
                yield change
            async for line in response.aiter_lines():
                for change in reader.take(line):
                    yield change
