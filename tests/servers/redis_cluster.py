"""A private Redis Cluster on loopback: masters that share the slots, and replicas of the first ones.

Slots can be moved between its masters step by step, as ``redis-cli --cluster reshard`` does, and a replica
can take the place of its master, in good order or after a ``kill -9``.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from runner.embedded.subprocesses import HOST, free_port
from tests.servers.redis_server import VALKEY, RedisServer, server_folder
from tests.waiting import WAIT_SECONDS

NODE_TIMEOUT_MS: Final = 3_000
"""Long enough for a node that only waits for a core."""
TRY_SECONDS: Final = 6
"""A little longer than the servers try one failover."""
POLL_SECONDS: Final = 0.02
MIGRATE_MS: Final = 5_000
START_TRIES: Final = 3


class RedisCluster:
    """The nodes, masters first; ``start`` makes them a Cluster."""

    def __init__(self, lane: str, folder: Path, masters: int = 3, replicas: int = 0) -> None:
        self.lane = lane
        self._masters = masters
        self.nodes = [_node(lane, folder / f"node-{number}") for number in range(masters + replicas)]

    @property
    def addresses(self) -> list[str]:
        """Every node as host:port."""
        return [f"{HOST}:{node.port}" for node in self.nodes]

    @property
    def masters(self) -> list[RedisServer]:
        """The nodes that began as masters."""
        return self.nodes[: self._masters]

    @property
    def replicas(self) -> list[RedisServer]:
        """The nodes that began as replicas: the first of the first master, and so on."""
        return self.nodes[self._masters :]

    def start(self) -> None:
        """Start the nodes, share the slots out, and wait until all of them agree."""
        for node in self.nodes:
            node.start()
        for number, (master, first) in enumerate(zip(self.masters, self._firsts(), strict=True)):
            last = ([*self._firsts(), REDIS_CLUSTER_HASH_SLOTS][number + 1]) - 1
            ask(master, "CLUSTER ADDSLOTSRANGE", first, last)
            ask(master, "CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            ask(self.nodes[0], "CLUSTER MEET", HOST, node.port, _bus(node))
        wait_for(lambda: all(_knows(node, len(self.nodes)) for node in self.nodes), "all nodes to meet")
        for master, replica in zip(self.masters, self.replicas, strict=False):
            ask(replica, "CLUSTER REPLICATE", _id(master))
        wait_for(lambda: all(map(is_well, self.nodes)), "the cluster to be well")
        for replica in self.replicas:
            wait_for(lambda r=replica: follows(r), "a replica to follow")  # type: ignore[misc]

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.stop()

    def owner(self, slot: int) -> RedisServer:
        """Return the node that has a slot, as the others say."""
        for first, last, (_, port, *_), *_replicas in ask(self._alive()[0], "CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def begin_move(self, slot: int, to: RedisServer) -> RedisServer:
        """Let a slot begin to move; return the node it moves from."""
        source = self.owner(slot)
        ask(to, "CLUSTER SETSLOT", slot, "IMPORTING", _id(source))
        ask(source, "CLUSTER SETSLOT", slot, "MIGRATING", _id(to))
        return source

    def move_keys(self, slot: int, source: RedisServer, to: RedisServer, most: int) -> int:
        """Move some of the keys of a slot; return how many."""
        keys = ask(source, "CLUSTER GETKEYSINSLOT", slot, most)
        if keys:
            ask(source, "MIGRATE", HOST, to.port, "", 0, MIGRATE_MS, "KEYS", *keys)
        return len(keys)

    def end_move(self, slot: int, to: RedisServer) -> None:
        """Say that a slot has moved, to the new owner first."""
        for node in [to, *(node for node in self._alive() if node is not to)]:
            if role(node) == "master":
                ask(node, "CLUSTER SETSLOT", slot, "NODE", _id(to))

    def _alive(self) -> list[RedisServer]:
        return [node for node in self.nodes if node.running]

    def _firsts(self) -> list[int]:
        return [number * REDIS_CLUSTER_HASH_SLOTS // self._masters for number in range(self._masters)]


def slot_of(key: str) -> int:
    """Return the slot of a key."""
    return key_slot(key.encode())


def ask(node: RedisServer, *command: Any) -> Any:
    """Give one node one command."""
    with node.client() as client:
        return client.execute_command(*command)


def role(node: RedisServer) -> str:
    """Return master or slave."""
    return str(_replication(node)["role"])


def offset(node: RedisServer) -> int:
    """Return how far the replication stream has come, as the node itself has it."""
    found = _replication(node)
    return int(found["slave_repl_offset" if found["role"] == "slave" else "master_repl_offset"])


def follows(replica: RedisServer) -> bool:
    """Whether a replica is connected to its master."""
    return _replication(replica).get("master_link_status") == "up"


def is_well(node: RedisServer) -> bool:
    """Whether a node holds the Cluster for complete."""
    with node.client() as client:
        state = client.execute_command("CLUSTER INFO")["cluster_state"]
        return bool(state == "ok")


def hand_over(replica: RedisServer) -> None:
    """Make a replica the master of its slots, in good order.

    Asked again where it came to nothing: the other masters vote for a replica only once all agree on who
    has which slots, and a try that fails is not repeated by the servers.
    """

    def is_master() -> bool:
        if role(replica) == "master":
            return True
        with contextlib.suppress(TimeoutError):
            ask(replica, "CLUSTER FAILOVER")
            wait_for(lambda: role(replica) == "master", "the replica to be master", TRY_SECONDS)
        return role(replica) == "master"

    wait_for(is_master, "the replica to be master, asked again and again")


def kill_caught_up(master: RedisServer, replica: RedisServer) -> None:
    """Kill a master once its replica has all it ever acknowledged: it acknowledges nothing more before."""
    with master.client() as client:
        client.execute_command("CLIENT PAUSE", 60_000, "WRITE")
    wait_for(lambda: offset(replica) >= offset(master), "the replica to catch up")
    master.kill()


def wait_for(fact: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Return once a fact is so; TimeoutError naming it otherwise."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def running_cluster(lane: str = VALKEY, masters: int = 3, replicas: int = 0) -> Iterator[RedisCluster]:
    """Run a Cluster of servers of that lane; LaneMissing where the lane has none."""
    with server_folder(lane) as folder:
        cluster = _started(lane, folder, masters, replicas)
        try:
            yield cluster
        finally:
            cluster.stop()


def _started(lane: str, folder: Path, masters: int, replicas: int) -> RedisCluster:
    """Start a Cluster on free ports; another process may snatch one of that many, so try again."""
    for number in count(1):
        cluster = RedisCluster(lane, folder / f"try-{number}", masters, replicas)
        try:
            cluster.start()
        except (RuntimeError, TimeoutError, redis.RedisError):
            cluster.stop()
            if number == START_TRIES:
                raise
        else:
            return cluster
    raise AssertionError  # count does not end


def _node(lane: str, folder: Path) -> RedisServer:
    folder.mkdir(parents=True)
    bus: Sequence[str] = ("--cluster-port", str(free_port()))
    settings = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS))
    quick = ("--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0")
    return RedisServer(lane, folder, appendonly=False, options=(*settings, *bus, *quick))


def _bus(node: RedisServer) -> int:
    return int(ask(node, "CONFIG GET", "cluster-port")["cluster-port"])


def _id(node: RedisServer) -> str:
    return str(ask(node, "CLUSTER MYID").decode())


def _knows(node: RedisServer, count: int) -> bool:
    with node.client() as client:
        found = client.execute_command("CLUSTER NODES")
    return len(found) == count and all("handshake" not in each["flags"] for each in found.values())


def _replication(node: RedisServer) -> dict[str, Any]:
    with node.client() as client:
        found: dict[str, Any] = client.info("replication")
    return found
