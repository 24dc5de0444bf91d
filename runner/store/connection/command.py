"""Commands of the store, and the Protocol of a connection that sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias


class Command(NamedTuple):
    """Command with one of its keys; all keys of a command lie in one slot, which decides the server."""

    arguments: tuple[Any, ...]
    key: str


OnWait: TypeAlias = Callable[[], object]
"""Work of the caller while Redis works, once a call. It must not raise, nor call Redis."""


def idle() -> None:
    """Do no work while Redis works."""


class Connection(Protocol):
    """Connection to Redis in any topology.

    Both methods raise StoreUnavailable where an answer is missing: the command may have taken effect, and
    is not sent again. An error of Redis is an answer (``redis.ResponseError``), except for a redirection:
    the command had no effect, and is sent to the node that the redirection names.
    """

    def run(self, commands: Iterable[Command], on_wait: OnWait = idle) -> list[Any]:
        """Send the commands in one round trip; return their answers in the same order.

        ``commands`` may be a generator. If the generator raises, the commands before may have been sent.
        """

    def run_on_masters(self, arguments: tuple[Any, ...]) -> list[Any]:
        """Send one command without keys to every master; return the answers."""

    def close(self) -> None: ...
