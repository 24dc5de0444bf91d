"""What the scripts are given: KEYS and ARGV of ``load.lua`` and ``apply.lua``, packed for speed.

Numbers and short text go in one msgpack argument: many protocol arguments cost ten times as much.
Bytes go as arguments of their own: Redis reads no msgpack ``bin``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from runner.actions.decision import encode_outcome
from runner.store.calls import Change, Completeness, Index, ShardCall
from runner.store.indexing import moves
from runner.store.keys import Keys
from runner.store.versions import version_of
from runner.tasks.record import TaskKey, encode_part
from runner.tasks.source import Source

_pack: Final = msgspec.msgpack.Encoder().encode
_UNCHANGED: Final = ""
_REMOVE: Final = "-"


class ShardRead:
    """The reads of one shard, in the order in which ``load.lua`` answers them."""

    def __init__(self, shard: int, keys: Keys) -> None:
        self.shard = shard
        self._names = keys
        self._homes: dict[int, list[Source]] = defaultdict(list)
        self._tasks: dict[TaskKey, None] = {}

    def add(self, key: TaskKey, source: Source) -> None:
        """Read this record, and what was decided of this event."""
        self._tasks[key] = None
        self._homes[source.partition].append(source)

    @property
    def sources(self) -> list[Source]:
        """The events, as the kept decisions are answered."""
        return [source for found in self._homes.values() for source in found]

    @property
    def tasks(self) -> list[TaskKey]:
        """The tasks, as the records are answered."""
        return list(self._tasks)

    def arguments(self, incarnation: int, completeness: Completeness | None) -> tuple[list[str], list[bytes]]:
        """Return KEYS and ARGV of ``load.lua``."""
        names = [self._names.home(self.shard, partition) for partition in self._homes]
        names += [self._names.task(key, self.shard) for key in self._tasks]
        if completeness is not None:
            names.append(self._names.verified(self.shard))
        offsets = [[source.offset for source in found] for found in self._homes.values()]
        base_offsets = (
            False
            if completeness is None
            else [completeness.base_offsets[partition] for partition in self._homes]
        )
        return names, [_pack((incarnation, offsets, base_offsets))]


def by_shard(reads: Sequence[tuple[TaskKey, Source]], keys: Keys) -> list[ShardRead]:
    """Return the reads of each shard that has any."""
    found: dict[int, ShardRead] = {}
    for key, source in reads:
        shard = keys.shard(key.id)
        if shard not in found:
            found[shard] = ShardRead(shard, keys)
        found[shard].add(key, source)
    return list(found.values())


def apply_arguments(call: ShardCall, keys: Keys) -> tuple[list[str], list[bytes]]:
    """Return KEYS and ARGV of ``apply.lua``."""
    names: list[str] = []
    values: list[bytes] = []
    homes = []
    for home in call.homes:
        names.append(keys.home(call.shard, home.partition))
        offsets = [offset for offset, _ in home.kept]
        decided_up_to = -1 if home.decided_up_to is None else home.decided_up_to
        homes.append((home.base_offset, home.settled, offsets, decided_up_to, home.partition))
        values += [encode_outcome(outcome) for _, outcome in home.kept]
    tasks = []
    for change in call.changes:
        names.append(keys.task(change.key, call.shard))
        tasks.append(_task(change, values))
    indexes = _moved(call)
    names += [keys.index(index) for index in indexes]
    restoring = call.restoring
    told: tuple[str, str] | bool = False
    if restoring is not None:
        told = (restoring.token, restoring.phase.value)
    if call.shard_token or restoring is not None:
        names.append(keys.verified(call.shard))
    return names, [
        _pack((call.incarnation, homes, tasks, list(indexes.values()), told, call.shard_token)),
        *values,
    ]


def _task(change: Change, values: list[bytes]) -> tuple[str, str, bool]:
    """Return what the script is told of a task; its parts are added to ``values``.

    The large part goes along only where it is new: a generation writes it once.
    """
    before, after = change.before, change.after
    expected = version_of(before)
    if change.remove:
        return expected, _REMOVE, False
    if after is None:
        return expected, _UNCHANGED, False
    values.append(encode_part(after.state))
    if before is not None and before.start is after.start:
        return expected, version_of(after), False
    values.append(encode_part(after.start))
    return expected, version_of(after), True


def _moved(call: ShardCall) -> dict[Index, tuple[list[str], list[Any]]]:
    """Return, for each index, the members to remove, and the moments and members to add.

    A member that only gets another moment is not removed: it may be the only one.
    """
    moved: dict[Index, tuple[list[str], list[Any]]] = {}
    for change in call.changes:
        old, new = moves(change, call.shard)
        if old is not None and (new is None or old[:2] != new[:2]):
            moved.setdefault(old[0], ([], []))[0].append(old[1])
        if new is not None:
            moved.setdefault(new[0], ([], []))[1].extend((new[2], new[1]))
    for index, member in call.forget:
        moved.setdefault(index, ([], []))[0].append(member)
    return moved
