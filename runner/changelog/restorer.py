"""Verifies that the store is complete, and restores shards from the changelog where it is not.

The owner of a home verifies and restores that home in every shard, and no other home: workers need not
agree on who restores what.

  verify    the applied offset of the home in each shard has reached the committed offset, on this server;
            and, where the home was not verified before, Kafka confirms that no worker has committed more
  restore   each shard behind: 1 begin: kept decisions and applied offset are deleted; calls of workers
                                 without the restore lease are refused from now on
                               2 clear: the remaining records of the home are removed
                               3 read the shard's changelog partition up to where it ended after step 1
                               4 write the last record of each task of the home; a record that is still
                                 there is removed first
                               5 end: the applied offset is set to the committed offset
                           3 and 4 again where there are more tasks than fit into memory
  record    the home is verified in every shard; a shard is complete once all homes are. The store refuses
            this if the shard token has changed, by a loss or a restore, since verify began

Everything committed of a home lies before the end of the changelog that is read in step 3: the changelog
messages of a home are written before its offsets are committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

from runner.changelog.snapshot import ChangelogRecord, ChangelogSnapshot
from runner.errors import ChangelogUnreadable, Superseded
from runner.store.calls import Change, HomeCall, Index, Phase, RestorableStore, Restoring, ShardCall, Verdict
from runner.store.indexing import task_id_of
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source

CHUNK: Final = 1000
"""Records of one round trip."""

CALL: Final = 250
"""Records that are written by one call."""


class ChangelogReader(Protocol):
    """Reads the partitions of the changelog, one at a time; raises LogUnavailable."""

    def begin(self, shard: int) -> None:
        """Start at the first message of a partition; reading ends at its present end."""

    def read(self) -> Sequence[ChangelogRecord] | None:
        """Return the next messages, none while a transaction is open; None once the end is reached."""

    def close(self) -> None:
        """Close the clients; ``begin`` may follow and opens others."""


class RestoreObserver(Protocol):
    """Receives the progress of restoring."""

    def restoring(self, shards_left: int, records: int) -> None:
        """Restoring goes on: so many shards are left, so many records were written."""

    def restored(self, records: int) -> None: ...

    def not_restored(self) -> None:
        """Restoring was cancelled: the homes were revoked, or restoring begins again."""


class Group(Protocol):
    """Committed offsets and homes, as Kafka answers now; raises LogUnavailable."""

    def committed(self, partitions: Collection[int]) -> Mapping[int, int | None]:
        """Return the group's committed offsets; None where there is none."""

    def homes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Extent:
    """What is restored: domains, incarnation, and the group that owns the homes."""

    domains: Collection[str]
    incarnation: int
    group: Group


@dataclass(slots=True)
class _Shard:
    """A shard that is behind in some homes, and the phase of its restoring."""

    number: int
    homes: Mapping[int, int]
    """Committed offset by home."""
    token: str
    snapshot: ChangelogSnapshot
    phase: str = "begin"
    next_records: list[Record] = field(default_factory=list)

    def decode(self, limit: int) -> None:
        """Decode the next values of the snapshot. Raises ChangelogUnreadable."""
        records = [self.snapshot.record(key) for key in islice(self.snapshot.values, limit)]
        self.next_records = [record for record in records if record is not None]
        for key in list(islice(self.snapshot.values, limit)):
            self.snapshot.drop(key)

    def prefetch_chunk(self, limit: int) -> None:
        """Decode the next values while the store writes; an unreadable one raises in ``decode``."""
        if self.next_records:
            return
        with suppress(ChangelogUnreadable):
            self.decode(limit)


