"""One round trip with one server, in two halves, so that several servers can work at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry


def client_options(timeout_seconds: float) -> dict[str, Any]:
    """Return what every client of ours is told: how long to wait, and to do nothing by itself.

    No retry: a command whose answer is lost may have happened, and whether to repeat it is for the
    loop to say. No commands of its own at the start of a connection, which a user would have to be
    allowed.
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
    """Commands under way to a server; sent when this is made, which connects if need be.

    They are sent as they come: the server works on the first while the next ones are made.

    Making it and ``answers`` raise what the client raises where the connection fails. After either
    raised, and after ``drop``, nothing is left that a later exchange could take for its own answer.
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
        """Return the answers in the order of the commands; a refusal is one."""
        try:
            found = [self._next() for _ in range(self._count)]
        except BaseException:
            self.drop()
            raise
        if any(isinstance(answer, redis.ReadOnlyError) for answer in found):
            # No master any more: whoever is asked next for its address may name another.
            self._connection.disconnect()
        self._pool.release(self._connection)
        return found

    def drop(self) -> None:
        """Give the answers up, and the connection with them."""
        self._connection.disconnect()
        self._pool.release(self._connection)

    def _packed(self, commands: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
        """Count and pack commands; small ones go together."""
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
"""What making an exchange and reading its answers can raise where the connection fails."""


def drop_all(exchanges: Iterable[Exchange]) -> None:
    """Give up what else is under way."""
    for exchange in exchanges:
        exchange.drop()
