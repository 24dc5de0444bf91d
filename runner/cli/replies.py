"""Waits for the replies to events that were sent: as many for a request id as events had it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from runner.actions.inputs import stream_of
from runner.actions.policy import Policy
from runner.actions.registry import is_addressed
from runner.cli.screen import plain
from runner.client.event_lines import EventLine
from runner.clock import Ticker, monotonic_seconds
from runner.errors import EventError, FatalError
from runner.kafka.topic_message import REPLY, Sightings, TopicMessage

LONGEST_LIST: Final = 5
_POLL_SECONDS: Final = 0.5


class Replies:
    """The replies that are still missing. Events for another runner are not answered, nor waited for."""

    def __init__(
        self,
        lines: Iterable[EventLine],
        policy: Policy,
        reader: Sightings,
        ticker: Ticker = monotonic_seconds,
    ) -> None:
        """``reader`` must have been entered before the events are sent."""
        addressed = [line for line in lines if is_addressed(line.event, policy)]
        self._missing = Counter(line.event.request_id for line in addressed)
        self._reader = reader
        self._ticker = ticker

    @property
    def missing(self) -> int:
        """How many are still to come."""
        return self._missing.total()

    def each(self, timeout_seconds: float) -> Iterator[TopicMessage]:
        """Give each reply as it comes, until all have; FatalError if some are missing after so long."""
        deadline_seconds = self._ticker() + timeout_seconds
        while self._missing and self._ticker() < deadline_seconds:
            seen = self._reader.next(min(_POLL_SECONDS, max(0.0, deadline_seconds - self._ticker())))
            if seen is not None and self._is_awaited(seen):
                self._missing -= Counter([seen.key])
                yield seen
        if self._missing:
            raise FatalError(self._lack(timeout_seconds))

    def _is_awaited(self, seen: TopicMessage) -> bool:
        return seen.kind == REPLY and seen.key in self._missing

    def _lack(self, timeout_seconds: float) -> str:
        named = ", ".join(plain(key, 60) for key in list(self._missing)[:LONGEST_LIST])
        more = ", …" if len(self._missing) > LONGEST_LIST else ""
        return (
            f"{self._missing.total()} replies did not come within {timeout_seconds:g} s (for {named}{more}); "
            "is a worker running? The events stay in the log, and its replies will still come"
        )


def reply_topics(lines: Iterable[EventLine], policy: Policy) -> set[str]:
    """Return the topics on which these events may be answered."""
    topics = {policy.responses}
    for line in lines:
        try:
            topics.add(stream_of(line.event, policy))
        except EventError:
            continue  # refused on ``responses``
    return topics
