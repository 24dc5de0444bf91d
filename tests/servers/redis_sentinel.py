"""A master, its replica and a Sentinel that watches them, on loopback."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import redis

from runner.embedded.redis import wait_until_answering
from runner.embedded.subprocesses import HOST, free_port, start_tethered, stop
from tests.servers.redis_cluster import follows, wait_for
from tests.servers.redis_server import VALKEY, RedisServer, redis_binary, server_folder
from tests.waiting import WAIT_SECONDS

MASTER: Final = "tasks"
DOWN_MS: Final = 4_000
"""Long enough for a server that only waits for a core."""
CONFIGURATION: Final = """\
port {port}
bind {host}
dir {folder}
sentinel monitor {master} {host} {master_port} 1
sentinel down-after-milliseconds {master} {down_ms}
sentinel failover-timeout {master} 10000
"""


class SentinelPair:
    """``servers`` are the first master and the first replica; the Sentinel alone decides (quorum 1)."""

    def __init__(self, lane: str, folder: Path) -> None:
        self.lane = lane
        self._folder = folder
        first, second = folder / "first", folder / "second"
        first.mkdir()
        second.mkdir()
        quick = ("--repl-diskless-sync-delay", "0")
        master = RedisServer(lane, first, appendonly=False, options=quick)
        replica = RedisServer(
            lane, second, appendonly=False, options=(*quick, "--replicaof", HOST, str(master.port))
        )
        self.servers = [master, replica]
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The Sentinel as host:port."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """What the Sentinel wrote."""
        return (self._folder / "sentinel.log").read_text(errors="replace")

    def start(self) -> None:
        """Start all three, and wait until the Sentinel knows the replica."""
        for server in self.servers:
            server.start()
        wait_for(lambda: follows(self.servers[1]), "the replica to follow")
        file = self._folder / "sentinel.conf"
        file.write_text(
            CONFIGURATION.format(
                port=self.port,
                host=HOST,
                folder=self._folder,
                master=MASTER,
                master_port=self.servers[0].port,
                down_ms=DOWN_MS,
            )
        )
        with (self._folder / "sentinel.log").open("wb") as log:
            child = start_tethered([redis_binary(self.lane), str(file), "--sentinel"], stdout=log, stderr=log)
        self._child = child
        if not wait_until_answering(child, self.port, WAIT_SECONDS):
            raise RuntimeError(self.log)
        wait_for(self._knows_replica, "the Sentinel to know the replica")

    def stop(self) -> None:
        """End all three."""
        if self._child is not None:
            stop(self._child)
            self._child = None
        for server in self.servers:
            server.stop()

    def sentinel(self) -> redis.Redis:
        """Return a new client of the Sentinel; the caller closes it."""
        return redis.Redis(host=HOST, port=self.port)

    def master(self) -> RedisServer:
        """Return the server that the Sentinel names."""
        with self.sentinel() as client:
            _, port = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER)
        return next(server for server in self.servers if server.port == int(port))

    def fail_over(self, *how: str) -> None:
        """Have the Sentinel put the replica in the master's place, and return when it names the new one.

        With COORDINATED (Valkey 9) the master hands over all it has; otherwise it is not even asked.
        """
        before = self.master()
        with self.sentinel() as client:
            # It takes a replica only once it has asked it how it is.
            wait_for(lambda: _accepts(client, "SENTINEL FAILOVER", MASTER, *how), "a replica to promote")
        wait_for(lambda: self.master() is not before, "the Sentinel to name the new master")

    def cut_off(self) -> None:
        """Let the first master go on without its replica: what it is given from now on, it has alone."""
        master, replica = self.servers
        with master.client() as client:
            client.execute_command("ACL SETUSER", "default", "-psync", "-sync")
            client.execute_command("CLIENT KILL", "TYPE", "replica")
        wait_for(lambda: not follows(replica), "the replica to be cut off")

    def _knows_replica(self) -> bool:
        with self.sentinel() as client:
            found = client.execute_command("SENTINEL REPLICAS", MASTER)
        return bool(found)


def _accepts(client: redis.Redis, *command: str) -> bool:
    try:
        client.execute_command(*command)  # type: ignore[no-untyped-call]
    except redis.ResponseError as refusal:
        if "NOGOODSLAVE" not in str(refusal):
            raise
        return False
    return True


@contextlib.contextmanager
def running_sentinel(lane: str = VALKEY) -> Iterator[SentinelPair]:
    """Run the three of that lane; LaneMissing where the lane has none."""
    with server_folder(lane) as folder:
        pair = SentinelPair(lane, folder)
        try:
            pair.start()
            yield pair
        finally:
            pair.stop()
