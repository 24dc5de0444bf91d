"""Broker, Redis, one worker and the HTTP API in one go, all children of this process: for demo and dev.

The worker is a real ``runner worker`` with a configuration file of its own, and so is ``runner web``; the
environment of whoever tries things out does not reach them. All end with this process, however it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from runner.config import Config, ConfigError, Problem, load
from runner.config.environment import PREFIX
from runner.config.yaml_file import dump
from runner.embedded import embedded_broker, embedded_redis
from runner.embedded.subprocesses import HOST, free_port, start_tethered, stop
from runner.kafka.preflight import topic_names

WHAT: Final = (
    "embedded: librdkafka's mock broker and a Valkey server; the mock has no transactions, "
    "so delivery is at_least_once here, and the changelog serves lists only"
)

PEOPLE: Final[Mapping[str, list[str]]] = {
    "clara": ["clerk"],
    "max": ["clerk", "manager"],
    "ada": ["clerk", "manager"],
}
"""Who may be at the HTTP API and in the inbox here, and their roles; ada is admin of every domain."""

# What says where the servers are, or is for real ones only.
_REPLACED: Final = frozenset({"kafka", "redis", "http", "delivery", "schemaRegistry", "projection", "web"})
# The broker never wakes a waiting fetch: without this every message waits for half a second.
_CONSUMER: Final = {"fetch.wait.max.ms": 10}


@dataclass(frozen=True, slots=True)
class EmbeddedRunner:
    """What runs: the worker, its configuration, the file that holds it, and the HTTP API if asked for."""

    worker: subprocess.Popen[bytes]
    config: Config
    file: Path
    web: subprocess.Popen[bytes] | None = None

    def ended(self) -> str | None:
        """Return what has ended by itself, and with which exit code; None while all run."""
        children = {"worker": self.worker, "HTTP API": self.web}
        codes = {name: child.poll() for name, child in children.items() if child is not None}
        return next(
            (
                f"the {name} ended by itself with exit code {code}"
                for name, code in codes.items()
                if code is not None
            ),
            None,
        )


@contextmanager
def embedded_runner(
    base: Config, partitions: int, output: int | IO[bytes], *, has_web: bool = False
) -> Iterator[EmbeddedRunner]:
    """Run broker, Redis and a worker for the length of the block; the logs go to ``output``.

    ``base`` says all that is not about servers. The worker has been started, not more. SIGTERM raises
    KeyboardInterrupt inside the block, as Ctrl-C does. Raises EmbeddedUnavailable, or ConfigError for what
    asks for a server that is not embedded.
    """
    require_embeddable(base)
    with ExitStack() as stack:
        stack.enter_context(_ended_by_sigterm())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="saga-task-runner-")))
        topics = dict.fromkeys(topic_names(base), partitions)
        if base.topics.tasks is not None:
            topics[base.topics.tasks] = base.redis.shards
        bootstrap = stack.enter_context(embedded_broker(topics))
        redis_url = stack.enter_context(embedded_redis())
        file = folder / "runner.yaml"
        settings = settings_for(base, bootstrap, redis_url, folder)
        file.write_text(dump(settings), encoding="utf-8")
        worker, *others = (
            stack.enter_context(_running(command_of(name, file, os.environ), output))
            for name in ("worker", *(["web"] if has_web else []))
        )
        yield EmbeddedRunner(worker, load(file, {}), file, *others)


@contextmanager
def _running(command: Sequence[str], output: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    child = start_tethered(command, stdout=output, stderr=output)
    try:
        yield child
    finally:
        stop(child)


def command_of(name: str, file: Path, env: Mapping[str, str]) -> list[str]:
    """Return the command line of a process that reads this file, and of ``env`` no RUNNER_ variable."""
    named = [name for name in env if name.upper().startswith(PREFIX)]
    cleared = [part for name in named for part in ("-u", name)]
    environment = shutil.which("env") or "/usr/bin/env"
    return [environment, *cleared, sys.executable, "-P", "-m", "runner.cli", name, "--config", str(file)]


def left_out(base: Config) -> list[str]:
    """Return what a configuration sets in vain here, since broker and Redis are embedded ones."""
    settings, defaults = base.describe(), Config().describe()
    # Its port counts.
    settings["web"] |= {"port": defaults["web"]["port"]}
    names = [name for name in settings if name in _REPLACED and settings[name] != defaults[name]]
    # The embedded broker has no transactions, without which its messages could be ahead of Redis.
    return names + ["topics.tasks"] * (settings["topics"]["tasks"] != defaults["topics"]["tasks"])


def require_embeddable(base: Config) -> None:
    """ConfigError for what asks for a server that is not embedded."""
    encoding = base.encoding
    encodings = {"encoding.default": encoding.default}
    encodings |= {f"encoding.topics.{name}": value for name, value in encoding.topics.items()}
    problems = [
        Problem(
            base.source,
            setting,
            "is confluent-avro, but no schema registry is embedded",
            "use avro or json here, or a worker with servers of your own",
        )
        for setting, value in encodings.items()
        if value == "confluent-avro"
    ]
    if problems:
        raise ConfigError(problems)


def settings_for(base: Config, brokers: str, redis_url: str, folder: Path) -> dict[str, Any]:
    """Return a configuration, as its file has it, like ``base`` but for these servers. No secrets in it.

    Whoever is at this machine may be any of the people in it.
    """
    kept = {name: value for name, value in base.describe().items() if name not in _REPLACED}
    return kept | {
        "delivery": "at_least_once",
        "kafka": {"brokers": brokers, "consumer": dict(_CONSUMER)},
        "redis": {"url": redis_url, "shards": base.redis.shards},
        "http": {"port": free_port()},
        "projection": {
            "url": f"sqlite:///{folder / 'projection.db'}",
            "attributes": dict(base.projection.attributes),
        },
        "web": {"port": _port_of(base), "auth": "none", "users": _people(base)},
    }


def _people(base: Config) -> dict[str, list[str]]:
    admins = {each.admin_role for each in base.domains.values() if each.admin_role is not None}
    return {**PEOPLE, "ada": [*PEOPLE["ada"], *sorted(admins)]}


def _port_of(base: Config) -> int:
    """Return the port that the configuration names for the HTTP API, or another where that is taken, or 0."""
    if base.web.port == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, base.web.port))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that the children are ended in good order."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
