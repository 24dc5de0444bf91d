"""A model of a Kafka consumer group: members, generations, rebalances, committed offsets.

Eager: a rebalance begins when a member joins, leaves or is missed for a session; the others give all
up and join again when they next poll; who does not within the time-out is out. The next generation
begins when all have joined. Offsets in a transaction are taken from the present generation only,
and are pending, for whoever asks, until the transaction's marker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.simulation.log_model import Transaction, TransactionState
from tests.simulation.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Membership:
    """Who claims to be of which generation."""

    member: str
    generation: int


class Member:
    """One consumer, as its coordinator knows it."""

    __slots__ = ("joined", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.joined = True


class Group:
    """The coordinator of one group on one topic."""

    def __init__(self, scheduler: Scheduler, rng: Random, partitions: int, session_ms: int) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._partitions = partitions
        self._session_ms = session_ms
        self.generation = 0
        self.is_stable = True
        self.members: dict[str, Member] = {}
        self.assignment: dict[str, tuple[int, ...]] = {}
        self.offsets: dict[int, int] = {}
        self.pending: list[Transaction] = []
        self.on_change: Callable[[], None] = lambda: None

    def join(self, name: str) -> None:
        """Take in a new member, or one that comes again in a rebalance."""
        member = self.members.get(name)
        if member is None:
            self.members[name] = Member(name)
            self._rebalance(joined=name)
        else:
            member.joined = True
        self._complete_if_all()

    def leave(self, name: str) -> None:
        """Drop a member that left, or was not heard of for a session."""
        if self.members.pop(name, None) is not None:
            self._rebalance(joined=None)
            self._complete_if_all()

    def accept(self, offsets: Mapping[int, int], membership: Membership, transaction: Transaction) -> bool:
        """Whether the offsets were put into the transaction: only a present member's are."""
        if membership.member not in self.members or membership.generation != self.generation:
            return False
        transaction.offsets.update(offsets)
        if transaction not in self.pending:
            self.pending.append(transaction)
        return True

    def is_pending(self, partitions: set[int]) -> bool:
        """Whether a transaction not yet marked holds offsets of these partitions."""
        return any(not partitions.isdisjoint(each.offsets) for each in self.pending)

    def marked(self, transaction: Transaction) -> None:
        """Take over, or drop, the offsets of a decided transaction."""
        self.pending.remove(transaction)
        if transaction.state is TransactionState.COMMITTED:
            self.offsets.update(transaction.offsets)
        self.on_change()

    def _rebalance(self, joined: str | None) -> None:
        if self.is_stable:
            self.is_stable = False
            for member in self.members.values():
                member.joined = member.name == joined
            current = self.generation
            self._scheduler.after(self._session_ms, lambda: self._drop_missing(current))
        self.on_change()

    def _drop_missing(self, generation: int) -> None:
        if self.is_stable or self.generation != generation:
            return
        self.members = {name: member for name, member in self.members.items() if member.joined}
        self._complete_if_all()

    def _complete_if_all(self) -> None:
        if self.is_stable or not all(member.joined for member in self.members.values()):
            return
        self.is_stable = True
        self.generation += 1
        names = list(self.members)
        self._rng.shuffle(names)
        numbers = list(range(self._partitions))
        self.assignment = {name: tuple(numbers[at :: len(names)]) for at, name in enumerate(names)}
        self.on_change()
