"""What the store sends, and what it asks of whoever sends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias


class Command(NamedTuple):
    """A command, and one of its keys: all of them lie in one slot, which says where it goes."""

    arguments: tuple[Any, ...]
    key: str


OnWait: TypeAlias = Callable[[], object]
"""What the caller does while Redis works, once a call. It must not raise, nor ask Redis."""


def idle() -> None:
    """Wait."""


class Connection(Protocol):
    """Redis, whatever its topology.

    Both methods raise StoreUnavailable where an answer is missing: what was asked may have happened
    then, and is not asked again. A refusal is an answer (``redis.ResponseError``), but for a refusal
    that says who to ask instead: that was not done, and is followed.
    """

    def run(self, commands: Iterable[Command], on_wait: OnWait = idle) -> list[Any]:
        """Send the commands in one round trip; return their answers in the same order.

        They may be made as they are sent. If making one raises, those before it may have been sent.
        """
        ...

    def run_on_masters(self, arguments: tuple[Any, ...]) -> list[Any]:
        """Send one command without keys to every master; return the answers."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
