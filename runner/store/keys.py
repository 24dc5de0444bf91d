"""Keys: the name of every key in Redis, with its type, content and lifetime.

The part in braces is the Cluster hash tag: all keys of one script call lie in one slot.
Names of domains and the prefix hold no braces (the configuration refuses them); ids may hold anything.
"""

from __future__ import annotations

from binascii import crc32

from runner.store.calls import Index
from runner.tasks.keys import TaskKey

LAYOUT = 3
"""Version of the layout of the key space; a key space in another layout is refused."""


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
        """Hash: version and parts of one task. Until the owner of its home removes it; no EXPIRE."""
        return f"{self._space(key.domain, shard)}:task:{key.id}"

    def home(self, shard: int, partition: int) -> str:
        """Hash: incarnation, fence, applied offset, restore lease; kept decisions until committed."""
        return f"{self._prefix}:{{{shard}}}:home:{partition}"

    def verified(self, shard: int) -> str:
        """Hash: server, shard token, and the homes verified on that server. Until a home is restored."""
        return f"{self._prefix}:{{{shard}}}:verified"

    def index(self, index: Index) -> str:
        """Sorted set: members by epoch ms (see IndexKind). An entry is removed when its task changes."""
        return f"{self._space(index.domain, index.shard)}:{index.kind.value}:{index.home}"

    @property
    def owner(self) -> str:
        """Hash: owner of the key space, layout, shards, incarnations, changelog. Never removed."""
        return f"{self._prefix}:{{meta}}:owner"

    @property
    def committed(self) -> str:
        """Sorted set: ``incarnation/partition`` by committed offset (-1: none). Never removed."""
        return f"{self._prefix}:{{meta}}:committed"

    @property
    def timeouts(self) -> str:
        """Sorted set: domain by the end of its last TimeoutBetween pass, epoch ms. Never removed."""
        return f"{self._prefix}:{{meta}}:timeouts"

    def probe(self, slot: int | str) -> str:
        """Key that exists only during a ping, in the slot of a shard or of the key space (``meta``)."""
        return f"{self._prefix}:{{{slot}}}:probe"

    def _space(self, domain: str, shard: int) -> str:
        """Return the beginning of the keys of a domain in a shard.

        A colon in the domain is written %3A: prefix ``a`` with domain ``b:c`` must not share keys with
        prefix ``a:b`` with domain ``c``.
        """
        space = self._spaces.get((domain, shard))
        if space is None:
            escaped = domain.replace("%", "%25").replace(":", "%3A")
            space = self._spaces[domain, shard] = f"{self._prefix}:{escaped}:{{{shard}}}"
        return space
