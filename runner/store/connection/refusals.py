"""What went wrong between the store and Redis, in words: an outage, or a refusal that a person must mend."""

from __future__ import annotations

import re
import ssl
from typing import Final, NamedTuple

import redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    TryAgainError,
)
from redis.sentinel import MasterNotFoundError

from runner.errors import StoreRefused, StoreUnavailable, chain, clause

# A script that gives a command its user may not: Redis 7.0, later ones, and Valkey.
_DENIED_IN_SCRIPT: Final = re.compile(r"ACL failure in script|can't run this command", re.IGNORECASE)
# How the client's package names a Sentinel that gave no answer; its address is enough.
_SENTINEL: Final = re.compile(r"<redis\.client\.Redis\(.*?host=([^,]+),port=(\d+).*?\)>\)>\)> - ")
_AS_WANTED: Final = "docs/operations.md (Redis) says what the server must be"
_NO_CLUSTER: Final = "cluster support disabled"
_PASSING: Final = (redis.ReadOnlyError, ClusterDownError, TryAgainError, NoScriptError, OutOfMemoryError)
_PASSING_WORDS: Final = ("BUSY ", "MISCONF ", "NOREPLICAS ")
"""How refusals begin that are over once the server is as it should be; a command that is wrong stays so."""


def unavailable(error: Exception) -> StoreUnavailable:
    """Return the error to raise for an answer that is missing or a refusal."""
    text = _SENTINEL.sub(r"\1:\2 ", clause(str(error)))
    remedy = _remedy(error, text)
    if remedy is not None:
        return StoreRefused(f"{remedy.what}: {text}; {remedy.way_out}")
    if isinstance(error, redis.ResponseError):
        passes = isinstance(error, _PASSING) or text.startswith(_PASSING_WORDS)
        message = f"Redis refused a command: {text}"
        return StoreUnavailable(message) if passes else StoreRefused(f"{message}; {_AS_WANTED}")
    return StoreUnavailable(f"Redis does not answer: {text}")


class _Remedy(NamedTuple):
    """What is refused, and what a person can do about it."""

    what: str
    way_out: str


_SENTINEL_LOGIN: Final = _Remedy(
    "a Sentinel refuses the user or the password", "check redis.sentinel.username and redis.sentinel.password"
)
_LOGIN: Final = _Remedy("Redis refuses the user or the password", "check redis.username and redis.password")
_DENIED: Final = _Remedy(
    "Redis denies a command", "allow the user what docs/operations.md lists (Redis, ACL)"
)
_CLUSTER: Final = _Remedy("Redis is a Cluster, and names another node", "set redis.topology to cluster")
_SINGLE: Final = _Remedy("Redis is no Cluster", "set redis.topology to standalone or sentinel")
_CERTIFICATE: Final = _Remedy("TLS with Redis fails", "check redis.tls, and the certificate of the server")


def _remedy(error: Exception, text: str) -> _Remedy | None:
    """Return what to say of a refusal that stays until somebody mends it; None of any other."""
    causes = list(chain(error))
    cases = (
        (
            isinstance(error, MasterNotFoundError) and redis.AuthenticationError.__name__ in text,
            _SENTINEL_LOGIN,
        ),
        (any(isinstance(each, redis.AuthenticationError) for each in causes), _LOGIN),
        (isinstance(error, NoPermissionError) or _DENIED_IN_SCRIPT.search(text) is not None, _DENIED),
        (isinstance(error, AskError), _CLUSTER),
        (_NO_CLUSTER in text, _SINGLE),
        (any(_is_lasting(each) for each in causes), _CERTIFICATE),
    )
    return next((remedy for applies, remedy in cases if applies), None)


def _is_lasting(error: BaseException) -> bool:
    """Whether TLS itself is refused; a connection that ends meanwhile is one to a server that is away."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
