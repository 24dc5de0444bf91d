"""``runner dev``: everything the runner needs, embedded, until Ctrl-C; and how to talk to it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from typing import Annotated, Any, Final

import typer

from runner.cli.embedded_runner import WHAT, EmbeddedRunner, embedded_runner, left_out
from runner.cli.options import ConfigFile, read_config
from runner.cli.screen import say, stderr, stdout
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.embedded.subprocesses import HOST
from runner.errors import FatalError

PARTITIONS: Final = 12
READY_SECONDS: Final = 30.0

_ASK_SECONDS: Final = 0.1
_OK: Final = 200


def dev(
    partitions: Annotated[int, typer.Option(min=1, max=100, help="Partitions of each topic.")] = PARTITIONS,
    config: ConfigFile = None,
) -> None:
    """Run a broker, a Redis and a worker to play with, until Ctrl-C.

    Prints how to talk to them from another terminal. Nothing is kept: all of
    it is gone when this ends. Sections kafka, redis, http, schemaRegistry and
    the setting delivery of the configuration do not count here; what they set
    is named. The encoding confluent-avro is refused, for want of a registry.

    [bold]Example[/bold]

      runner dev
    """
    base = read_config(config)
    if names := left_out(base):
        say(stderr(), f"note: {', '.join(names)} of {base.source} do not count here", "yellow")
    try:
        with embedded_runner(base, partitions, sys.stderr.fileno()) as running:
            _wait_until_ready(running)
            say(stdout(), explanation(running))
            code = running.worker.wait()
    except KeyboardInterrupt:
        say(stderr(), "ended")
        return
    raise FatalError(f"the worker ended by itself with exit code {code}; its log is above")


def explanation(running: EmbeddedRunner) -> str:
    """Return what to type in another terminal."""
    config = running.config
    domain = next(iter(config.domains), "default")
    return "\n".join(
        [
            f"Ready, until Ctrl-C. {WHAT[0].upper()}{WHAT[1:]}.",
            "",
            "In another terminal, first:",
            f"  export RUNNER_CONFIG={running.file}",
            "or, for programs of your own:",
            f"  export RUNNER_KAFKA__BROKERS={config.kafka.brokers} RUNNER_DELIVERY={config.delivery}",
            f"  export RUNNER_REDIS__URL={config.redis.url.get_secret_value()}",
            "",
            "A task that waits for a manager, for ten minutes:",
            f"  {_echo(_start(domain))}",
            "  runner task show t-1",
            "A manager finishes it:",
            f"  {_echo(_proceed(domain))}",
            "All answers, as they come:",
            "  runner tail --from-beginning",
            "How the worker is:",
            f"  curl http://{HOST}:{config.http.port}/health/ready",
        ]
    )


def _start(domain: str) -> dict[str, Any]:
    parameters = {"taskRoles": "manager", "timeout": 600_000}
    return {
        "requestMeta": {"id": "r-1"},
        "sagaMeta": [{"sagaId": "s-1", "stepId": "approve"}],
        "eventMeta": {"action": "StartTask", "domain": domain, "parameters": parameters},
        "payload": {"taskId": "t-1", "amount": 12},
    }


def _proceed(domain: str) -> dict[str, Any]:
    return {
        "requestMeta": {"id": "r-2", "claims": {"sub": "ann", "roles": ["manager"]}},
        "eventMeta": {"action": "ProceedTask", "domain": domain},
        "payload": {"taskId": "t-1"},
    }


def _echo(event: dict[str, Any]) -> str:
    return f"echo '{json.dumps(event, separators=(',', ':'))}' | runner send --wait -"


def _wait_until_ready(running: EmbeddedRunner) -> None:
    """Return once the worker says that it is ready; FatalError if it ends or takes too long."""
    give_up = monotonic_seconds() + READY_SECONDS
    while not _is_ready(running.config):
        try:
            code = running.worker.wait(_ASK_SECONDS)
        except subprocess.TimeoutExpired:
            if monotonic_seconds() > give_up:
                raise FatalError(f"the worker is not ready after {READY_SECONDS:.0f} s") from None
        else:
            raise FatalError(f"the worker did not start (exit code {code}); its log is above")


def _is_ready(config: Config) -> bool:
    connection = http.client.HTTPConnection(HOST, config.http.port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == _OK
    except OSError:
        return False
    finally:
        connection.close()
