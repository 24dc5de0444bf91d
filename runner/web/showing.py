"""Showing: records as the API answers them, the same fields as in lists."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from runner.actions.answers import draft_of
from runner.actions.get_task import comments_of, notes_of
from runner.envelope.plain import decode
from runner.projection.folding import FoldSettings, folded_record
from runner.tasks.keys import domain_of_definition
from runner.tasks.parts import DefinitionVersion, HistoryEntry, version_part
from runner.tasks.record import Record, read_part
from runner.tasks.timeline import left_out, timeline


def version_of(record: Record) -> str:
    """Return the version of a task, as ``ifVersion`` takes it."""
    return f"{record.revision};{record.state.source}"


def task_detail(record: Record, settings: FoldSettings) -> dict[str, Any]:
    """Return all of a task that was read whole, but its comments and history; as lists have it, and more."""
    return {
        **(folded_record(record, settings).row or {}),
        "data": record.data(record.starting_event()),
        "draft": draft_of(record),
        "notes": notes_of(record),
    }


def comments(record: Record) -> dict[str, Any]:
    """Return the comments of a task that was read whole."""
    return {"comments": comments_of(record)}


def history(record: Record) -> dict[str, Any]:
    """Return the history of a task that was read whole."""
    return {"history": [_entry(each) for each in timeline(record)], "leftOut": left_out(record)}


def definition(record: Record, number: int | None = None) -> dict[str, Any] | None:
    """Return a version of a definition that was read with it, by default the newest, or None."""
    newest = newest_of(record)
    version = read_part(record, version_part(newest if number is None else number), DefinitionVersion)
    if version is None:
        return None
    fields: Any = decode(version.definition)
    return {
        "domain": domain_of_definition(record.key),
        "taskSpec": record.key.id,
        "version": version.number,
        "newest": newest,
        "definedOn": version.at,
        "by": version.by,
        **fields,
    }


def newest_of(record: Record) -> int:
    """Return the number of the newest version of a definition."""
    return 0 if record.life is None else record.life.versions - 1


def _entry(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "event": entry.event,
        "actor": entry.actor,
        "source": entry.source,
        "from": entry.was,
        "to": entry.now,
        "data": None if entry.data is UNSET else msgspec.Raw(bytes(entry.data)),
    }
