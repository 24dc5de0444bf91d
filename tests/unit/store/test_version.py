"""Which servers are taken: those that the scripts are written for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest
import redis

from runner.errors import StoreMismatch
from runner.store.calls import Ownership
from runner.store.connection.command import Command, OnWait, idle
from runner.store.redis_store import RedisStore

OURS: Final = Ownership("cluster", "requests", "id", "group", 3)


class Nodes:
    """A connection to masters that say these versions; it takes every command."""

    def __init__(self, *hellos: Any) -> None:
        self._hellos = hellos
        self.opened = False

    def run(self, commands: Iterable[Command], on_wait: OnWait = idle) -> list[Any]:
        on_wait()
        given = list(commands)
        self.opened |= any(command.arguments[0].startswith("EVAL") for command in given)
        return [[b"OPENED", 1, 1, 0]] * len(given)

    def run_on_masters(self, arguments: tuple[Any, ...]) -> list[Any]:
        if arguments == ("HELLO",):
            return list(self._hellos)
        return [[b"maxmemory-policy", b"noeviction"]]

    def close(self) -> None:
        """Nothing is open."""


def flat(version: str, server: str = "redis") -> list[Any]:
    return [b"server", server.encode(), b"version", version.encode(), b"proto", 2, b"modules", []]


def mapped(version: str) -> dict[bytes, Any]:
    return {b"server": b"redis", b"version": version.encode(), b"proto": 3}


@pytest.mark.parametrize("old", [flat("6.2.14"), mapped("6.0.20"), flat("5.0.7")], ids=repr)
def test_an_older_server_is_refused_with_its_version_before_anything_is_written(old: Any) -> None:
    told = old if isinstance(old, dict) else dict(zip(old[::2], old[1::2], strict=True))
    version = told[b"version"].decode()
    nodes = Nodes(flat("7.2.4"), old)
    with pytest.raises(StoreMismatch, match=rf"Redis is version {version}: 7\.0 or later is needed"):
        RedisStore(nodes).open(OURS)
    assert not nodes.opened


@pytest.mark.parametrize(
    "hello",
    [
        flat("7.0.15"),
        mapped("8.2.1"),
        flat("9.0.0", "valkey"),
        flat("unstable"),
        redis.ResponseError("unknown command"),
        [],
    ],
    ids=repr,
)
def test_a_later_server_is_taken_and_one_that_does_not_tell(hello: Any) -> None:
    nodes = Nodes(hello)
    assert RedisStore(nodes).open(OURS).incarnation == 1
    assert nodes.opened
