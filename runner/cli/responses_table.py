"""Responses as rows, and what they say is wrong with answers: the same in every command that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from runner.cli.screen import Column, Rows, plain, say, status_text
from runner.cli.times import clock_time
from runner.kafka.topic_message import TopicMessage

FAIL: Final = "FAIL"
_INDENT: Final = "  "

_COLUMNS: Final = (
    Column("time", 12),
    Column("partition", 9, align_right=True),
    Column("key", 24),
    Column("kind", 6),
    Column("status", 10),
    Column("task id", 24),
)
_VIOLATION_COLUMNS: Final = (Column("field", 20), Column("rule", 16), Column("what is wrong", 40))


class ResponsesTable:
    """Prints a row for each response, and under a FAIL the reason it gives."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows = Rows(console, _COLUMNS)
        self.head = self._rows.head

    def row(self, response: TopicMessage) -> None:
        """Print a response; a FAIL with its code, and its reason on a line of its own."""
        error = response.error() if response.status == FAIL else {}
        self._rows.row(
            clock_time(response.time_ms),
            str(response.partition),
            response.key,
            response.kind,
            status_text(response.status, str(error.get("code", ""))),
            " ".join(filter(None, (response.task_id, _state(response)))),
        )
        if error.get("message"):
            say(self._console, _INDENT + plain(str(error["message"])))


def _state(response: TopicMessage) -> str:
    """Return what a reply to a verb says of the task: its status, and its level of escalation."""
    task = response.section("result").get("task")
    if not isinstance(task, Mapping) or not isinstance(task.get("status"), str):
        return ""
    level = f", level {task['level']}" if task.get("level") else ""
    return f"({task['status']}{level})"


def show_violations(console: Console, violations: Any) -> None:
    """Print a row for each thing that is wrong with answers, as a FAIL gives them; nothing for none."""
    rows = Rows(console, _VIOLATION_COLUMNS)
    for each in violations if isinstance(violations, Sequence) else ():
        if isinstance(each, Mapping):
            rows.row(*(str(each.get(name) or "-") for name in ("pointer", "rule", "message")))
