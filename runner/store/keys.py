"""Every key in Redis, a line each: type, what is in it, and how long it lives.

The part in braces is the Cluster hash tag: all keys of one script call lie in one slot.
Names of domains and the prefix hold no braces (the configuration sees to that); ids may hold anything.
"""

from __future__ import annotations

from binascii import crc32

from runner.store.calls import Index
from runner.tasks.record import TaskKey

LAYOUT = 2
"""Version of this layout; a key space written in another is refused."""


class Keys:
    """The keys under one prefix."""

    def __init__(self, prefix: str, shards: int) -> None:
        self._prefix = prefix
        self.shards = shards
        self._spaces: dict[tuple[str, int], str] = {}

    def shard(self, task_id: str) -> int:
        """Return the shard of an id: crc32 of its UTF-8 bytes, modulo the number of shards."""
        return crc32(task_id.encode()) % self.shards

    def task(self, key: TaskKey, shard: int) -> str:
        """Hash: version, state, start of one task. Until the owner's sweep removes it; no EXPIRE."""
        return f"{self._space(key.domain, shard)}:task:{key.id}"

    def home(self, shard: int, partition: int) -> str:
        """Hash: incarnation, floor, and kept decisions by offset. For good; decisions until committed."""
        return f"{self._prefix}:{{{shard}}}:home:{partition}"

    def verified(self, shard: int) -> str:
        """Hash: the server, and the homes that were verified on it. Until a home is restored."""
        return f"{self._prefix}:{{{shard}}}:verified"

    def index(self, index: Index) -> str:
        """Sorted set: members by epoch ms (see IndexKind). An entry goes with its task's change."""
        return f"{self._space(index.domain, index.shard)}:{index.kind.value}:{index.home}"

    @property
    def owner(self) -> str:
        """Hash: whose key space this is, layout, shards, incarnations. For good."""
        return f"{self._prefix}:{{meta}}:owner"

    @property
    def committed(self) -> str:
        """Sorted set: ``incarnation/partition`` by the offset known committed (-1: none). For good."""
        return f"{self._prefix}:{{meta}}:committed"

    @property
    def timeouts(self) -> str:
        """Sorted set: domain by the end of its last TimeoutBetween pass, epoch ms. For good."""
        return f"{self._prefix}:{{meta}}:timeouts"

    def probe(self, slot: int | str) -> str:
        """Nothing, but for a moment in a ping: a name in the slot of a shard, or of what belongs to all."""
        return f"{self._prefix}:{{{slot}}}:probe"

    def _space(self, domain: str, shard: int) -> str:
        """Return what the keys of a domain in a shard begin with.

        A colon in the domain is written %3A: prefix ``a`` with domain ``b:c`` must not meet prefix
        ``a:b`` with domain ``c``.
        """
        space = self._spaces.get((domain, shard))
        if space is None:
            plain = domain.replace("%", "%25").replace(":", "%3A")
            space = self._spaces[domain, shard] = f"{self._prefix}:{plain}:{{{shard}}}"
        return space
