"""An event about a task that is there: to its home, and its reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from runner.cli.records import open_records
from runner.cli.screen import plain
from runner.cli.sending import ask_home, show_reply
from runner.cli.task.finding import find_task
from runner.cli.task.show_command import LONGEST_PAYLOAD
from runner.config import Config
from runner.envelope.plain import encode
from runner.errors import FORBIDDEN, OWNED_BY_ANOTHER, TASK_CANCELLED, TASK_PROCEEDED, TASK_TIMED_OUT
from runner.kafka.topic_message import TopicMessage

_ID_PATH: Final = "@.eventMeta.parameters.taskId"

_ENDED: Final = '; "runner task show" says when and by what'
_REMEDIES: Final[Mapping[str, str]] = {
    str(FORBIDDEN): '; name a caller who may with --as and --roles; "runner task show" says who that is',
    str(OWNED_BY_ANOTHER): '; an admin may take it away: "runner task assign ID --to USER --override"',
    str(TASK_PROCEEDED): _ENDED,
    str(TASK_TIMED_OUT): _ENDED,
    str(TASK_CANCELLED): _ENDED,
}


def send_event(
    config: Config, event: dict[str, Any], task_id: str, domain: str | None, seconds: float, *, as_json: bool
) -> None:
    """Find the task, send the event to its home, and show the reply; FatalError where it says FAIL."""
    with open_records(config) as (store, _):
        record = find_task(store, config, task_id, domain)
    event["eventMeta"]["domain"] = record.key.domain
    event["eventMeta"]["parameters"] |= {"taskIdPath": _ID_PATH, "taskId": record.key.id}
    reply = ask_home(config, event, record.state.home, seconds)
    show_reply(reply, _fields(reply), _REMEDIES, as_json=as_json)


def _fields(reply: TopicMessage) -> Iterator[tuple[str, str]]:
    yield "task", reply.task_id
    task = reply.section("payload").get("task")
    if task is not None:
        yield "payload", plain(encode(task).decode(), LONGEST_PAYLOAD)
