"""An EventLog in memory that does what a test tells it: topics, a group's offsets, and faults by name.

It refuses what Kafka would refuse, too: a transaction begun twice, a message outside of one. Whatever is
asked of it is written down in ``calls``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from copy import copy

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers
from runner.clock import ManualTicker
from runner.errors import LogUnavailable
from runner.kafka.message import AssignmentListener, Message
from tests.unit.worker.faults import Faults

REQUESTS = "requests"


class ScriptedLog:
    """The log of one worker. Waiting costs no time: the clock is moved instead."""

    listener: AssignmentListener

    def __init__(
        self,
        ticker: ManualTicker,
        faults: Faults,
        homes: int = 4,
        *,
        transactions: bool = True,
        topic: str = REQUESTS,
    ) -> None:
        """``topic`` is the one that is read: what is sent there comes back."""
        self._topic = topic
        self._ticker = ticker
        self._faults = faults
        self._transactions = transactions
        self.requests: dict[int, list[Message]] = {home: [] for home in range(homes)}
        self.sent: list[OutgoingMessage] = []
        """What readers see, in the order of its commit."""
        self.offsets: dict[int, int] = {}
        """What the group has committed."""
        self.calls: list[str] = []
        self.paused: set[int] = set()
        self.reading: dict[int, int] = {}
        """Next offset to give, by partition that is read."""
        self.refused: bytes | None = None
        """Messages that hold these bytes are refused, as those that are too large would be."""
        self.owned: set[int] = set()
        self.rebalances: list[tuple[str, tuple[int, ...]]] = []
        self._open: list[OutgoingMessage] | None = None
        self._pending: dict[int, int] = {}
        self._unflushed: list[OutgoingMessage] = []

    # -- what a test does to it ------------------------------------------------------------------

    def append(
        self, value: bytes | None, home: int = 0, *, key: bytes | None = b"key", headers: Headers = ()
    ) -> int:
        """Put a message on the requests topic; return its offset."""
        log = self.requests[home]
        offset = log[-1].offset + 1 if log else 0
        log.append(Message(home, offset, key, value, headers, timestamp_ms=round(self._ticker() * 1000)))
        return offset

    def assign(self, *homes: int) -> None:
        """Have the next poll assign partitions."""
        self.rebalances.append(("assign", homes))

    def revoke(self, *homes: int) -> None:
        """Have the next poll revoke partitions."""
        self.rebalances.append(("revoke", homes))

    # -- the consumer ----------------------------------------------------------------------------

    @property
    def writer(self) -> ScriptedLog:
        """The writing side: one model is both."""
        return self

    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        self._called("poll")
        self._rebalance()
        found: list[Message] = []
        for home in sorted(self.reading):
            if home not in self.paused:
                found += self._fetched(home, max_messages - len(found))
        if not found:
            self._ticker.advance(timeout_seconds)
        return found

    def read_from(self, positions: Mapping[int, int]) -> dict[int, int]:
        self._called("read_from")
        began = {home: max(offset, 0) for home, offset in positions.items()}
        self.reading.update(began)
        return began

    def rewind(self, positions: Mapping[int, int]) -> None:
        self._called("rewind")
        self.reading.update({home: offset for home, offset in positions.items() if home in self.reading})

    def pause(self, partitions: Collection[int]) -> None:
        self._called("pause")
        self.paused.update(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self._called("resume")
        self.paused.difference_update(partitions)

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        self._called("committed")
        return {home: self.offsets.get(home) for home in partitions}

    def group_metadata(self) -> str:
        return "member-1"

    # -- the producer ----------------------------------------------------------------------------

    def begin(self) -> None:
        self._called("begin")
        assert self._open is None, "a transaction is open already"
        self._open, self._pending = [], {}

    def produce(self, outgoing: OutgoingMessage) -> None:
        self._called("produce")
        if self.refused is not None and self.refused in (outgoing.value or b""):
            raise LogUnavailable("the message is too large", refused=True)
        if self._transactions:
            assert self._open is not None, "produced outside a transaction"
            self._open.append(outgoing)
        else:
            self._unflushed.append(outgoing)

    def send_offsets(self, offsets: Mapping[int, int], group_metadata: str) -> None:
        self._called("send_offsets")
        assert group_metadata == "member-1"
        self._pending = dict(offsets)

    def commit(self) -> None:
        self._called("commit")
        assert self._open is not None, "committed without a transaction"
        self._publish(self._open)
        self.offsets.update(self._pending)
        self._open = None

    def abort(self) -> None:
        self._called("abort")
        assert self._open is not None, "aborted without a transaction"
        self._open = None

    def flush(self) -> None:
        self._called("flush")
        self._publish(self._unflushed)
        self._unflushed = []

    def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        self._called("commit_offsets")
        assert not self._unflushed, "offsets committed before what they answer was acknowledged"
        self.offsets.update(offsets)

    # -- inside ----------------------------------------------------------------------------------

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self._faults.strike(f"log.{name}")

    def _rebalance(self) -> None:
        rebalances, self.rebalances = self.rebalances, []
        for kind, homes in rebalances:
            if kind == "assign":
                self.owned.update(homes)
                self.listener.assigned(homes)
                continue
            self.owned.difference_update(homes)
            for home in homes:
                self.reading.pop(home, None)
                self.paused.discard(home)
            self.listener.revoked(homes)

    def _fetched(self, home: int, room: int) -> list[Message]:
        found = [message for message in self.requests[home] if message.offset >= self.reading[home]][
            : max(0, room)
        ]
        if found:
            self.reading[home] = found[-1].offset + 1
        # Read again, a message is another object, as it is of the client.
        return [copy(message) for message in found]

    def _publish(self, messages: Iterable[OutgoingMessage]) -> None:
        for outgoing in messages:
            self.sent.append(outgoing)
            if outgoing.stream == self._topic:
                assert outgoing.partition is not None, "an event was sent to no home"
                self.append(outgoing.value, outgoing.partition, key=outgoing.key, headers=outgoing.headers)


def by_topic(messages: Iterable[OutgoingMessage]) -> dict[str, list[OutgoingMessage]]:
    """Return what was sent, by topic."""
    found: dict[str, list[OutgoingMessage]] = defaultdict(list)
    for outgoing in messages:
        found[outgoing.stream].append(outgoing)
    return found
