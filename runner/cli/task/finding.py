"""One task by its id."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli.records import known_domains
from runner.cli.screen import plain
from runner.config import Config
from runner.errors import FatalError
from runner.store.redis_store import RedisStore
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record

TaskId = Annotated[str, typer.Argument(metavar="ID", help="Id of the task, as replies give it.")]
DomainName = Annotated[
    str | None, typer.Option("--domain", help="Domain of the task.", show_default="the one that has it")
]


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
