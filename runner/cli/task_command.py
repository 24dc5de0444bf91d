"""``runner task show``: a task as it stands in Redis, for people and for programs. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.text import Text

from runner.cli.moments import from_now, moment
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import plain, print_json, stdout
from runner.cli.wiring import connect_store
from runner.config import Config
from runner.errors import EventError, FatalError, StoreUnavailable
from runner.store.redis_store import RedisStore
from runner.tasks.record import Closing, Record, Status, TaskKey

LONGEST_PAYLOAD: Final = 400
"""Characters of the payload that are shown; --json gives all of it."""

_LABEL_WIDTH: Final = 12
_STYLES: Final = {Status.OPEN: "bold cyan", Status.PROCEEDED: "bold green", Status.TIMED_OUT: "bold yellow"}


def show(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the task, as replies give it.")],
    domain: Annotated[
        str | None, typer.Option(help="Domain of the task.", show_default="every configured one")
    ] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a task: state, home, deadline, who may finish it, how it began and ended.

    Reads Redis and nothing else. Records of finished tasks are kept for the
    retention of their domain.

    [bold]Examples[/bold]

      runner task show req-1:approve-3
      runner task show req-1:approve-3 --domain orders --json
    """
    settings = read_config(config)
    store = connect_store(settings)
    try:
        record, now_ms = _read(store, settings, task_id, domain)
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error}; check redis.url, or start Redis") from error
    finally:
        store.close()
    if as_json:
        print_json(_described(record))
        return
    for label, value in record_lines(record, now_ms):
        text = value if isinstance(value, Text) else Text(plain(value))
        stdout().print(Text(f"{label:<{_LABEL_WIDTH}}", style="bold") + text, soft_wrap=True)


def record_lines(record: Record, now_ms: int) -> Iterator[tuple[str, str | Text]]:
    """Give label and value of every line that is shown; ``now_ms`` is the time of Redis."""
    state = record.state
    yield "task", record.key.id
    yield "domain", record.key.domain
    yield "state", Text(state.status.value, style=_STYLES[state.status])
    yield "home", f"partition {state.home}"
    yield "started", f"{moment(state.created_ms)}, {from_now(state.created_ms, now_ms)}, by {state.source}"
    yield "deadline", _deadline(record, now_ms)
    not_named = "-" if state.user or state.roles else "anyone"
    yield "user", state.user or not_named
    yield "roles", ", ".join(state.roles) or not_named
    yield from _start_lines(record)
    if state.closing is not None:
        yield from _closing_lines(state.closing, now_ms)


def _read(store: RedisStore, config: Config, task_id: str, domain: str | None) -> tuple[Record, int]:
    """Return the record and the time of Redis; FatalError where there is not exactly one."""
    domains = list(config.domains) if domain is None else [domain]
    found = [store.record(TaskKey(name, task_id)) for name in domains]
    records = [record for record in found if record is not None]
    if not records:
        raise FatalError(_missing(store, config, task_id, domains))
    if len(records) > 1:
        named = " and ".join(record.key.domain for record in records)
        raise FatalError(f"there is a task {plain(task_id, 200)} in {named}; name one with --domain")
    return records[0], store.load(0, []).now_ms


def _missing(store: RedisStore, config: Config, task_id: str, domains: list[str]) -> str:
    where = f"domain {', '.join(domains)}"
    if not store.exists():
        return (
            f"there are no tasks at all under redis.prefix {config.redis.prefix}: no worker has run on this "
            "Redis with it; check redis.url and redis.prefix"
        )
    return (
        f"there is no task {plain(task_id, 200)} in {where}; check the id (replies have it in their header "
        "task-id), and that its retention has not passed"
    )


def _deadline(record: Record, now_ms: int) -> str:
    deadline_ms = record.state.deadline_ms
    if deadline_ms is None:
        return "never"
    if not record.is_open:
        return moment(deadline_ms)
    late = ", overdue" if deadline_ms < now_ms else ""
    return f"{moment(deadline_ms)}, {from_now(deadline_ms, now_ms)}{late}"


def _start_lines(record: Record) -> Iterator[tuple[str, str]]:
    start = record.start
    for label, value in (("name", start.name), ("spec", start.spec), ("action", start.action)):
        if value is not None:
            yield label, value
    event = record.starting_event()
    yield "request", event.request_id
    try:
        yield "saga", f"{event.saga_id or '-'}, step {event.step_id or '-'}"
        payload = event.payload
    except EventError as error:
        yield "payload", error.message
        return
    text = msgspec.json.encode(payload).decode()
    yield "payload", f"{plain(text, LONGEST_PAYLOAD)} ({len(text.encode())} bytes)"


def _closing_lines(closing: Closing, now_ms: int) -> Iterator[tuple[str, str]]:
    yield "ended", f"{moment(closing.at_ms)}, {from_now(closing.at_ms, now_ms)}, by {closing.source}"
    yield "kept until", moment(closing.remove_at_ms)


def _described(record: Record) -> dict[str, Any]:
    """Return the record as ``schemas/record.schema.json`` has it, with its name and revision."""
    return {
        "domain": record.key.domain,
        "id": record.key.id,
        "revision": record.revision,
        "state": record.state,
        "start": record.start,
    }
