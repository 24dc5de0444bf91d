"""Where the tasks of a configuration are kept, and one task by its id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from runner.cli.screen import plain
from runner.cli.wiring.store import connect_store, describe_unreachable
from runner.config import Config
from runner.errors import FatalError, StoreMismatch, StoreUnavailable
from runner.store.calls import KeySpace
from runner.store.redis_store import RedisStore
from runner.tasks.record import Record, TaskKey

TaskId = Annotated[str, typer.Argument(metavar="ID", help="Id of the task, as replies give it.")]
DomainName = Annotated[
    str | None, typer.Option("--domain", help="Domain of the task.", show_default="the one that has it")
]


@contextmanager
def open_tasks(config: Config) -> Iterator[tuple[RedisStore, KeySpace]]:
    """Give the store and what it says of itself, for the length of the block.

    Raises FatalError if no worker has been there, StoreMismatch if it is laid out in another way
    than the configuration says: then tasks that are there would not be found.
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


def find_task(store: RedisStore, config: Config, task_id: str, domain: str | None) -> Record:
    """Return the whole record of a task in a domain, or in the one that has it; FatalError otherwise."""
    domains = known_domains(config, None if domain is None else [domain])
    keys = [TaskKey(name, task_id) for name in domains]
    records = [record for record in store.whole_records(keys) if record is not None]
    if not records:
        raise FatalError(
            f"there is no task {plain(task_id, 200)} in domain {', '.join(domains)}; check the id (replies "
            'have it in their header task-id, "runner task list" shows all), and that its retention has '
            "not passed"
        )
    if len(records) > 1:
        named = " and ".join(record.key.domain for record in records)
        raise FatalError(f"there is a task {plain(task_id, 200)} in {named}; name one with --domain")
    return records[0]


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
    """StoreMismatch where tasks lie elsewhere than this configuration would look for them."""
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
