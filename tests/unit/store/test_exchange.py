"""Commands are sent as they are made, and nothing is left of those that fail half way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from runner.actions.decision import Done
from runner.store.calls import HomeCall, ShardCall, Verdict
from runner.store.connection.exchange import Exchange
from runner.store.connection.single import SingleConnection
from runner.store.redis_store import RedisStore

LARGE = b"x" * 20_000
SMALL = b"y"


class Link:
    """A connection, its pool and its client in one; says what happens to it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answer = b"OK"
        self.connection_pool = self

    def get_connection(self) -> Link:
        return self

    def pack_command(self, *arguments: Any) -> list[bytes]:
        return [part if isinstance(part, bytes) else str(part).encode() for part in arguments]

    def send_packed_command(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.said.append(f"sent {len(piece)}")

    def read_response(self) -> bytes:
        return self.answer

    def disconnect(self) -> None:
        self.said.append("disconnected")

    def release(self, connection: Link) -> None:
        assert connection is self
        self.said.append("released")

    def made(self, *commands: bytes) -> Iterator[tuple[Any, ...]]:
        for number, command in enumerate(commands):
            self.said.append(f"made {number}")
            yield (command,)


def _exchange(link: Link, commands: Iterable[tuple[Any, ...]]) -> Exchange:
    return Exchange(link, commands)  # type: ignore[arg-type]


def test_the_first_command_is_sent_before_the_next_is_made() -> None:
    link = Link()
    under_way = _exchange(link, link.made(LARGE, LARGE))
    assert under_way.answers() == [b"OK", b"OK"]
    assert link.said == ["made 0", "sent 20000", "made 1", "sent 20000", "released"]


def test_small_commands_go_together() -> None:
    link = Link()
    assert _exchange(link, link.made(SMALL, SMALL, SMALL)).answers() == [b"OK"] * 3
    assert link.said == ["made 0", "made 1", "made 2", "sent 3", "released"]


def test_where_making_one_fails_the_answers_to_those_before_it_are_given_up() -> None:
    link = Link()

    def commands() -> Iterator[tuple[Any, ...]]:
        yield from link.made(LARGE)
        raise ValueError("no command")

    with pytest.raises(ValueError, match="no command"):
        _exchange(link, commands())
    assert link.said == ["made 0", "sent 20000", "disconnected", "released"]


def test_the_store_makes_a_call_while_the_one_before_it_is_under_way() -> None:
    link = Link()
    link.answer = b"APPLIED"

    class Homes(tuple[HomeCall, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[HomeCall]:
            link.said.append("packed")
            return super().__iter__()

    kept = tuple((offset, Done(offset)) for offset in range(2000))
    calls = [ShardCall(shard, 1, Homes((HomeCall(0, 0, kept),)), ()) for shard in (0, 1)]
    store = RedisStore(SingleConnection(link))  # type: ignore[arg-type]
    assert store.apply(calls) == [Verdict.APPLIED, Verdict.APPLIED]
    assert [said.split()[0] for said in link.said] == ["packed", "sent", "packed", "sent", "released"]
