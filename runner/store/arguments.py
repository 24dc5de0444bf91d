"""Arguments of scripts: KEYS and ARGV of ``load.lua`` and ``apply.lua``, packed for speed.

Numbers and short texts share one msgpack argument, a tenth of the cost of many protocol arguments.
Bytes are arguments of their own: Redis reads no msgpack ``bin``.
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
    """Reads of one shard, in the order of the answers of ``load.lua``."""

    def __init__(self, shard: int, keys: Keys) -> None:
        self.shard = shard
        self._names = keys
        self._homes: dict[int, list[Source]] = defaultdict(list)
        self._tasks: dict[TaskKey, None] = {}

    def add(self, key: TaskKey, source: Source) -> None:
        """Add the record of a task and the kept decision of an event to the reads."""
        self._tasks[key] = None
        self._homes[source.partition].append(source)

    @property
    def sources(self) -> list[Source]:
        """Sources of the events, in the order of the kept decisions in the answer."""
        return [source for sources in self._homes.values() for source in sources]

    @property
    def tasks(self) -> list[TaskKey]:
        """Keys of the tasks, in the order of the records in the answer."""
        return list(self._tasks)

    def arguments(self, incarnation: int, completeness: Completeness | None) -> tuple[list[str], list[bytes]]:
        """Return KEYS and ARGV of ``load.lua``."""
        key_names = [self._names.home(self.shard, partition) for partition in self._homes]
        key_names += [self._names.task(key, self.shard) for key in self._tasks]
        if completeness is not None:
            key_names.append(self._names.verified(self.shard))
        offsets = [[source.offset for source in sources] for sources in self._homes.values()]
        base_offsets = (
            False
            if completeness is None
            else [completeness.base_offsets[partition] for partition in self._homes]
        )
        return key_names, [_pack((incarnation, offsets, base_offsets))]


def by_shard(reads: Sequence[tuple[TaskKey, Source]], keys: Keys) -> list[ShardRead]:
    """Return the reads of each shard that has any."""
    shards: dict[int, ShardRead] = {}
    for key, source in reads:
        shard = keys.shard(key.id)
        if shard not in shards:
            shards[shard] = ShardRead(shard, keys)
        shards[shard].add(key, source)
    return list(shards.values())


def apply_arguments(call: ShardCall, keys: Keys) -> tuple[list[str], list[bytes]]:
    """Return KEYS and ARGV of ``apply.lua``."""
    key_names: list[str] = []
    values: list[bytes] = []
    homes = []
    for home in call.homes:
        key_names.append(keys.home(call.shard, home.partition))
        offsets = [offset for offset, _ in home.kept]
        decided_up_to = -1 if home.decided_up_to is None else home.decided_up_to
        homes.append((home.base_offset, home.require_none_kept, offsets, decided_up_to, home.partition))
        values += [encode_outcome(outcome) for _, outcome in home.kept]
    tasks = []
    for change in call.changes:
        key_names.append(keys.task(change.key, call.shard))
        tasks.append(_task(change, values))
    indexes = _index_moves(call)
    key_names += [keys.index(index) for index in indexes]
    restoring = call.restoring
    lease: tuple[str, str] | bool = False
    if restoring is not None:
        lease = (restoring.token, restoring.phase.value)
    if call.shard_token or restoring is not None:
        key_names.append(keys.verified(call.shard))
    return key_names, [
        _pack((call.incarnation, homes, tasks, list(indexes.values()), lease, call.shard_token)),
        *values,
    ]


def _task(change: Change, values: list[bytes]) -> tuple[str, str, bool]:
    """Return the arguments of one task; its encoded parts are appended to ``values``.

    The large part is sent only where it is new: a generation writes it once.
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


def _index_moves(call: ShardCall) -> dict[Index, tuple[list[str], list[Any]]]:
    """Return, for each index, the members to remove, and the moments and members to add.

    A member that only gets another moment is not removed: an index of one member would be deleted.
    """
    by_index: dict[Index, tuple[list[str], list[Any]]] = {}
    for change in call.changes:
        old, new = moves(change, call.shard)
        if old is not None and (new is None or old[:2] != new[:2]):
            by_index.setdefault(old[0], ([], []))[0].append(old[1])
        if new is not None:
            by_index.setdefault(new[0], ([], []))[1].extend((new[2], new[1]))
    for index, member in call.forget:
        by_index.setdefault(index, ([], []))[0].append(member)
    return by_index
