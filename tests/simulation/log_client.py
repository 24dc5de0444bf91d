"""The EventLog Protocol of one worker process over the models of broker and group."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from runner.actions.decision import OutgoingMessage
from runner.errors import Fenced, LogUnavailable
from runner.kafka.message import AssignmentListener, Message
from tests.simulation.chaos import Chaos
from tests.simulation.group_model import Group, Membership
from tests.simulation.log_model import Broker, Transaction, TransactionState
from tests.simulation.profile import Profile
from tests.simulation.scheduler import Scheduler

PENDING_WAIT_MS = 50
MARKERS_WAIT_MS = 1000


class Process(Protocol):
    """The process a client is part of: every call of the client is one of its points."""

    name: str

    @property
    def is_awake(self) -> bool:
        """Whether it runs."""
        ...

    def point(self, name: str, ms: int = 0, until: Callable[[], bool] | None = None) -> None:
        """Suspend, for so long or until something is so; the process may not come back from it."""
        ...

    def passing(self, name: str) -> None:
        """Pass a point at which only the process itself may suffer."""
        ...

    def trace(self, *said: object) -> None:
        """Say what happens, if someone listens."""
        ...


class LogClient:
    """One consumer and one producer."""

    def __init__(
        self, scheduler: Scheduler, broker: Broker, group: Group, profile: Profile, chaos: Chaos
    ) -> None:
        self._scheduler = scheduler
        self._broker = broker
        self._group = group
        self._profile = profile
        self._chaos = chaos
        self._process: Process
        self._listener: AssignmentListener
        self._membership = Membership("", -1)
        self._is_member = False
        self._owned: tuple[int, ...] = ()
        self._seen = 0
        """The generation whose callbacks have run."""
        self._read_at: dict[int, int] = {}
        self._paused: set[int] = set()
        self._transaction: Transaction | None = None

    def attach(self, process: Process, listener: AssignmentListener) -> None:
        """Note who polls, and who is told of rebalances."""
        self._process = process
        self._listener = listener
        if self._group.cooperative:
            self._group.joins_again[process.name] = self._join_again

    # -- the consumer ----------------------------------------------------------------------------

    @property
    def writer(self) -> LogClient:
        """The writing side: one model is both."""
        return self

    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return what is there, waiting for the first."""
        wait_ms = int(timeout_seconds * 1000)
        if wait_ms > 0:
            self._process.point("poll", wait_ms, self._has_news)
        else:
            self._process.point("poll")
        self._rebalance()
        return self._fetch(max_messages)

    def _has_news(self) -> bool:
        """Whether a poll has something to do at once: a message, or a rebalance."""
        group, member = self._group, self._group.members.get(self._process.name)
        if member is None or (not group.is_stable and not member.joined):
            return True
        if member.generation != self._seen and (group.is_stable or group.cooperative):
            return True
        requests, paused = self._broker.requests, self._paused
        return any(
            number not in paused and requests[number].stable_end > offset
            for number, offset in self._read_at.items()
        )

    def read_from(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Begin reading."""
        began = {partition: max(offset, 0) for partition, offset in positions.items()}
        self._read_at.update(began)
        return began

    def rewind(self, positions: Mapping[int, int]) -> None:
        """Read on from these offsets."""
        self._read_at.update((p, offset) for p, offset in positions.items() if p in self._read_at)

    def pause(self, partitions: Collection[int]) -> None:
        """Give no more of these."""
        self._paused.update(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        """Give of these again."""
        self._paused.difference_update(partitions)

    def committed(self, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the group's offsets; waits for pending transactions, not for ever."""
        self._process.point("committed")
        asked, waited = set(partitions), 0
        while self._group.is_pending(asked):
            waited += 1
            if waited > 5:
                raise LogUnavailable("offsets are pending in a transaction")
            self._process.point("committed", PENDING_WAIT_MS)
        if self._chaos.log_fault():
            raise LogUnavailable("no answer")
        found = {partition: self._group.offsets.get(partition) for partition in sorted(asked)}
        self._process.trace("committed offsets", found)
        return found

    def homes(self) -> int:
        """Return how many partitions there are."""
        self._process.point("committed")
        if self._chaos.log_fault():
            raise LogUnavailable("no answer")
        return len(self._broker.requests)

    def group_metadata(self) -> Membership:
        """Return the membership as of the last poll; cooperative: as it is known now, without a poll."""
        member = self._group.members.get(self._process.name) if self._group.cooperative else None
        return self._membership if member is None else Membership(member.name, member.generation)

    # -- the producer ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Open a transaction, once the last one has all its markers."""
        self._process.point("begin")
        last = self._transaction
        while last is not None and not last.is_complete:
            self._process.point("begin", MARKERS_WAIT_MS, lambda: last.is_complete)
        if self._chaos.log_fault():
            raise LogUnavailable("no answer")
        transaction = self._broker.begin(self._process.name)
        self._transaction = transaction
        self._scheduler.after(self._profile.transaction_ms, lambda: self._time_out(transaction))

    def produce(self, outgoing: OutgoingMessage) -> None:
        """Send a message."""
        if self._transaction is not None and self._transaction.partitions:
            self._process.passing("produce")
        else:
            self._process.point("produce")
        transaction = self._open()
        if self._chaos.log_fault() and self._chaos.log_fault():
            raise LogUnavailable("the queue is full", refused=self._chaos.some_ms(2) == 1)
        offset = self._broker.append(outgoing, transaction)
        self._process.trace(
            "produce", outgoing.stream, outgoing.partition, offset, dict(outgoing.headers), outgoing.value
        )

    def send_offsets(self, offsets: Mapping[int, int], group_metadata: Membership) -> None:
        """Put offsets into the transaction."""
        self._process.point("send_offsets")
        transaction = self._open()
        if self._chaos.log_fault():
            raise LogUnavailable("no answer")
        taken = self._group.accept(offsets, group_metadata, transaction)
        self._process.trace("send offsets", dict(offsets), "taken" if taken else "refused")
        if not taken:
            raise LogUnavailable("the membership is outdated")

    def commit(self) -> None:
        """Commit, asking until there is an answer."""
        self._process.point("commit")
        transaction = self._open()
        if self._chaos.log_fault():
            if self._chaos.some_ms(2):
                raise LogUnavailable("the commit was refused")
            self._process.point("commit", self._chaos.some_ms(2 * self._profile.transaction_ms))
            transaction = self._open()
        self._process.trace("commit", transaction.offsets)
        self._broker.end(transaction, TransactionState.COMMITTED)
        lost = self._chaos.log_fault()
        self._process.point("commit_answer", self._chaos.some_ms(self._profile.session_ms) if lost else 0)

    def abort(self) -> None:
        """Abort, asking until there is an answer."""
        self._process.point("abort")
        transaction = self._transaction
        if transaction is None or transaction.state is not TransactionState.OPEN:
            return
        self._process.trace("abort")
        self._broker.end(transaction, TransactionState.ABORTED)

    def flush(self) -> None:
        """Nothing is ever left behind."""

    def commit_offsets(self, offsets: Mapping[int, int]) -> None:
        """Not without a transaction here."""
        raise NotImplementedError(f"the simulation is exactly once: {dict(offsets)}")

    # -- the process -----------------------------------------------------------------------------

    def close(self) -> None:
        """Leave the group."""
        if self._is_member:
            self._group.leave(self._process.name)
            self._is_member = False
        self.detach()

    def detach(self) -> None:
        """Do nothing more in the background."""
        self._group.joins_again.pop(self._process.name, None)

    def _open(self) -> Transaction:
        transaction = self._transaction
        if transaction is None or transaction.state is not TransactionState.OPEN:
            # Some versions let the producer abort and go on, others fence it for good.
            if self._chaos.some_ms(2):
                raise LogUnavailable("the coordinator has aborted the transaction")
            raise Fenced("the coordinator has aborted the transaction and fenced its producer")
        return transaction

    def _time_out(self, transaction: Transaction) -> None:
        if transaction.state is TransactionState.OPEN:
            self._process.trace("the coordinator aborts the transaction")
            self._broker.end(transaction, TransactionState.ABORTED)

    def _join_again(self) -> None:
        """What the client's own thread does, as long as no callback waits for a poll."""
        group, name = self._group, self._process.name
        if self._process.is_awake and name in group.members and self._seen == group.members[name].generation:
            group.join(name, self._owned)

    def _rebalance_by_parts(self) -> None:
        group, name = self._group, self._process.name
        member = group.members.get(name)
        if member is None:
            self._give_up(self._listener.revoked)
            self._is_member, self._seen = True, 0
            group.join(name)
            return
        if self._seen == member.generation:
            if not group.is_stable and not member.joined:
                group.join(name, self._owned)
            return
        self._seen = member.generation
        self._membership = Membership(name, member.generation)
        given = group.assignment.get(name, ())
        gone = tuple(number for number in self._owned if number not in given)
        added = tuple(number for number in given if number not in self._owned)
        self._owned = given
        self._process.trace("generation", member.generation, "revoked", gone, "assigned", added)
        for number in gone:
            self._read_at.pop(number, None)
            self._paused.discard(number)
        if gone:
            self._listener.revoked(gone)
        if added:
            self._listener.assigned(added)
        if gone:
            group.join(name, self._owned)

    def _rebalance(self) -> None:
        if self._group.cooperative:
            self._rebalance_by_parts()
            return
        group, name = self._group, self._process.name
        member = group.members.get(name)
        if member is None or (not group.is_stable and not member.joined):
            self._give_up(self._listener.revoked)
            self._is_member = True
            group.join(name)
        if group.is_stable and self._seen != group.generation:
            self._give_up(self._listener.revoked)
            self._seen = group.generation
            self._membership = Membership(name, group.generation)
            self._owned = group.assignment.get(name, ())
            self._process.trace("assigned", self._owned, "generation", group.generation)
            if self._owned:
                self._listener.assigned(self._owned)

    def _give_up(self, told: Callable[[Collection[int]], None]) -> None:
        owned, self._owned = self._owned, ()
        self._read_at.clear()
        self._paused.clear()
        if owned:
            self._process.trace("revoked", owned)
            told(owned)

    def _fetch(self, max_messages: int) -> list[Message]:
        found: list[Message] = []
        places = list(self._read_at)
        if len(places) > 1 and self._chaos.some_ms(2):
            places.reverse()
        for number in places:
            if number in self._paused:
                continue
            partition, at = self._broker.requests[number], self._read_at[number]
            messages, self._read_at[number] = partition.read_some(at, max_messages - len(found))
            found += messages
            if len(found) >= max_messages:
                break
        return found
