"""Stores that each do without one rule; ``breaks`` puts them in.

Nothing in the runner knows of this: a rule is removed by a store that does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import structs

from runner.store.calls import NO_READS, Completeness, Loaded, Phase, ShardCall, Verdict
from runner.store.connection.command import OnWait, idle
from runner.store.versions import revision_of, version_of
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.testing.memory_store import MemoryStore


class ForgetsDecisions(MemoryStore):
    """Keeps no decision beside the records: redelivered events are decided anew."""

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Apply a call without its decisions."""
        homes = tuple(structs.replace(home, kept=()) for home in call.homes)
        return super().apply_shard(structs.replace(call, homes=homes))


class HasNoFence(MemoryStore):
    """Takes calls with any base offset: a worker whose home was taken over may still write."""

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Apply a call, and forget its bases."""
        verdict = super().apply_shard(call)
        for home in self._homes.values():
            home.fence = -1
        return verdict


class IgnoresRevisions(MemoryStore):
    """Writes whatever was decided, from whichever record."""

    def __init__(self, now_ms: Callable[[], int], shards: int) -> None:
        super().__init__(now_ms, shards)
        self._expected: Mapping[TaskKey, str] = {}

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Apply a call as if no record had moved."""
        self._expected = {change.key: version_of(change.before) for change in call.changes}
        return super().apply_shard(call)

    def _version(self, key: TaskKey) -> str:
        return self._expected[key]


class TakesLaterForEarlier(MemoryStore):
    """Compares revisions and not generations: a record made anew after a removal may look like the old."""

    def __init__(self, now_ms: Callable[[], int], shards: int) -> None:
        super().__init__(now_ms, shards)
        self._expected: Mapping[TaskKey, str] = {}

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Apply a call to records of the right revision."""
        self._expected = {change.key: version_of(change.before) for change in call.changes}
        return super().apply_shard(call)

    def _version(self, key: TaskKey) -> str:
        version, expected = super()._version(key), self._expected[key]
        same = version and expected and revision_of(version) == revision_of(expected)
        return expected if same else version


class HasNoAppliedOffsets(MemoryStore):
    """Takes calls whatever the shard has lost, and says of nothing that it is."""

    def _applied_offset(self, incarnation: int, shard: int, partition: int, *, none: int = 0) -> int:
        applied = super()._applied_offset(incarnation, shard, partition, none=none)
        return applied if applied < 0 else 1_000_000


class TrustsWhatIsMissing(MemoryStore):
    """Says that a task is not there although not every home of its shard was verified."""

    def verified(self, homes: Collection[int], of: int, shard_tokens: Mapping[int, str]) -> None:
        """Mark homes as if they were all."""
        del of
        super().verified(homes, 0, shard_tokens)


class BelievesTheUnverified(MemoryStore):
    """Takes another record than that of a task for what stands in the shard, whatever was verified."""

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
        parts: Mapping[TaskKey, Collection[str]] = NO_READS,
    ) -> Loaded:
        """Load without asking for more than the home of the event."""
        others = () if completeness is None else completeness.others
        if not others:
            return super().load(incarnation, reads, completeness, on_wait, parts)
        return super().load(incarnation, reads, None, on_wait, parts)


class LetsAnyoneRestore(MemoryStore):
    """Takes the records of a restorer that another has taken over from."""

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Apply a call as if its restorer had begun last."""
        if call.restoring is not None and call.restoring.phase is not Phase.BEGIN:
            for home in call.homes:
                stored = self._homes.get((call.shard, home.partition))
                if stored is not None:
                    stored.restore_lease = call.restoring.token
        return super().apply_shard(call)


class RemovesUnguarded(MemoryStore):
    """Removes closed records although their closing may be redelivered."""

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Apply a call without the guard on removal."""
        homes = tuple(structs.replace(home, require_none_kept=False) for home in call.homes)
        return super().apply_shard(structs.replace(call, homes=homes))


class TakesOldTokens(MemoryStore):
    """Takes homes for verified although something was lost since their tokens were read."""

    def verified(self, homes: Collection[int], of: int, shard_tokens: Mapping[int, str]) -> None:
        """Mark homes whatever the shard tokens are."""
        super().verified(homes, of, {**shard_tokens, **self.pending_tokens((*homes, -1), "-")})


class TakesOldReads(MemoryStore):
    """Applies a call although something was lost since the shard was read."""

    def apply_shard(self, call: ShardCall) -> Verdict:
        """Forget the shard token."""
        return super().apply_shard(structs.replace(call, shard_token=""))
