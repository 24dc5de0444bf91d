"""``runner task history``: what happened to a task, by whom and when. Changes nothing."""

from __future__ import annotations

from typing import Any, Final

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import Column, Rows, hint, plain, print_json, stdout
from runner.cli.task.finding import DomainName, TaskId, find_task, open_tasks
from runner.cli.times import moment
from runner.envelope.plain import encode
from runner.tasks.record import HistoryEntry
from runner.tasks.timeline import left_out, timeline

LONGEST_CHANGE: Final = 200
"""Characters of what was changed that are shown; --json gives all of it."""


def history(
    task_id: TaskId,
    domain: DomainName = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the history of a task: what happened, when, by whom, and whose the task was.

    Reads Redis and nothing else. The first 20 and the newest 180 changes are
    kept beside start and end. With --json each entry is one line: revision, at
    (epoch ms), event, source, actor, data, from, to.

    [bold]Examples[/bold]

      runner task history req-1:approve-3
      runner task history req-1:approve-3 --json
    """
    settings = read_config(config)
    with open_tasks(settings) as (store, _):
        record = find_task(store, settings, task_id, domain)
    rows = Rows(stdout(), (Column("time", 41), Column("event", 15), Column("by", 12), Column("change", 30)))
    for entry in timeline(record):
        if as_json:
            print_json(entry)
        else:
            actor = plain(entry.actor or "-", LONGEST_CHANGE)
            rows.row(moment(entry.at), entry.event, actor, change_of(entry))
    if left_out(record):
        hint(f"{left_out(record)} changes in the middle are not kept")


def change_of(entry: HistoryEntry) -> str:
    """Return what an entry changed, in words: whose the task was and is, or what is said of it."""
    if entry.now is not None:
        before = "" if entry.was is None else f"from {_owner(entry.was)} "
        return plain(f"{before}to {_owner(entry.now)}", LONGEST_CHANGE)
    data = entry.data or {}
    if data.keys() == {"id"}:
        return f"comment {data['id']}"
    text = data["reason"] if data.keys() == {"reason"} else encode(data).decode() if data else "-"
    return plain(text, LONGEST_CHANGE)


def _owner(ownership: dict[str, Any]) -> str:
    user, roles = ownership.get("user"), ownership.get("roles")
    named = filter(None, (user, f"({', '.join(roles)})" if roles else ""))
    return " ".join(named) or "anyone"
