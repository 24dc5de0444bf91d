"""Arguments of scripts: KEYS and ARGV of ``load.lua`` and ``apply.lua``, packed for speed.

Numbers and short texts share one msgpack argument, a tenth of the cost of many protocol arguments.
Bytes are arguments of their own: Redis reads no msgpack ``bin``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from runner.actions.decision import encode_outcome
from runner.store.calls import Change, Completeness, Index, ShardCall
from runner.store.indexing import moves
from runner.store.keys import Keys
from runner.store.versions import version_of
from runner.tasks.keys import TaskKey
from runner.tasks.parts import encode_part
from runner.tasks.source import Source

_pack: Final = msgspec.msgpack.Encoder().encode
_UNCHANGED: Final = ""
_REMOVE: Final = "-"
_STATE: Final = ("state",)
_STATE_AND_START: Final = ("state", "start")


class ShardRead:
    """Reads of one shard, in the order of the answers of ``load.lua``."""

    def __init__(self, shard: int, keys: Keys) -> None:
        self.shard = shard
        self._names = keys
        self._homes: dict[int, list[Source]] = defaultdict(list)
        self._tasks: dict[TaskKey, list[str]] = {}

    def add(self, key: TaskKey, source: Source, parts: Collection[str]) -> None:
        """Add the record of a task, with these parts, and the kept decision of an event to the reads."""
        self._tasks[key] = list(parts)
        self._homes[source.partition].append(source)

    @property
    def sources(self) -> list[Source]:
        """Sources of the events, in the order of the kept decisions in the answer."""
        return [source for sources in self._homes.values() for source in sources]

    @property
    def tasks(self) -> Mapping[TaskKey, Sequence[str]]:
        """Parts by the key of the task, in the order of the records in the answer."""
        return self._tasks

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
        others = () if completeness is None else completeness.others
        # The places of such tasks, from 1 on; hardly any read has them.
        besides = [
            (place, names, key in others)
            for place, (key, names) in enumerate(self._tasks.items(), 1)
            if names or (others and key in others)
        ]
        return key_names, [_pack((incarnation, offsets, base_offsets, besides))]


def by_shard(
    reads: Sequence[tuple[TaskKey, Source]], keys: Keys, parts: Mapping[TaskKey, Collection[str]]
) -> list[ShardRead]:
    """Return the reads of each shard that has any."""
    shards: dict[int, ShardRead] = {}
    for key, source in reads:
        shard = keys.shard(key.id)
        if shard not in shards:
            shards[shard] = ShardRead(shard, keys)
        shards[shard].add(key, source, parts.get(key, ()))
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


def _task(change: Change, values: list[bytes]) -> tuple[str, str, Sequence[str], Sequence[str]]:
    """Return the arguments of one task; the parts that it writes are appended to ``values``.

    A part is sent only where it is new: a generation writes its large part once, a verb writes no state.
    """
    before, after = change.before, change.after
    expected = version_of(before)
    if change.remove:
        return expected, _REMOVE, (), ()
    if after is None:
        return expected, _UNCHANGED, (), ()
    if not change.parts:
        values.append(encode_part(after.state))
        if before is not None and before.start is after.start:
            return expected, version_of(after), _STATE, ()
        values.append(encode_part(after.start))
        return expected, version_of(after), _STATE_AND_START, ()
    written: dict[str, bytes] = {}
    if before is None or before.state is not after.state:
        written["state"] = encode_part(after.state)
    if before is None or before.start is not after.start:
        written["start"] = encode_part(after.start)
    written |= {name: part for name, part in change.parts.items() if part is not None}
    values += written.values()
    removed = [name for name, part in change.parts.items() if part is None]
    return expected, version_of(after), list(written), removed


def _index_moves(call: ShardCall) -> dict[Index, tuple[list[str], list[Any]]]:
    """Return, for each index, the members to remove, and the moments and members to add."""
    by_index: dict[Index, tuple[list[str], list[Any]]] = {}
    for change in call.changes:
        removed, added = moves(change, call.shard)
        for index, member, _ in removed:
            by_index.setdefault(index, ([], []))[0].append(member)
        for index, member, at_ms in added:
            by_index.setdefault(index, ([], []))[1].extend((at_ms, member))
    for index, member in call.forget:
        by_index.setdefault(index, ([], []))[0].append(member)
    return by_index
