"""Connection to Redis with one master: at a fixed address, or at the address that Sentinels name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import redis
from redis.exceptions import AskError
from redis.sentinel import Sentinel

from runner.store.connection.command import Command, OnWait, idle
from runner.store.connection.exchange import FAILURES, Exchange, client_options
from runner.store.connection.refusals import unavailable
from runner.store.connection.slots import Address


class SingleConnection:
    """The Connection Protocol over one client; for one thread."""

    def __init__(self, client: redis.Redis, sentinel: Sentinel | None = None) -> None:
        self._client = client
        self._sentinel = sentinel

    def run(self, commands: Iterable[Command], on_wait: OnWait = idle) -> list[Any]:
        return self._exchange((command.arguments for command in commands), on_wait)

    def run_on_masters(self, arguments: tuple[Any, ...]) -> list[Any]:
        return self._exchange([arguments], idle)

    def close(self) -> None:
        self._client.close()
        if self._sentinel is not None:
            self._sentinel.close()

    def _exchange(self, commands: Iterable[tuple[Any, ...]], on_wait: OnWait) -> list[Any]:
        try:
            under_way = Exchange(self._client, commands)
            on_wait()
            answers = under_way.answers()
        except FAILURES as error:
            raise unavailable(error) from error
        for answer in answers:
            if isinstance(answer, AskError):
                raise unavailable(answer)
        return answers


def connect(url: str, timeout_seconds: float, **options: Any) -> SingleConnection:
    """Return a connection to Redis at a URL; no command is sent yet."""
    return SingleConnection(redis.Redis.from_url(url, **client_options(timeout_seconds), **options))


def connect_sentinel(
    nodes: Sequence[Address],
    master: str,
    timeout_seconds: float,
    sentinel_options: dict[str, Any],
    **options: Any,
) -> SingleConnection:
    """Return a connection to the master that the Sentinels at ``nodes`` name at every connect.

    A master that was replaced refuses writes or closes its connections: the next connection goes to its
    successor.
    """
    common = client_options(timeout_seconds)
    sentinel = Sentinel(list(nodes), sentinel_kwargs=common | sentinel_options)  # type: ignore[no-untyped-call]
    client: redis.Redis = sentinel.master_for(master, **common, **options)  # type: ignore[no-untyped-call]
    return SingleConnection(client, sentinel)
