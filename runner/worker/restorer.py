"""Makes sure that the store holds what was committed, and fills it again from the changelog where not.

The owner of a home answers for what every shard holds of it, and for nothing else: so nobody has to
agree with anybody about who restores what.

  verify    the mark of each shard has come as far as the home's committed offset, on this server; and
            where this was not noted before, Kafka says that nobody has come further than we know of
  restore   where it has not:  1 begin: decisions and mark go, everybody else is refused from now on
            (by shard)         2 clear: what is left of the home's records goes
                               3 read the shard's changelog partition, to where it ended when 1 was done
                               4 write the last record of each task of the home; what is still there of
                                 the task makes way first
                               5 end: the mark is the committed offset
                           3 and 4 again where there are more tasks than fit into memory
  note      the home is verified in every shard; nothing is missing from a shard once all homes are. It
            is not taken where something was lost, or began to be restored, since we began to look

Everything committed of a home lies before the end of the changelog that is read in step 3: its messages
were written before its offsets were committed, and those are what the positions are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

from runner.errors import ChangelogUnreadable, Superseded
from runner.store.calls import (
    Change,
    HomeCall,
    Index,
    Phase,
    RestorableStore,
    Restoring,
    ShardCall,
    Verdict,
)
from runner.store.indexing import task_id_of
from runner.tasks.changelog import read_entry
from runner.tasks.record import Record, TaskKey
from runner.tasks.source import Source
from runner.worker.changelog_snapshot import ChangelogRecord, ChangelogSnapshot

CHUNK: Final = 1000
"""Records of one round trip."""

CALL: Final = 250
"""Records that are put by one call."""


class ChangelogReader(Protocol):
    """Reads the partitions of the changelog, one at a time. Raises LogUnavailable."""

    def begin(self, shard: int) -> None:
        """Go to the first message of a partition; its end is where it is now."""
        ...

    def read(self) -> Sequence[ChangelogRecord] | None:
        """Return what comes next, nothing while a transaction is open; None once the end is reached."""
        ...

    def close(self) -> None:
        """Let go of what reading needs; ``begin`` may follow all the same."""
        ...


class Observer(Protocol):
    """Is told how restoring gets on."""

    def restoring(self, shards_left: int, records: int) -> None:
        """So many shards are left, and so many records were written."""
        ...

    def restored(self, records: int) -> None:
        """It is done."""
        ...

    def not_restored(self) -> None:
        """It was given up: the homes are somebody else's now, or it begins anew."""
        ...


