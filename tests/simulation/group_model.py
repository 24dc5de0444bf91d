"""A model of a Kafka consumer group: members, generations, rebalances, committed offsets.

Eager: a rebalance begins when a member joins, leaves or is missed for a session; the others give all
up and join again when they next poll; who does not within the time-out is out. The next generation
begins when all have joined.

Cooperative: nobody gives anything up to join, and joins without a poll. Who gets less than it owns
gives the rest up when it next polls, and only then joins once more, so that it can go to another.

Offsets in a transaction are taken from the present generation only, and are pending, for whoever asks,
until the transaction's marker.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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

    __slots__ = ("generation", "joined", "name", "owned")

    def __init__(self, name: str) -> None:
        self.name = name
        self.joined = True
        self.generation = 0
        """Of which it was told that it is one."""
        self.owned: tuple[int, ...] = ()
        """What it said it owns when it joined (cooperative)."""


class Group:
    """The coordinator of one group on one topic."""

    def __init__(
        self,
        scheduler: Scheduler,
        rng: Random,
        partitions: int,
        session_ms: int,
        *,
        cooperative: bool = False,
    ) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._partitions = partitions
        self._session_ms = session_ms
        self.cooperative = cooperative
        self.generation = 0
        self.is_stable = True
        self.members: dict[str, Member] = {}
        self.assignment: dict[str, tuple[int, ...]] = {}
        self.offsets: dict[int, int] = {}
        self.pending: list[Transaction] = []
        self.on_change: Callable[[], None] = lambda: None
        self.joins_again: dict[str, Callable[[], None]] = {}
        """What a member's client does in the background when a rebalance begins (cooperative)."""

    def join(self, name: str, owned: Collection[int] = ()) -> None:
        """Take in a new member, or one that comes again in a rebalance, or to begin one."""
        member = self.members.get(name)
        if member is None:
            member = self.members[name] = Member(name)
            self._rebalance(joined=name)
        elif self.cooperative and self.is_stable:
            self._rebalance(joined=name)
        member.joined = True
        member.owned = tuple(owned)
        self._complete_if_all()

    def leave(self, name: str) -> None:
        """Drop a member that left, or was not heard of for a session."""
        if self.members.pop(name, None) is not None:
            self._rebalance(joined=None)
            self._complete_if_all()

    def grow(self, partitions: int) -> None:
        """Share more partitions from now on: the topic was seen to have so many."""
        self._partitions = partitions
        if self.members:
            self._rebalance(joined=None)

    def accept(
        self, offsets: Mapping[int, int], group_metadata: Membership, transaction: Transaction
    ) -> bool:
        """Whether the offsets were put into the transaction: only a present member's are."""
        if group_metadata.member not in self.members or group_metadata.generation != self.generation:
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
            if self.cooperative:
                for name in tuple(self.members):
                    delay = int(self._rng.random() * self._session_ms / 3)
                    self._scheduler.after(delay, lambda name=name: self._join_again(name))  # type: ignore[misc]
        self.on_change()

    def _join_again(self, name: str) -> None:
        again = self.joins_again.get(name)
        if again is not None and not self.is_stable:
            again()

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
        if self.cooperative:
            self._leave_what_others_own()
        for member in self.members.values():
            member.generation = self.generation
        self.on_change()

    def _leave_what_others_own(self) -> None:
        owner = {number: name for name, member in self.members.items() for number in member.owned}
        self.assignment = {
            name: tuple(number for number in numbers if owner.get(number, name) == name)
            for name, numbers in self.assignment.items()
        }
