"""Explanation: what ``dev`` says of how to talk to what it runs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from runner.cli.embedded_runner import PEOPLE, WHAT, EmbeddedRunner
from runner.config import Config
from runner.embedded.subprocesses import HOST

_SHOWN: Final = "What becomes of tasks, and what their sagas hear, is shown here as it comes."


def explanation(running: EmbeddedRunner, examples: int = 0) -> str:
    """Return what to type in another terminal, and where the inbox is; ``examples``: tasks that wait."""
    config = running.config
    return "\n".join(
        [
            f"Ready, until Ctrl-C. {WHAT[0].upper()}{WHAT[1:]}.",
            "",
            "In another terminal, first:",
            f"  export RUNNER_CONFIG={running.file}",
            *_path(),
            "or, for programs of your own:",
            f"  export RUNNER_KAFKA__BROKERS={config.kafka.brokers} RUNNER_DELIVERY={config.delivery}",
            f"  export RUNNER_REDIS__URL={config.redis.url.get_secret_value()}",
            "",
            "A task that waits for a manager, for ten minutes:",
            f"  {_echo(_start(domain_of(config)))}",
            "  runner task show t-1",
            "A manager finishes it:",
            f"  {_echo(_proceed(domain_of(config)))}",
            "All answers, as they come:",
            "  runner tail --from-beginning",
            "How the worker is:",
            f"  curl http://{HOST}:{config.http.port}/health/ready",
            "",
            *_web(running, examples),
        ]
    )


def domain_of(config: Config) -> str:
    """Return the domain that tasks are started in; one that is refused where the configuration has none."""
    return next(iter(config.domains), "default")


def _path() -> list[str]:
    """Return how another terminal finds this program, where it does not by itself."""
    return [] if shutil.which("runner") else [f'  export PATH="{Path(sys.executable).parent}:$PATH"']


def _web(running: EmbeddedRunner, examples: int) -> list[str]:
    if running.web is None:
        return ['There is no inbox and no HTTP API: the extra "web" is not installed.', "", _SHOWN]
    url, person = web_url(running.config), next(iter(PEOPLE))
    waiting = f"{examples} example tasks wait in it" if examples else "nothing waits in it"
    return [
        f"The HTTP API is at {url}/api/v1 (docs/api.md), its description at {url}/openapi.json.",
        f"Callers name one of the users. What there is to do for {person}:",
        f"  curl -H 'Authorization: Bearer {person}' '{url}/api/v1/tasks?forMe=true'",
        "",
        f"The inbox is at {url}/ and {waiting}.",
        f"Be {_people(running.config)} there. {_SHOWN}",
    ]


def web_url(config: Config) -> str:
    """Return where browsers find the inbox, without a slash at the end."""
    return f"http://{HOST}:{config.web.port}"


def _people(config: Config) -> str:
    *others, last = (f"{name} ({roles[-1]})" for name, roles in config.web.users.items())
    return f"{', '.join(others)} or {last}"


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
