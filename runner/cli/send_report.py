"""What ``runner send`` says: every event where they are few or the reader is a program, else the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from runner.cli.progress import progress
from runner.cli.replies import Replies
from runner.cli.responses_table import FAIL, ResponsesTable
from runner.cli.screen import Column, Rows, plain, print_json, say, stderr, stdout
from runner.cli.sending import NOT_SENT, Sending
from runner.errors import FatalError
from runner.kafka.topic_message import TopicMessage, described

MANY: Final = 100
"""Events that fill a terminal: of more, only what went wrong is shown there."""

LONGEST_LIST: Final = 20

_COLUMNS: Final = (
    Column("line", 5, align_right=True),
    Column("key", 24),
    Column("action", 14),
    Column("partition", 9, align_right=True),
    Column("offset", 8, align_right=True),
    Column("sent to", 20),
)


class SendReport:
    """Tells of events and replies, as rows, as JSON lines, or in short."""

    def __init__(self, count: int, *, as_json: bool) -> None:
        self._as_json = as_json
        self._is_brief = not as_json and stdout().is_terminal and count > MANY
        self._replies: Counter[str] = Counter()

    def events(self, events: Sequence[Sending]) -> None:
        """Print what became of each event, or would."""
        shown = [event for event in events if event.refusal] if self._is_brief else events
        if self._as_json:
            for event in events:
                print_json(_described(event))
            return
        rows = Rows(stdout(), _COLUMNS)
        if shown:
            rows.head()
        for event in shown[:LONGEST_LIST] if self._is_brief else shown:
            rows.row(*_cells(event))

    def await_replies(self, replies: Replies, timeout_seconds: float) -> None:
        """Print the replies as they come; FatalError if some are missing, or say FAIL."""
        if not replies.missing:
            say(
                stderr(), "note: none of the events is addressed to this runner; no reply will come", "yellow"
            )
            return
        show = self._brief if self._is_brief else self._json if self._as_json else self._rows
        show(self._counted(replies.each(timeout_seconds)), replies.missing)
        if self._replies[FAIL]:
            raise FatalError(f"{self._replies[FAIL]} of the replies say FAIL; result.error in each says why")

    def summary(self, events: Sequence[Sending], seconds: float) -> None:
        """Say how many were sent, how fast, and what was answered."""
        refused = sum(1 for event in events if event.refusal)
        sent = len(events) - refused
        rate = sent / seconds if seconds > 0 else 0.0
        if self._as_json:
            counts = {"events": len(events), "sent": sent, "refused": refused}
            print_json(
                {"type": "summary", **counts, "seconds": round(seconds, 3), "replies": dict(self._replies)}
            )
            return
        told = f"{sent} of {len(events)} events sent in {seconds:.2f} s ({rate:,.0f} a second)"
        answers = ", ".join(f"{count} {plain(status)}" for status, count in self._replies.most_common())
        say(stderr(), told + (f"; replies: {answers}" if answers else ""), "dim")

    def _counted(self, replies: Iterator[TopicMessage]) -> Iterator[TopicMessage]:
        for seen in replies:
            self._replies[seen.status] += 1
            yield seen

    def _rows(self, replies: Iterator[TopicMessage], _count: int) -> None:
        table = ResponsesTable(stdout())
        table.head()
        for seen in replies:
            table.row(seen)

    def _json(self, replies: Iterator[TopicMessage], _count: int) -> None:
        for seen in replies:
            print_json({"type": "reply", **described(seen)})

    def _brief(self, replies: Iterator[TopicMessage], count: int) -> None:
        """Show how far it is, then those of the replies that say FAIL."""
        failed = []
        try:
            with progress(stderr(), "replies", count) as step:
                for seen in replies:
                    step(1)
                    if seen.status == FAIL:
                        failed.append(seen)
        finally:
            if failed:
                self._rows(iter(failed[:LONGEST_LIST]), len(failed))


def check_sent(events: Sequence[Sending]) -> None:
    """Return if Kafka took all; FatalError names the lines of those it refused."""
    refused = [event.line.number for event in events if event.refusal]
    if refused:
        named = ", ".join(map(str, refused[:LONGEST_LIST])) + (", …" if len(refused) > LONGEST_LIST else "")
        raise FatalError(
            f"{len(refused)} of {len(events)} events were refused by Kafka, the others were sent "
            f"(refused: line {named})"
        )


def say_interrupted(events: Sequence[Sending]) -> None:
    """Say what was sent when somebody pressed Ctrl-C."""
    left = [event.line.number for event in events if event.refusal == NOT_SENT]
    where = f"; the first that was not is in line {left[0]}" if left else ""
    say(
        stderr(), f"interrupted: {len(events) - len(left)} of {len(events)} events were sent{where}", "yellow"
    )


def _cells(event: Sending) -> tuple[str, ...]:
    line, where = event.line, (str(event.partition), str(event.offset))
    return (
        str(line.number),
        line.event.request_id,
        line.event.action,
        *("-" if event.offset < 0 else text for text in where),
        event.refusal or ("its key's partition" if event.home is None else "the home of its task"),
    )


def _described(event: Sending) -> dict[str, Any]:
    is_there = event.offset >= 0
    return {
        "type": "event",
        "line": event.line.number,
        "key": event.line.event.request_id,
        "action": event.line.event.action,
        "partition": event.partition if is_there else event.home,
        "offset": event.offset if is_there else None,
        "home": event.home,
        "error": event.refusal or None,
    }
