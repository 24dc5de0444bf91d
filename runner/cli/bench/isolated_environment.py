"""A place of its own for a measurement: topics, key space and workers that go away with it.

It lies beside the configured ones, on the same Kafka and Redis and under the same names with an ending,
so that the rights of the runner's users fit; nothing that is in use is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from runner.cli.wiring import connect_store, required_topics
from runner.config import Config, load
from runner.embedded.subprocesses import start_tethered, stop
from runner.errors import FatalError, StoreUnavailable
from runner.kafka.clients import ANSWER_SECONDS, Connection, connect_admin
from runner.store.calls import Page
from runner.store.listing import TaskFilter, list_tasks
from runner.tasks.record import TaskKey

DOMAIN: Final = "bench"
_LAST_LINES: Final = 3
_PAGE: Final = 1000


def overrides(config: Config, name: str) -> dict[str, str]:
    """Return the variables that put a worker beside the configured ones."""
    topics = config.topics
    encodings = {
        f"{topic}-{name}": config.encoding.of(topic) for topic in (topics.requests, topics.responses)
    }
    return {
        "RUNNER_TOPICS__REQUESTS": f"{topics.requests}-{name}",
        "RUNNER_TOPICS__RESPONSES": f"{topics.responses}-{name}",
        "RUNNER_TOPICS__DEADLETTERS": f"{topics.dead_letters}-{name}",
        "RUNNER_TOPICS__TASKS": f"{topics.tasks}-{name}" if topics.tasks else "",
        "RUNNER_ENCODING__TOPICS": json.dumps(encodings),
        "RUNNER_KAFKA__GROUP": f"{config.kafka.group}-{name}",
        "RUNNER_REDIS__PREFIX": f"{config.redis.prefix}:{name}",
        "RUNNER_REDIS__STARTEMPTY": "false",
        "RUNNER_RESPONSES__STREAMS": "[]",
        "RUNNER_INPUTS": "{}",
        "RUNNER_META": "{}",
        "RUNNER_DOMAINS": json.dumps({DOMAIN: {"onProceed": "delete"}}),
        "RUNNER_HTTP__PORT": "0",
        # Sooner than somebody who waits for replies gives up: the worker says what is missing.
        "RUNNER_WORKER__STARTSECONDS": "20",
        "RUNNER_LOG__LEVEL": "warning",
        "RUNNER_LOG__FORMAT": "console",
    }


class Workers:
    """Worker processes, and what they last said."""

    def __init__(self, children: list[subprocess.Popen[bytes]], output: IO[bytes]) -> None:
        self._children = children
        self._output = output

    def check(self) -> None:
        """Return while all run; FatalError with the last words of one that ended."""
        if all(child.poll() is None for child in self._children):
            return
        self._output.seek(0)
        said = self._output.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        raise FatalError("a worker ended by itself: " + ("\n".join(said) or "it said nothing"))


@contextmanager
def isolated_environment(
    config: Config, file: Path | None, name: str, partitions: int, workers: int
) -> Iterator[tuple[Config, Workers]]:
    """Give the configuration of the place and its workers, for the length of the block."""
    given = overrides(config, name)
    kept = {key: value for key, value in os.environ.items() if not _is_said_by(given, key)}
    own = load(file, {**kept, **given})
    admin = connect_admin(own)
    with ExitStack() as stack:
        _create_topics(admin, own, partitions)
        stack.callback(_delete_topics, admin, own)
        stack.callback(_empty_redis, own, partitions)
        output = stack.enter_context(tempfile.TemporaryFile())
        children = []
        for _ in range(workers):
            child = start_tethered(_command(file, given), stdout=output, stderr=output)
            stack.callback(stop, child)
            children.append(child)
        yield own, Workers(children, output)


def _command(file: Path | None, given: Mapping[str, str]) -> list[str]:
    """Return the command line of a worker with these variables; secrets stay in the environment."""
    cleared = [part for name in os.environ if _is_said_by(given, name) for part in ("-u", name)]
    named = [] if file is None else ["--config", str(file)]
    environment = shutil.which("env") or "/usr/bin/env"
    variables = [f"{name}={value}" for name, value in given.items()]
    worker = [sys.executable, "-P", "-m", "runner.cli", "worker", *named]
    return [environment, *cleared, *variables, *worker]


def _is_said_by(given: Mapping[str, str], name: str) -> bool:
    """Whether a variable means what one of the given means, in another spelling, or a part of it."""
    plain = name.upper().replace("_", "")
    return any(plain == each.replace("_", "") or name.upper().startswith(f"{each}__") for each in given)


def _create_topics(admin: Connection[AdminClient], config: Config, partitions: int) -> None:
    topics = config.topics
    names = (topics.requests, topics.responses, topics.dead_letters)
    wanted = [NewTopic(name, partitions, -1) for name in names]
    if topics.tasks is not None:
        wanted.append(NewTopic(topics.tasks, config.redis.shards, -1, config={"cleanup.policy": "compact"}))
    admin.metadata()
    asked = admin.client.create_topics(wanted, operation_timeout=ANSWER_SECONDS)
    for name, answer in asked.items():
        try:
            answer.result()
        except KafkaException as error:
            raise FatalError(
                f"topic {name} cannot be created: {error.args[0].str()}; bench makes topics of its own, "
                "or measures what runs with --running"
            ) from error


def _delete_topics(admin: Connection[AdminClient], config: Config) -> None:
    names = list(required_topics(config))
    for answer in admin.client.delete_topics(names, operation_timeout=ANSWER_SECONDS).values():
        with suppress(KafkaException, TimeoutError):
            answer.result(ANSWER_SECONDS)
    for answer in admin.client.delete_consumer_groups([config.kafka.group]).values():
        with suppress(KafkaException, TimeoutError):
            answer.result(ANSWER_SECONDS)


def _empty_redis(config: Config, homes: int) -> None:
    """Remove the whole key space; the workers have ended."""
    tasks: list[TaskKey] = []
    cursor: str | None = None
    with closing(connect_store(config)) as store, suppress(StoreUnavailable):
        while True:
            page = list_tasks(store, TaskFilter([DOMAIN], homes), Page(_PAGE, cursor))
            tasks += [row.record.key for row in page.rows]
            cursor = page.cursor
            if cursor is None:
                break
        store.drop_key_space(tasks, [DOMAIN], homes)
