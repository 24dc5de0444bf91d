"""What ``runner send`` says: every event where they are few or the reader is a program, else the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from runner.cli.responses_table import FAIL, ResponsesTable
from runner.cli.screen import Column, Rows, hint, note, plain, print_json, progress, stdout
from runner.errors import FatalError
from runner.exchange.exchange import Replies, Sending
from runner.kafka.sending import NOT_SENT
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
    """Reports events and replies as rows, as JSON lines, or in short."""

    def __init__(self, count: int, *, as_json: bool) -> None:
        self._as_json = as_json
        self._is_brief = not as_json and stdout().is_terminal and count > MANY
        self._replies: Counter[str] = Counter()
        self._table = ResponsesTable(stdout())

    def events(self, events: Sequence[Sending]) -> None:
        """Print what became of each event, or would."""
        if self._as_json:
            for event in events:
                print_json(_described(event))
            return
        if self._is_brief:
            events = [event for event in events if event.receipt.refusal][:LONGEST_LIST]
        rows = Rows(stdout(), _COLUMNS)
        for event in events:
            rows.row(*_cells(event))

    def await_replies(self, replies: Replies, timeout_seconds: float) -> None:
        """Print the replies as they come; FatalError if some are missing, or say FAIL."""
        if not replies.missing:
            note("note: none of the events is addressed to this runner; no reply will come")
            return
        failed = []
        try:
            with progress("replies" if self._is_brief else None, replies.missing) as step:
                for reply in replies.each(timeout_seconds):
                    step(1)
                    self._replies[reply.status] += 1
                    if not self._is_brief:
                        self._reply(reply)
                    elif reply.status == FAIL:
                        failed.append(reply)
        finally:
            for reply in failed[:LONGEST_LIST]:
                self._reply(reply)
        if self._replies[FAIL]:
            raise FatalError(f"{self._replies[FAIL]} of the replies say FAIL; result.error in each says why")

    def summary(self, events: Sequence[Sending], seconds: float) -> None:
        """Print how many were sent, how fast, and what was answered."""
        refused = sum(1 for event in events if event.receipt.refusal)
        sent = len(events) - refused
        if self._as_json:
            counts = {"events": len(events), "sent": sent, "refused": refused}
            print_json(
                {"type": "summary", **counts, "seconds": round(seconds, 3), "replies": dict(self._replies)}
            )
            return
        rate = sent / seconds if seconds > 0 else 0.0
        answers = ", ".join(f"{count} {plain(status)}" for status, count in self._replies.most_common())
        hint(
            f"{sent} of {len(events)} events sent in {seconds:.2f} s ({rate:,.0f} a second)"
            + (f"; replies: {answers}" if answers else "")
        )

    def _reply(self, reply: TopicMessage) -> None:
        if self._as_json:
            print_json({"type": "reply", **described(reply)})
        else:
            self._table.row(reply)


def check_sent(events: Sequence[Sending]) -> None:
    """Return if Kafka took all; FatalError names the lines of those it refused."""
    refused = [event.line.number for event in events if event.receipt.refusal]
    if refused:
        named = ", ".join(map(str, refused[:LONGEST_LIST])) + (", …" if len(refused) > LONGEST_LIST else "")
        raise FatalError(
            f"{len(refused)} of {len(events)} events were refused by Kafka, the others were sent "
            f"(refused: line {named})"
        )


def say_interrupted(events: Sequence[Sending]) -> None:
    """Print what was sent when somebody pressed Ctrl-C."""
    left = [event.line.number for event in events if event.receipt.refusal == NOT_SENT]
    where = f"; the first that was not is in line {left[0]}" if left else ""
    note(f"interrupted: {len(events) - len(left)} of {len(events)} events were sent{where}")


def _cells(event: Sending) -> tuple[str, ...]:
    line, receipt = event.line, event.receipt
    is_there = receipt.offset >= 0
    return (
        str(line.number),
        line.event.request_id,
        line.event.action,
        str(receipt.partition) if is_there else "-",
        str(receipt.offset) if is_there else "-",
        receipt.refusal or ("its key's partition" if event.home is None else "the home of its task"),
    )


def _described(event: Sending) -> dict[str, Any]:
    line, receipt = event.line, event.receipt
    is_there = receipt.offset >= 0
    return {
        "type": "event",
        "line": line.number,
        "key": line.event.request_id,
        "action": line.event.action,
        "partition": receipt.partition if is_there else event.home,
        "offset": receipt.offset if is_there else None,
        "home": event.home,
        "error": receipt.refusal or None,
    }
