"""The lines of a stream of server-sent events, and the changes that they tell of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx

from runner.client.calls import AGAIN, document_of
from runner.client.problem import ApiProblem
from runner.client.values import Change

PATH: Final = "/api/v1/events"


class StreamReader:
    """Makes changes of the lines of a stream, and remembers where it is, for the next connection."""

    def __init__(self) -> None:
        self._last_id: str | None = None
        self._kind = ""
        self._id: str | None = None
        self._data: list[str] = []

    def headers(self) -> dict[str, str]:
        """Return the headers with which the stream goes on where it was."""
        asked = {"Accept": "text/event-stream"}
        return asked if self._last_id is None else {**asked, "Last-Event-ID": self._last_id}

    def opened(self, response: httpx.Response) -> list[Change]:
        """Return what a stream that begins tells: ``reload`` the first time. ApiProblem where it is refused.

        A response that asks to come back later has no lines to take.
        """
        self._forget()
        if response.status_code in AGAIN:
            return []
        if response.is_error:
            raise ApiProblem(response.status_code, document_of(response))
        return [Change("reload")] if self._last_id is None else []

    def take(self, line: str) -> Iterator[Change]:
        """Take one line; give the changes of the event that it ends. Lines of no event give none."""
        name, _, value = line.partition(":")
        match name:
            case "":
                if not line:
                    yield from self._end()
            case "id":
                self._id = value.removeprefix(" ")
            case "event":
                self._kind = value.removeprefix(" ")
            case "data":
                self._data.append(value.removeprefix(" "))

    def _end(self) -> Iterator[Change]:
        kind, data, event_id = self._kind, "\n".join(self._data), self._id
        self._forget()
        if event_id:
            self._last_id = event_id
        if data:
            yield from _changes_of(kind, json.loads(data))

    def _forget(self) -> None:
        """Begin the next event; what was read of one whose end did not come is dropped."""
        self._kind, self._id, self._data = "", None, []


def _changes_of(kind: str, told: Any) -> Iterator[Change]:
    if kind == "reload":
        yield Change("reload")
        return
    for kind_of_change in ("changed", "gone"):
        for each in told.get(kind_of_change, ()):
            yield Change(kind_of_change, each["domain"], each["key"], each.get("version"))
