"""Slot map of a Cluster: the master of every slot, as the nodes last reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.crc import key_slot


class Address(NamedTuple):
    """Host and port of a node."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class SlotMap:
    """Masters and their slots, with the moves of single slots reported since."""

    def __init__(self, ranges: Sequence[tuple[int, int, Address]] = ()) -> None:
        self._ranges = ranges
        self._moved: dict[int, Address] = {}

    @classmethod
    def parse(cls, answer: Sequence[Any], node: Address) -> SlotMap:
        """Return the slot map in the answer of ``node`` to CLUSTER SLOTS; it may not know its own host."""
        ranges = []
        for first, last, (host, port, *_), *_replicas in answer:
            name = host.decode() if isinstance(host, bytes) else host
            ranges.append((int(first), int(last), Address(name or node.host, int(port))))
        return cls(ranges)

    @property
    def masters(self) -> list[Address]:
        return list(dict.fromkeys([address for _, _, address in self._ranges] + [*self._moved.values()]))

    def owner(self, key: str) -> Address | None:
        """Return the master of the slot of a key; None: no master is known."""
        slot = key_slot(key.encode())
        if slot in self._moved:
            return self._moved[slot]
        return next((node for first, last, node in self._ranges if first <= slot <= last), None)

    def move(self, slot: int, to: Address) -> None:
        self._moved[slot] = to
