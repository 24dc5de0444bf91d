"""What went wrong between the store and Redis, in words: an outage, or a refusal that a person must mend."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Final

import redis
from redis.exceptions import AskError

from runner.errors import StoreRefused, StoreUnavailable

# A script that gives a command its user may not: Redis 7.0, later ones, and Valkey.
_DENIED_IN_SCRIPT: Final = re.compile(r"ACL failure in script|can't run this command", re.IGNORECASE)
_NO_CLUSTER: Final = "cluster support disabled"


def unavailable(error: Exception) -> StoreUnavailable:
    """Return the error to raise for an answer that is missing or a refusal."""
    refused = _refused(error)
    if refused is not None:
        return StoreRefused(refused)
    if isinstance(error, redis.ResponseError):
        return StoreUnavailable(f"Redis refused a command: {error}")
    return StoreUnavailable(f"Redis does not answer: {error}")


def _refused(error: Exception) -> str | None:
    """Return what to say of a refusal that stays until somebody mends it."""
    text = str(error)
    if any(isinstance(each, redis.AuthenticationError) for each in _chain(error)):
        return f"Redis refuses the user or the password ({text}); check redis.username and redis.password"
    if isinstance(error, redis.exceptions.NoPermissionError) or _DENIED_IN_SCRIPT.search(text):
        return f"Redis denies a command: {text}; allow the user what docs/operations.md lists (Redis, ACL)"
    if isinstance(error, AskError):
        return f"Redis is a Cluster (it answers {type(error).__name__}); set redis.topology to cluster"
    if _NO_CLUSTER in text:
        return f"Redis is no Cluster ({text}); set redis.topology to standalone or sentinel"
    if any(isinstance(each, ssl.SSLError) for each in _chain(error)):
        return f"TLS with Redis fails: {text}; check redis.tls, and the certificate of the server"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
