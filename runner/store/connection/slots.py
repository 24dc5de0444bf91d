"""Which node of a Cluster has which slots, as the nodes last said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.crc import key_slot


class Address(NamedTuple):
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class SlotMap:
    """The masters and their slots; single slots may have moved since it was made."""

    def __init__(self, ranges: Sequence[tuple[int, int, Address]] = ()) -> None:
        self._ranges = ranges
        self._moved: dict[int, Address] = {}

    @classmethod
    def parse(cls, answer: Sequence[Any], asked: Address) -> SlotMap:
        """Read the answer of CLUSTER SLOTS; a node that does not know its own host is the one asked."""
        ranges = []
        for first, last, (host, port, *_), *_replicas in answer:
            name = host.decode() if isinstance(host, bytes) else host
            ranges.append((int(first), int(last), Address(name or asked.host, int(port))))
        return cls(ranges)

    @property
    def masters(self) -> list[Address]:
        """Every node that has slots."""
        return list(dict.fromkeys([address for _, _, address in self._ranges] + [*self._moved.values()]))

    def owner(self, key: str) -> Address | None:
        """Return who has the slot of a key; None: nobody is known to."""
        slot = key_slot(key.encode())
        if slot in self._moved:
            return self._moved[slot]
        return next((node for first, last, node in self._ranges if first <= slot <= last), None)

    def move(self, slot: int, to: Address) -> None:
        """Note that a slot has moved."""
        self._moved[slot] = to
