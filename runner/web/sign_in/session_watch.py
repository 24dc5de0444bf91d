"""Watch: ends the event streams of sessions that have ended, wherever they were ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from runner import log
from runner.errors import StoreUnavailable
from runner.web.sign_in.session_callers import in_thread

LOOK_SECONDS: Final = 5.0
"""How long a stream may outlast its session."""

_OVER: Final = "the session has ended"

_log: Final = log.get("sign_in")


class KnownSessions(Protocol):
    """Where sessions are."""

    def there_are(self, digests: list[str]) -> set[str]: ...


class SessionWatch:
    """Looks every few seconds which sessions there are, while a stream is to end with one.

    For one event loop.
    """

    def __init__(self, sessions: KnownSessions, look_seconds: float = LOOK_SECONDS) -> None:
        self._sessions = sessions
        self._look_seconds = look_seconds
        self._watched: dict[object, tuple[str, Callable[[str], None]]] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def ending(self, session: str, end: Callable[[str], None]) -> Iterator[None]:
        """Call ``end`` with the reason once the session, by digest, has ended; for the length of a block."""
        mark = object()
        self._watched[mark] = session, end
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="session watch")
        try:
            yield
        finally:
            del self._watched[mark]
            if not self._watched:
                self._looking.cancel()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            digests = sorted({session for session, _ in self._watched.values()})
            try:
                there = await in_thread(lambda d=digests: self._sessions.there_are(d))  # type: ignore[misc]
            except StoreUnavailable as error:
                # Streams tell nothing but what their callers may see: they go on until that is known again.
                _log.warning("sessions_not_known", reason=str(error))
                continue
            asked = {*digests}
            for session, end in list(self._watched.values()):
                if session in asked and session not in there:
                    end(_OVER)
