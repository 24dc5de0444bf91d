"""``runner task history``: what happened to a task, by whom and when. Changes nothing."""

from __future__ import annotations

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.records import open_records
from runner.cli.screen import Column, Rows, hint, plain, print_json, stdout
from runner.cli.task.changes import LONGEST_CHANGE, change_of
from runner.cli.task.finding import DomainName, TaskId, find_task
from runner.cli.times import moment
from runner.tasks.timeline import left_out, timeline


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
    with open_records(settings) as (store, _):
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
