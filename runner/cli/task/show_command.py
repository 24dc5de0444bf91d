"""``runner task show``: a task as it stands in Redis, for people and for programs. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from rich.text import Text

from runner.actions.get_task import notes_of
from runner.actions.task_result import status_of
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.records import open_records
from runner.cli.screen import plain, print_json, show_fields
from runner.cli.task.changes import change_of, hook_words, reason_words
from runner.cli.task.finding import DomainName, TaskId, find_task
from runner.cli.times import from_now, moment
from runner.envelope.plain import encode
from runner.errors import EventError
from runner.tasks.hooks import hooks_to_come
from runner.tasks.parts import (
    DEFAULT_PRIORITY,
    DRAFT,
    Comment,
    Ending,
    SavedDraft,
    Status,
    TaskDetails,
    comment_part,
)
from runner.tasks.record import Record, read_part
from runner.tasks.timeline import left_out, timeline

LONGEST_PAYLOAD: Final = 400
"""Characters of the payload, and of a draft, that are shown; --json gives all of it."""

LONGEST_COMMENT: Final = 400
"""Characters of a comment that are shown, of notes, and of who wrote them."""

STYLES: Final = {
    Status.OPEN: "bold cyan",
    Status.PROCEEDED: "bold green",
    Status.TIMED_OUT: "bold yellow",
    Status.CANCELLED: "bold red",
}


def show(
    task_id: TaskId,
    domain: DomainName = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a task: state, dates, hooks to come, who may finish it, how it began and ended, draft, history.

    Reads Redis and nothing else. Records of finished tasks are kept for the
    retention of their domain.

    [bold]Examples[/bold]

      runner task show req-1:approve-3
      runner task show req-1:approve-3 --domain orders --json
    """
    settings = read_config(config)
    with open_records(settings) as (store, _):
        record, now_ms = find_task(store, settings, task_id, domain), store.load(0, []).now_ms
    if as_json:
        print_json(described(record))
        return
    show_fields(record_lines(record, now_ms))


def record_lines(record: Record, now_ms: int) -> Iterator[tuple[str, str | Text]]:
    """Give label and value of every line that is shown; ``now_ms`` is the time of Redis."""
    state = record.state
    yield "task", record.key.id
    yield "domain", record.key.domain
    yield "state", state_text(record)
    yield "home", f"partition {state.home}"
    yield "started", f"{moment(state.created_ms)}, {from_now(state.created_ms, now_ms)}, by {state.source}"
    yield "deadline", _deadline(record, now_ms)
    yield from _detail_lines(record.details, now_ms)
    if record.life is not None and record.life.level:
        yield "level", str(record.life.level)
    yield from _hook_lines(record, now_ms)
    ownership = record.ownership
    not_named = "-" if ownership.user or ownership.roles else "anyone"
    if ownership.is_firm:
        yield "owner", ownership.owner or ""
    yield "user", ownership.user or not_named
    yield "roles", ", ".join(ownership.roles) or not_named
    yield from _start_lines(record)
    if state.closing is not None:
        yield from _closing_lines(state.closing, now_ms)
    yield from _draft_lines(record)
    yield from _comment_lines(record)
    yield from _history_lines(record)


def state_text(record: Record) -> Text:
    """Return the state of a task; of an open one, whether somebody has it."""
    status = record.state.status
    return Text(status_of(record) if record.is_open else status.value, style=STYLES[status])


def _hook_lines(record: Record, now_ms: int) -> Iterator[tuple[str, str]]:
    """Give a line for each hook that is to come as things stand, the next one first."""
    for moment_ms, hook in hooks_to_come(record):
        late = ", overdue" if moment_ms < now_ms else ""
        when = f"{moment(moment_ms)}, {from_now(moment_ms, now_ms)}{late}"
        yield "to come", f"{when}: {hook_words(record, hook)}"


def _deadline(record: Record, now_ms: int) -> str:
    deadline_ms = record.deadline_ms
    if deadline_ms is None:
        return "never"
    if not record.is_open:
        return moment(deadline_ms)
    late = ", overdue" if deadline_ms < now_ms else ""
    return f"{moment(deadline_ms)}, {from_now(deadline_ms, now_ms)}{late}"


def _detail_lines(details: TaskDetails, now_ms: int) -> Iterator[tuple[str, str]]:
    """Give a line for each that is not as usual."""
    for label, at_ms in (("due", details.due_on), ("follow-up", details.follow_up_on)):
        if at_ms is not None:
            yield label, f"{moment(at_ms)}, {from_now(at_ms, now_ms)}"
    if details.priority != DEFAULT_PRIORITY:
        yield "priority", str(details.priority)


def _start_lines(record: Record) -> Iterator[tuple[str, str]]:
    start = record.start
    version = "" if start.spec_version is None else f", version {start.spec_version}"
    spec = None if start.spec is None else f"{start.spec}{version}"
    for label, value in (("name", start.name), ("spec", spec), ("action", start.action)):
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
    yield "payload", _json(encode(payload))


def _closing_lines(closing: Ending, now_ms: int) -> Iterator[tuple[str, str]]:
    yield "ended", f"{moment(closing.at_ms)}, {from_now(closing.at_ms, now_ms)}, by {closing.source}"
    yield "kept until", moment(closing.remove_at_ms)
    if closing.outcome is not None:
        yield "outcome", plain(closing.outcome, LONGEST_COMMENT)
    if closing.by is not None:
        other = "" if closing.on_behalf_of is None else f", on behalf of {closing.on_behalf_of}"
        yield "by", plain(f"{closing.by}{other}", LONGEST_COMMENT)
    if closing.reason is not None:
        yield "reason", plain(reason_words(closing.reason, closing.by))


def _draft_lines(record: Record) -> Iterator[tuple[str, str]]:
    draft = read_part(record, DRAFT, SavedDraft)
    if draft is not None:
        yield "draft", _json(bytes(draft.data))
    notes = notes_of(record)
    if notes is not None:
        yield "notes", plain(notes, LONGEST_COMMENT)


def _json(encoded: bytes) -> str:
    """Return JSON as one line, cut to what is shown, and its size."""
    return f"{plain(encoded.decode(), LONGEST_PAYLOAD)} ({len(encoded)} bytes)"


def _comment_lines(record: Record) -> Iterator[tuple[str, str]]:
    for number in range(1, 1 + (0 if record.life is None else record.life.comments)):
        comment = read_part(record, comment_part(number), Comment)
        if comment is not None:
            text = "deleted" if comment.text is None else plain(comment.text, LONGEST_COMMENT)
            yield f"comment {number}", f"{plain(comment.by, LONGEST_COMMENT)}, {moment(comment.at)}: {text}"


def _history_lines(record: Record) -> Iterator[tuple[str, str]]:
    """Give a line for each change of a task that people have worked on; a plain one says all above."""
    if record.life is None:
        return
    for entry in timeline(record):
        by = "" if entry.actor is None else f" by {plain(entry.actor, LONGEST_COMMENT)}"
        yield "history", f"{moment(entry.at)}: {entry.event}{by}, {change_of(entry)}"
    if left_out(record):
        yield "history", f"{left_out(record)} changes in the middle are not kept"


def described(record: Record) -> dict[str, Any]:
    """Return the record as ``schemas/record.schema.json`` has it, with its name and revision."""
    parts = {name: msgspec.Raw(part) for name, part in record.all_parts.items()}
    return {
        "domain": record.key.domain,
        "id": record.key.id,
        "revision": record.revision,
        "state": record.state,
        "start": record.start,
        **parts,
    }
