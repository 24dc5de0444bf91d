"""A stream: what one listener has still to hear, as text of server-sent events.

Three kinds of messages, in the words of the HTML standard ("Server-sent events"): ``changes`` with what
changed and what is gone, ``reload`` where that cannot be told, and, as a heartbeat, a comment with an id and
no data, which browsers keep without telling the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from runner.projection.sight import Viewer
from runner.web.event_id import viewer_digest

MOST: Final = 1000
"""The most tasks of one message; whoever has more to hear does better to read its lists again."""

Task: TypeAlias = tuple[str, str]
"""Domain and path key."""
Reason: TypeAlias = Literal["unknown", "rights", "build", "expired", "many"]
"""Why lists must be read anew: the id is none of ours; the listener sees something else than then; lists were
made anew; what happened since is no longer known; too much happened."""


class Stream:
    """What one listener has still to hear: the newest state of each task. Belongs to the event loop."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer: Final = viewer
        self.digest: Final = viewer_digest(viewer)
        self.news: Final = asyncio.Event()
        """Set when there is something to do."""
        self.over: str | None = None
        """Why the stream ends, if it does."""
        self._pending: dict[Task, bytes | None] = {}
        """What is told of each task; None: it is gone."""
        self._reload: Reason | None = None

    @property
    def has_message(self) -> bool:
        return self._reload is not None or len(self._pending) > 0

    def note(self, task: Task, told: bytes | None) -> None:
        """Take what is told of a task now (``told_of``); None: it went out of sight.

        A task is told to be gone even if it came into sight only after the last message: whoever has read a
        list since knows it.
        """
        if self._reload is None:
            self._pending[task] = told
            self._noted()

    def note_before(self, older: Mapping[Task, bytes | None]) -> None:
        """Take what was told of tasks before all that was noted."""
        if self._reload is None and older:
            self._pending = {**older, **self._pending}
            self._noted()

    def _noted(self) -> None:
        self.news.set()
        if len(self._pending) > MOST:
            self.reload("many")

    def reload(self, reason: Reason) -> None:
        """Tell the listener to read its lists anew, instead of all that was to be told."""
        self._reload = self._reload or reason
        self._pending.clear()
        self.news.set()

    def end(self, why: str) -> None:
        """End the stream."""
        self.over = self.over or why
        self.news.set()

    def message(self, at: str) -> bytes:
        """Return what there is to tell, with the id of where the stream is then."""
        reason, self._reload = self._reload, None
        if reason is not None:
            return f'event: reload\nid: {at}\ndata: {{"reason":"{reason}"}}\n\n'.encode()
        taken, self._pending = self._pending, {}
        changed = b",".join(told for told in taken.values() if told is not None)
        gone = b",".join(_named(task) + b"}" for task, told in taken.items() if told is None)
        return b'event: changes\nid: %b\ndata: {"changed":[%b],"gone":[%b]}\n\n' % (
            at.encode(),
            changed,
            gone,
        )


def opening(at: str, retry_ms: int) -> bytes:
    """Return what a stream begins with: where it is, and after how long its client comes back."""
    return f"retry: {retry_ms}\nid: {at}\n\n".encode()


def heartbeat(at: str) -> bytes:
    """Return what keeps a silent stream open, and its client's id new."""
    return f":\nid: {at}\n\n".encode()


def farewell(why: str) -> bytes:
    """Return what a stream ends with, for people who look at it."""
    return f": {why}\n\n".encode()


def told_of(task: Task, version: str) -> bytes:
    """Return what is told of a task in sight."""
    return _named(task) + b',"version":' + msgspec.json.encode(version) + b"}"


def _named(task: Task) -> bytes:
    domain, key = map(msgspec.json.encode, task)
    return b'{"domain":%b,"key":%b' % (domain, key)
