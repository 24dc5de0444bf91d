"""An API that answers what a test says, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Answer = Callable[[httpx.Request], httpx.Response]


class FakeApi:
    """Gives the answers of a test in turn; each request is kept."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = iter(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def bodies(self) -> list[Any]:
        """Return the bodies of all requests."""
        return [json.loads(request.content) for request in self.requests]

    def headers(self, name: str) -> list[str | None]:
        """Return a header of all requests."""
        return [request.headers.get(name) for request in self.requests]


class Lines(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a stream that ends with its last line, or with an error."""

    def __init__(self, *lines: str, error: Exception | None = None) -> None:
        self._lines = lines
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from (f"{line}\n".encode() for line in self._lines)
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> Any:
        for line in self:
            yield line


def answer(status: int, document: Any, **headers: str) -> httpx.Response:
    """Return an answer of JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=document, headers=named)


def a_task(status: str = "UNASSIGNED", *, key: str = "t-1", **fields: Any) -> dict[str, Any]:
    """Return a task as the API shows it."""
    return {"domain": "orders", "id": key, "key": key, "status": status, "version": "1;1/0@7", **fields}
