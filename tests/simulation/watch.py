"""Watches every change of the store: what holds for the records whatever the workers do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain

from runner.store.calls import Entry, Ownership, ShardCall, Verdict
from runner.store.indexing import entries_of
from runner.tasks.keys import TaskKey
from runner.tasks.parts import HistoryEntry
from runner.tasks.record import Record, read_part
from runner.testing.memory_store import MemoryStore, Stored, read_stored
from tests.simulation.history import Violation
from tests.simulation.losses import Lost


class WatchedRedis:
    """The one Redis of a history. Raises Violation from within the call that broke something."""

    def __init__(
        self,
        store: MemoryStore,
        ownership: Ownership,
        now_ms: Callable[[], int],
        happened: Callable[[str, TaskKey], None],
        counts: Counter[str],
    ) -> None:
        self.store = store
        self._now_ms = now_ms
        self._happened = happened
        self._counts = counts
        self.life = 0
        self.losses = 0
        self.brought_back: set[TaskKey] = set()
        """Tasks that were removed, and that a replica without the last writes had still."""
        self.ownership = ownership
        self.removed: set[TaskKey] = set()
        self._entries: dict[TaskKey, tuple[Entry, ...]] = {}

    def apply_shard(self, call: ShardCall, said: Callable[..., None]) -> Verdict:
        """Carry out one call, and look at what it changed."""
        keys = [change.key for change in call.changes]
        stored = self.store._tasks
        before = {key: stored.get(key) for key in keys}
        verdict = self.store.apply_shard(call)
        homes = [
            (home.partition, home.base_offset, [offset for offset, _ in home.kept]) for home in call.homes
        ]
        said("apply shard", call.shard, verdict.value, homes)
        if verdict is not Verdict.APPLIED:
            self._counts[f"{'restoring' if call.restoring else 'calls'} {verdict.value.lower()}"] += 1
            return verdict
        if call.restoring is not None:
            self.recount()
            return verdict
        for key, was in before.items():
            if was != self.store._tasks.get(key):
                old, new = _read(key, was), self.store.record(key)
                said("  ", key, _said(old), "->", _said(new))
                self._check(key, old, new)
                self._note(key, new, call.shard)
                self._happened(_what(old, new), key)
        if self._is_restored() and self.store.all_index_entries() != set(
            chain.from_iterable(self._entries.values())
        ):
            raise Violation(f"the indexes differ from the records after a call on {keys}")
        return verdict

    def recount(self) -> None:
        """Take the records as they stand: something was lost, or restored."""
        self._entries = {
            record.key: entries_of(record, self.store.shard(record.key.id)) for record in self.store.records()
        }

    def lose(self, taken: Lost) -> None:
        """Lose what was not there before, or everything."""
        if taken.left is not None:
            self.brought_back |= taken.left["_tasks"].keys() - self.store._tasks.keys()
        taken.from_store(self.store)
        self.life += taken.replaced
        self.losses += 1
        self._counts["losses of Redis"] += 1
        self.recount()

    def _note(self, key: TaskKey, new: Record | None, shard: int) -> None:
        self._entries[key] = entries_of(new, shard)

    def _is_restored(self) -> bool:
        """Whether no shard is half restored, in which entries may stand for nothing yet."""
        return all(home.restore_lease is None for home in self.store._homes.values())

    def _check(self, key: TaskKey, old: Record | None, new: Record | None) -> None:
        """One call may hold several steps of a task: each is a revision."""
        if old is None:
            return
        if new is None:
            self._check_removal(key, old)
            return
        same = new.state.source == old.state.source
        if not old.is_open and same and new.state != old.state:
            raise Violation(f"the closed record of {key} was changed")
        if same and new.start != old.start:
            raise Violation(f"the starting event of {key} was changed")
        # A revision for every verb of this generation, one for its end, one for each new generation.
        steps = new.revision - old.revision
        verbs = _verbs(new) - (_verbs(old) if same else 0)
        ended = not new.is_open and (old.is_open or not same)
        least = verbs + ended + (not same)
        if steps < least or (same and steps != least) or steps < 1:
            raise Violation(f"{key} went from revision {old.revision} to {new.revision}")

    def _check_removal(self, key: TaskKey, old: Record) -> None:
        self.removed.add(key)
        if old.state.closing is None:
            raise Violation(f"the open record of {key} was removed")
        if old.state.closing.remove_at_ms > self._now_ms():
            raise Violation(f"the record of {key} was removed early")


def _read(key: TaskKey, stored: Stored | None) -> Record | None:
    return None if stored is None else read_stored(key, stored, stored.parts)


def _verbs(record: Record) -> int:
    """Return the changes of a record since its start: hooks of one moment are one change.

    The first version of a definition is its start.
    """
    if record.life is None:
        return 0
    entries = (read_part(record, name, HistoryEntry) for name in record.entry_names)
    revisions = {entry.revision for entry in entries if entry is not None}
    return len(revisions) + max(0, record.life.versions - 1)


def _what(old: Record | None, new: Record | None) -> str:
    if new is None:
        return "removed"
    if old is not None and old.state == new.state:
        return "changed by a verb"
    if not new.is_open:
        return "closed"
    return "started" if old is None else "replaced"


def _said(record: Record | None) -> str:
    if record is None:
        return "nothing"
    state = record.state
    return f"r{record.revision} {state.status.value} of {state.source}, deadline {state.deadline_ms}"