class Group(Protocol):
    """How far the group has come, as Kafka says now and not a while ago. Raises LogUnavailable."""

    def committed(self, partitions: Collection[int]) -> Mapping[int, int | None]:
        """Return the group's committed offsets; None where there is none."""
        ...

    def homes(self) -> int:
        """Return how many home partitions there are."""
        ...


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is of tasks."""

    domains: Collection[str]
    incarnation: int
    group: Group


@dataclass(slots=True)
class _Shard:
    """A shard that lacks something of some homes, and how far its restoring is."""

    number: int
    homes: Mapping[int, int]
    """Committed offset by home."""
    token: str
    last: ChangelogSnapshot
    phase: str = "begin"
    decoded: list[Record] = field(default_factory=list)
    """What is written next."""

    def decode(self, limit: int) -> None:
        """Go on with what was told. Raises FeedUnreadable."""
        told = self.last.told
        keys = list(islice(told, limit))
        self.decoded = [read_entry(told[key]).record for key in keys]
        for key in keys:
            del told[key]

    def prefetch_chunk(self, limit: int) -> None:
        """Go on while the store writes; what cannot be read is said once its turn has come."""
        if self.decoded:
            return
        with suppress(ChangelogUnreadable):
            self.decode(limit)


class Restorer:
    """Verifies and restores the homes of one worker, a stretch at a time: the loop must go on polling."""

    def __init__(
        self,
        store: RestorableStore,
        changelog: ChangelogReader,
        extent: Extent,
        new_token: Callable[[], str],
        observer: Observer,
        sizes: tuple[int, int] = (CHUNK, CALL),
    ) -> None:
        """``new_token`` gives text that nobody had before.

        ``sizes`` are the records of a round trip, and of one of its calls.
        """
        self._store = store
        self._changelog = changelog
        self._domains = extent.domains
        self._incarnation = extent.incarnation
        self._group = extent.group
        self._new_token = new_token
        self._observer = observer
        self._chunk, self._in_call = sizes
        self._positions: dict[int, int] = {}
        self._left: deque[_Shard] = deque()
        self._records = 0
        self._is_renewed = False

    @property
    def is_busy(self) -> bool:
        """Whether there is something to do at once."""
        return bool(self._left)

    def bind_server(self) -> None:
        """Take the server that answers now for the one to be verified. Raises StoreUnavailable."""
        self._is_renewed = self._store.bind_server() or self._is_renewed

    def renewed(self) -> bool:
        """Whether the store is another, or was filled again, since this was asked last."""
        renewed, self._is_renewed = self._is_renewed, False
        return renewed

    def redo(self, places: Collection[tuple[int, int]], positions: Mapping[int, int]) -> None:
        """Begin to restore these (shard, home), whatever their marks say; ``verify`` goes on with it."""
        self._positions = {home: max(offset, 0) for home, offset in positions.items()}
        self._begin(places)

    def cancel(self) -> None:
        """Leave what is being restored as it is: the homes are somebody else's now, or it begins anew."""
        if self._left:
            self._left.clear()
            self._changelog.close()
            self._observer.not_restored()

    def verify(self, positions: Mapping[int, int]) -> bool:
        """Whether the store holds all that was committed of these homes below their positions.

        Where it does not, does a stretch of restoring; call it again until it says so, while nothing
        of these homes is processed. Raises StoreUnavailable, LogUnavailable, or Superseded.
        """
        bases = {home: max(offset, 0) for home, offset in positions.items()}
        if any(bases.get(home) != base for shard in self._left for home, base in shard.homes.items()):
            self.cancel()
        self._positions = bases
        try:
            return self._verified()
        except BaseException:
            self.cancel()
            raise

    def _verified(self) -> bool:
        if self._left:
            self._step(self._left[0])
            return False
        self.bind_server()
        notes = self._store.pending_tokens(list(self._positions), self._new_token())
        homes = self._asked() if notes else 0
        places = self._store.shards_behind(self._incarnation, self._positions)
        if places:
            self._begin(places)
            return False
        if notes:
            self._store.verified(list(self._positions), homes, notes)
        return True

    def _asked(self) -> int:
        """Return how many homes there are. Raises Superseded if one of ours has been taken over.

        Asked once the notes are known: whatever was committed before something was lost is told now,
        also to a worker that slept meanwhile, and so are homes that were added; the store that was begun
        anew by somebody who had not heard of them is told.
        """
        told = self._group.homes()
        self._store.add_homes(self._incarnation, told)
        # A broker that has not heard of a growth yet tells less than another worker has seen.
        homes = max(told, self._store.homes())
        for home, offset in self._group.committed(list(self._positions)).items():
            if offset is not None and offset > self._positions[home]:
                raise Superseded(f"home {home} was committed up to {offset} by another worker")
        return homes

    def _begin(self, places: Collection[tuple[int, int]]) -> None:
        lost: dict[int, dict[int, int]] = {}
        for shard, home in places:
            lost.setdefault(shard, {})[home] = self._positions[home]
        self._is_renewed = True
        self._records = 0
        self._left.extend(
            _Shard(shard, homes, self._new_token(), ChangelogSnapshot(homes)) for shard, homes in lost.items()
        )
        self._observer.restoring(len(self._left), 0)

    def _step(self, shard: _Shard) -> None:
        match shard.phase:
            case "begin":
                self._carry_out(self._call_of(shard, Phase.BEGIN))
                shard.phase = "clear"
            case "clear":
                self._clear(shard)
            case "read":
                self._read(shard)
            case _:
                self._write(shard)

    def _clear(self, shard: _Shard) -> None:
        for home in shard.homes:
            entries = self._store.index_entries(shard.number, home, self._domains, self._chunk)
            if entries:
                self._take_out(shard, home, entries)
                return
        self._changelog.begin(shard.number)
        shard.phase = "read"

    def _take_out(self, shard: _Shard, home: int, entries: Sequence[tuple[Index, str]]) -> None:
        keys = [TaskKey(index.domain, task_id_of(index, member)) for index, member in entries]
        records = self._there([(key, home) for key in dict.fromkeys(keys)]).values()
        gone = [record for record in records if record is not None and record.state.home == home]
        changes = [Change(record.key, record, None, remove=True) for record in gone]
        self._carry_out(self._call_of(shard, Phase.WRITE, {home: changes}, entries))

    def _there(self, keys: Sequence[tuple[TaskKey, int]]) -> Mapping[TaskKey, Record | None]:
        """Return the records that the store has for these keys."""
        reads = [(key, Source(self._incarnation, home, -1)) for key, home in keys]
        return self._store.load(self._incarnation, reads).records

    def _read(self, shard: _Shard) -> None:
        found = self._changelog.read()
        if found is None:
            shard.phase = "write"
            return
        shard.last.take(found)

    def _write(self, shard: _Shard) -> None:
        if not shard.decoded:
            shard.decode(self._chunk)
        records, shard.decoded = shard.decoded, []
        if records:
            self._put(shard, records)
            return
        if shard.last.go_on():
            self._changelog.begin(shard.number)
            shard.phase = "read"
            return
        self._carry_out(self._call_of(shard, Phase.END))
        self._left.popleft()
        if self._left:
            self._observer.restoring(len(self._left), self._records)
            return
        self._changelog.close()
        self._observer.restored(self._records)

    def _put(self, shard: _Shard, records: Sequence[Record]) -> None:
        """Write records of which nothing is there: the script says so where something is.

        In several calls of one round trip: the store works on the first while the next are packed.
        """
        size = self._in_call
        parts = [_puts(records[first : first + size]) for first in range(0, len(records), size)]
        calls = [self._call_of(shard, Phase.WRITE, part) for part in parts]
        verdicts = self._store.apply(calls, lambda: shard.prefetch_chunk(self._chunk))
        for part, verdict in zip(parts, verdicts, strict=True):
            if verdict is Verdict.CONFLICT:
                self._make_way(shard, part)
                self._carry_out(self._call_of(shard, Phase.WRITE, part))
            else:
                _require_ours(verdict)
        self._records += len(records)

    def _make_way(self, shard: _Shard, changes: Mapping[int, Sequence[Change]]) -> None:
        """Take out what is there of the tasks that are to be written.

        A record of the home has lost its entry, or is of a domain that is not configured any more, or it
        would be gone already. One of another home is older: it was removed, and its task started anew.
        """
        there = self._there([(change.key, home) for home, each in changes.items() for change in each])
        gone = {
            home: [
                Change(change.key, there[change.key], None, remove=True)
                for change in each
                if there[change.key] is not None
            ]
            for home, each in changes.items()
        }
        self._carry_out(self._call_of(shard, Phase.WRITE, gone))

    def _carry_out(self, call: ShardCall) -> None:
        """Raises Superseded if somebody else restores a home that the call is about."""
        _require_ours(self._store.apply([call])[0])

    def _call_of(
        self,
        shard: _Shard,
        phase: Phase,
        changes: Mapping[int, Sequence[Change]] | None = None,
        forget: Sequence[tuple[Index, str]] = (),
    ) -> ShardCall:
        """Return a step, of the homes that it changes; of all of them where it changes nothing."""
        bases = shard.homes if changes is None else {home: shard.homes[home] for home in changes}
        homes = tuple(HomeCall(home, base) for home, base in bases.items())
        all_changes = tuple(change for each in (changes or {}).values() for change in each)
        restoring = Restoring(shard.token, phase)
        return ShardCall(shard.number, self._incarnation, homes, all_changes, restoring, tuple(forget))


def _puts(records: Sequence[Record]) -> dict[int, list[Change]]:
    """Return what puts these records where nothing is, by home."""
    changes: dict[int, list[Change]] = {}
    for record in records:
        changes.setdefault(record.state.home, []).append(Change(record.key, None, record))
    return changes


def _require_ours(verdict: Verdict) -> None:
    if verdict is not Verdict.APPLIED:
        raise Superseded("another worker restores a home of this one, or has taken it over")