class Restorer:
    """Verifies and restores the homes of one worker, one step a call: the loop must go on polling."""

    def __init__(
        self,
        store: RestorableStore,
        changelog: ChangelogReader,
        extent: Extent,
        new_token: Callable[[], str],
        observer: RestoreObserver,
        sizes: tuple[int, int] = (CHUNK, CALL),
    ) -> None:
        """``new_token`` returns a unique text.

        ``sizes`` are the records of a round trip, and of one of its calls.
        """
        self._store = store
        self._changelog = changelog
        self._domains = extent.domains
        self._incarnation = extent.incarnation
        self._group = extent.group
        self._new_token = new_token
        self._observer = observer
        self._chunk, self._call_size = sizes
        self._positions: dict[int, int] = {}
        self._pending: deque[_Shard] = deque()
        self._records = 0
        self._is_renewed = False

    @property
    def is_busy(self) -> bool:
        return bool(self._pending)

    def bind_server(self) -> None:
        """Bind the scripts to the server that answers now. Raises StoreUnavailable."""
        self._is_renewed = self._store.bind_server() or self._is_renewed

    def renewed(self) -> bool:
        renewed, self._is_renewed = self._is_renewed, False
        return renewed

    def redo(self, places: Collection[tuple[int, int]], positions: Mapping[int, int]) -> None:
        """Begin to restore these (shard, home), whatever their applied offsets; ``verify`` continues."""
        self._positions = {home: max(offset, 0) for home, offset in positions.items()}
        self._begin(places)

    def cancel(self) -> None:
        """Stop restoring where it stands: the homes were revoked, or restoring begins again."""
        if self._pending:
            self._pending.clear()
            self._changelog.close()
            self._observer.not_restored()

    def verify(self, positions: Mapping[int, int]) -> bool:
        """Whether the store holds all that was committed of these homes below their positions.

        If not, one step of restoring is done; call it again until it returns true, and process nothing
        of these homes meanwhile. Raises StoreUnavailable, LogUnavailable, or Superseded.
        """
        bases = {home: max(offset, 0) for home, offset in positions.items()}
        if any(bases.get(home) != base for shard in self._pending for home, base in shard.homes.items()):
            self.cancel()
        self._positions = bases
        try:
            return self._verify_or_restore()
        except BaseException:
            self.cancel()
            raise

    def _verify_or_restore(self) -> bool:
        if self._pending:
            self._step(self._pending[0])
            return False
        self.bind_server()
        tokens = self._store.pending_tokens(list(self._positions), self._new_token())
        homes = self._home_count() if tokens else 0
        places = self._store.shards_behind(self._incarnation, self._positions)
        if places:
            self._begin(places)
            return False
        if tokens:
            self._store.verified(list(self._positions), homes, tokens)
        return True

    def _home_count(self) -> int:
        """Return the number of homes. Raises Superseded if another worker has committed one of ours.

        Asked after the pending tokens were read: Kafka then answers with every commit from before a loss,
        also to a worker that slept meanwhile, and with homes that were added since. The store is told of
        those, as it may have been begun anew by a worker that did not know them.
        """
        home_count = self._group.homes()
        self._store.add_homes(self._incarnation, home_count)
        # A broker that does not know of a growth yet answers with fewer homes than the store has.
        homes = max(home_count, self._store.homes())
        for home, offset in self._group.committed(list(self._positions)).items():
            if offset is not None and offset > self._positions[home]:
                raise Superseded(f"home {home} was committed up to {offset} by another worker")
        return homes

    def _begin(self, places: Collection[tuple[int, int]]) -> None:
        offsets_by_shard: dict[int, dict[int, int]] = {}
        for shard, home in places:
            offsets_by_shard.setdefault(shard, {})[home] = self._positions[home]
        self._is_renewed = True
        self._records = 0
        self._pending.extend(
            _Shard(shard, homes, self._new_token(), ChangelogSnapshot(homes))
            for shard, homes in offsets_by_shard.items()
        )
        self._observer.restoring(len(self._pending), 0)

    def _step(self, shard: _Shard) -> None:
        match shard.phase:
            case "begin":
                self._apply_call(self._restore_call(shard, Phase.BEGIN))
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
                self._remove_entries(shard, home, entries)
                return
        self._changelog.begin(shard.number)
        shard.phase = "read"

    def _remove_entries(self, shard: _Shard, home: int, entries: Sequence[tuple[Index, str]]) -> None:
        keys = [TaskKey(index.domain, task_id_of(index, member)) for index, member in entries]
        records = self._stored_records([(key, home) for key in dict.fromkeys(keys)]).values()
        removed = [record for record in records if record is not None and record.state.home == home]
        changes = [Change(record.key, record, None, remove=True) for record in removed]
        self._apply_call(self._restore_call(shard, Phase.WRITE, {home: changes}, entries))

    def _stored_records(self, keys: Sequence[tuple[TaskKey, int]]) -> Mapping[TaskKey, Record | None]:
        reads = [(key, Source(self._incarnation, home, -1)) for key, home in keys]
        return self._store.load(self._incarnation, reads).records

    def _read(self, shard: _Shard) -> None:
        messages = self._changelog.read()
        if messages is None:
            shard.phase = "write"
            return
        shard.snapshot.take(messages)

    def _write(self, shard: _Shard) -> None:
        if not shard.next_records:
            shard.decode(self._chunk)
        records, shard.next_records = shard.next_records, []
        if records:
            self._put(shard, records)
            return
        if shard.snapshot.next_part():
            self._changelog.begin(shard.number)
            shard.phase = "read"
            return
        self._apply_call(self._restore_call(shard, Phase.END))
        self._pending.popleft()
        if self._pending:
            self._observer.restoring(len(self._pending), self._records)
            return
        self._changelog.close()
        self._observer.restored(self._records)

    def _put(self, shard: _Shard, records: Sequence[Record]) -> None:
        """Write records; the script reports a conflict where a record of the task is still there.

        Several calls in one round trip: the store works on the first while the next are encoded.
        """
        size = self._call_size
        parts = [_insertions(records[first : first + size]) for first in range(0, len(records), size)]
        calls = [self._restore_call(shard, Phase.WRITE, part) for part in parts]
        verdicts = self._store.apply(calls, lambda: shard.prefetch_chunk(self._chunk))
        for part, verdict in zip(parts, verdicts, strict=True):
            if verdict is Verdict.CONFLICT:
                self._remove_present(shard, part)
                self._apply_call(self._restore_call(shard, Phase.WRITE, part))
            else:
                _require_applied(verdict)
        self._records += len(records)

    def _remove_present(self, shard: _Shard, changes: Mapping[int, Sequence[Change]]) -> None:
        """Remove the stored records of tasks that are to be written.

        A record of the home without an index entry, or of a domain that is not configured any more, was
        not removed by ``_clear``. One of another home is older: it was removed, and its task started anew.
        """
        stored = self._stored_records(
            [(change.key, home) for home, each in changes.items() for change in each]
        )
        deletions = {
            home: [
                Change(change.key, stored[change.key], None, remove=True)
                for change in each
                if stored[change.key] is not None
            ]
            for home, each in changes.items()
        }
        self._apply_call(self._restore_call(shard, Phase.WRITE, deletions))

    def _apply_call(self, call: ShardCall) -> None:
        """Apply a call. Raises Superseded if another worker holds the restore lease of one of its homes."""
        _require_applied(self._store.apply([call])[0])

    def _restore_call(
        self,
        shard: _Shard,
        phase: Phase,
        changes: Mapping[int, Sequence[Change]] | None = None,
        forget: Sequence[tuple[Index, str]] = (),
    ) -> ShardCall:
        """Return the call of a phase, for the homes that it changes; for all homes where it changes none."""
        bases = shard.homes if changes is None else {home: shard.homes[home] for home in changes}
        homes = tuple(HomeCall(home, base) for home, base in bases.items())
        all_changes = tuple(change for each in (changes or {}).values() for change in each)
        restoring = Restoring(shard.token, phase)
        return ShardCall(shard.number, self._incarnation, homes, all_changes, restoring, tuple(forget))


def _insertions(records: Sequence[Record]) -> dict[int, list[Change]]:
    """Return the changes that insert these records, by home."""
    changes: dict[int, list[Change]] = {}
    for record in records:
        insertion = Change(record.key, None, record, parts=record.all_parts)
        changes.setdefault(record.state.home, []).append(insertion)
    return changes


def _require_applied(verdict: Verdict) -> None:
    if verdict is not Verdict.APPLIED:
        raise Superseded("another worker restores a home of this one, or has taken it over")
