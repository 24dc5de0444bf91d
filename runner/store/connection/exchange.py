"""Exchange: one round trip with one server, in two halves, so that several servers work at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry


def client_options(timeout_seconds: float) -> dict[str, Any]:
    """Return the options of every client: timeouts, no retries and no commands of its own.

    No retry: a command whose answer is lost may have taken effect, and the loop decides whether to repeat
    it. No commands at the start of a connection, for which the user would need permissions.
    """
    return {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


_AT_ONCE_BYTES: Final = 16_384


class Exchange:
    """Commands sent to one server, whose answers are not read yet; the constructor connects and sends.

    Commands are sent as the iterable yields them: the server works on the first while the next are made.

    The constructor and ``answers`` raise FAILURES where the connection fails. After a failure, and after
    ``drop``, no answer is left that a later exchange could read as its own.
    """

    __slots__ = ("_connection", "_count", "_pool")

    def __init__(self, client: redis.Redis, commands: Iterable[tuple[Any, ...]]) -> None:
        # Half of what the package's pools and connections can do has no types.
        self._pool = cast(Any, client.connection_pool)
        self._connection = self._pool.get_connection()
        self._count = 0
        try:
            self._connection.send_packed_command(self._packed(commands))
        except BaseException:
            self.drop()
            raise

    def answers(self) -> list[Any]:
        """Return the answers in the order of the commands; an error of Redis is an answer."""
        try:
            answers = [self._next() for _ in range(self._count)]
        except BaseException:
            self.drop()
            raise
        if any(isinstance(answer, redis.ReadOnlyError) for answer in answers):
            # The server is no master any more: the next connection may go to its successor.
            self._connection.disconnect()
        self._pool.release(self._connection)
        return answers

    def drop(self) -> None:
        """Close the connection without reading the answers."""
        self._connection.disconnect()
        self._pool.release(self._connection)

    def _packed(self, commands: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
        """Count and pack commands; small ones are joined."""
        pieces: list[bytes] = []
        size = 0
        for command in commands:
            self._count += 1
            for piece in self._connection.pack_command(*command):
                pieces.append(piece)
                size += len(piece)
            if size >= _AT_ONCE_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
        if pieces:
            yield b"".join(pieces)

    def _next(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as refusal:
            return refusal


FAILURES: Final = (redis.RedisError, OSError)
"""Exceptions of an exchange where the connection fails."""


def drop_all(exchanges: Iterable[Exchange]) -> None:
    """Close the connections of these exchanges without reading their answers."""
    for exchange in exchanges:
        exchange.drop()
