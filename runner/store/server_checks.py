"""What the store needs of its servers: their version, that they evict nothing, and its commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redis import ResponseError

from runner.errors import StoreMismatch
from runner.store.answers import text_of
from runner.store.connection.command import Connection

_EVICTION: Final = ("CONFIG GET", "maxmemory-policy")
_NO_EVICTION: Final = "noeviction"
OLDEST_MAJOR: Final = 7
"""Of Redis; every Valkey is later."""
# Every command of the scripts, in a form that changes nothing; then the commands that have no such form and
# are undone.
_REHEARSED: Final[Sequence[tuple[Any, ...]]] = (
    ("EXISTS",),
    ("HGET", "none"),
    ("HMGET", "none"),
    ("HKEYS",),
    ("HDEL", "none"),
    ("DEL",),
    ("ZADD", "XX", 0, "none"),
    ("ZREM", "none"),
    ("ZCOUNT", "-inf", "+inf"),
    ("ZRANGE", 0, 0),
    ("ZSCORE", "none"),
)
_UNDONE: Final[Sequence[tuple[Any, ...]]] = (("HSET", "a", "b"), ("DEL",))
REHEARSALS: Final = (_REHEARSED, _UNDONE)
"""What a ping sends for a key of every shard, in two round trips."""


def check_version(connection: Connection) -> None:
    """Refuse servers older than the scripts need. Every user may send HELLO."""
    for answer in connection.run_on_masters(("HELLO",)):
        if isinstance(answer, Exception):
            continue  # A proxy without HELLO: its operator answers for the version behind it.
        version = _field(answer, b"version")
        major = version.partition(".")[0]
        if major.isdecimal() and int(major) < OLDEST_MAJOR:
            raise StoreMismatch(
                f"Redis is version {version}: {OLDEST_MAJOR}.0 or later is needed (or Valkey); upgrade it"
            )


def check_eviction(connection: Connection) -> None:
    """Refuse servers that may evict tasks when memory runs out."""
    for answer in connection.run_on_masters(_EVICTION):
        if isinstance(answer, ResponseError):
            continue  # A managed service without CONFIG: its operator answers for noeviction.
        policy = _setting(answer)
        if policy != _NO_EVICTION:
            raise StoreMismatch(
                f"Redis evicts keys ({policy}): tasks would be lost; "
                "run CONFIG SET maxmemory-policy noeviction"
            )


def _field(answer: Any, name: bytes) -> str:
    """Return a field of a map (RESP3) or flat list (RESP2); empty where there is none."""
    fields = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=False))
    return text_of(fields.get(name, b""))


def _setting(answer: Any) -> str:
    """Return the value in an answer of CONFIG GET, a map (RESP3) or flat list (RESP2)."""
    values = list(answer.values()) if isinstance(answer, dict) else list(answer[1::2])
    return values[0].decode() if values else _NO_EVICTION
