"""The records of a configuration: the store that holds them, and the domains they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runner.cli.screen import plain
from runner.cli.wiring.store import connect_store, describe_unreachable
from runner.config import Config
from runner.errors import FatalError, StoreMismatch, StoreUnavailable
from runner.store.calls import KeySpace
from runner.store.redis_store import RedisStore


@contextmanager
def open_records(config: Config) -> Iterator[tuple[RedisStore, KeySpace]]:
    """Give the store and what it says of itself, for the length of the block.

    Raises FatalError if no worker has been there, StoreMismatch if it is laid out in another way
    than the configuration says: then records that are there would not be found.
    """
    store = connect_store(config)
    try:
        space = store.key_space()
        if space is None:
            raise FatalError(
                f"there are no tasks at all under redis.prefix {config.redis.prefix}: no worker has run on "
                "this Redis with it; check the redis section, redis.prefix above all"
            )
        require_settings(space, config)
        yield store, space
    except StoreUnavailable as error:
        raise StoreUnavailable(describe_unreachable(error, config)) from error
    finally:
        store.close()


def known_domains(config: Config, names: list[str] | None) -> list[str]:
    """Return the domains that are named, or all; FatalError names one that is not configured."""
    known = list(config.domains)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise FatalError(
            f"there is no domain {plain(unknown[0], 200)} in the configuration; it has {', '.join(known)}"
        )
    return names or known


def require_settings(space: KeySpace, config: Config) -> None:
    """StoreMismatch where records lie elsewhere than this configuration would look for them."""
    prefix = config.redis.prefix
    for setting, stored, configured in (
        ("redis.shards", space.shards, config.redis.shards),
        ("topics.requests", space.topic, config.topics.requests),
    ):
        if stored != configured:
            raise StoreMismatch(
                f"the tasks under redis.prefix {prefix} were written with {setting} {stored}, the "
                f"configuration has {configured}, so none would be found; set {setting} to {stored}"
            )
