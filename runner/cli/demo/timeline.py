"""The timeline of the demo: every message on the topics as it is seen, with the story between them."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from runner.actions.incoming import ORIGIN
from runner.cli.responses_table import FAIL
from runner.cli.screen import Column, Rows, say, status_text
from runner.cli.times import clock_time
from runner.kafka.topic_message import TopicMessage

# Together no wider than the usual terminal.
_COLUMNS: Final = (
    Column("time", 12),
    Column("topic", 9),
    Column("partition", 9, align_right=True),
    Column("key", 14),
    Column("status", 11),
    Column("task id", 15),
)


class Timeline:
    """Prints as it happens; on requests the status is the action, or that an event was forwarded."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows = Rows(console, _COLUMNS)

    def head(self) -> None:
        """Print the titles."""
        self._rows.head()

    def tell(self, text: str) -> None:
        """Print a line of the story."""
        say(self._console, text, "italic")

    def show(self, seen: TopicMessage) -> None:
        """Print one message."""
        self._rows.row(
            clock_time(seen.time_ms),
            seen.topic,
            str(seen.partition),
            seen.key,
            _status(seen),
            seen.task_id,
        )


def _status(seen: TopicMessage) -> Text:
    if seen.status == FAIL:
        return status_text(FAIL, str(seen.error().get("code", "")))
    if seen.status:
        return status_text(seen.status)
    if ORIGIN in seen.headers:
        return status_text("forwarded")
    return status_text(str(seen.section("eventMeta").get("action", "?")))
