"""``runner web``: one process of the HTTP API, until it is told to stop."""

from __future__ import annotations

from typing import Final

from runner.cli.options import ConfigFile, read_config
from runner.cli.service import run_service
from runner.config import Config, ConfigError, Problem

INSTALL: Final = "pip install 'saga-task-runner[web]'"


def web(config: ConfigFile = None) -> None:
    """Serve the HTTP API until SIGTERM or Ctrl-C: lists, tasks, and what people do to them.

    It keeps the lists of projection.url up to date from topics.tasks, reads
    single tasks from Redis, and sends what people do to the workers; their
    replies come on topics.replies. Callers bring tokens of web.issuers.
    Start several behind a balancer: none of them has to be asked twice.
    The first signal finishes what is being answered, within
    web.shutdownSeconds. /health/ready, /metrics and /openapi.json are served
    beside the API, at web.port. Needs the extra web.

    [bold]Examples[/bold]

      runner web --config runner.yaml
      RUNNER_WEB__PORT=8091 runner web --config runner.yaml
    """
    settings = read_config(config)
    run_service(settings, lambda: _run(settings))


def _run(config: Config) -> int:
    try:
        from runner.cli.wiring.web import run_web  # noqa: PLC0415 - only here is it installed for sure
    except ImportError as error:
        raise not_installed(config, error) from error
    return run_web(config)


def not_installed(config: Config, error: ImportError) -> ConfigError:
    """Return the error for a package of the extra that is missing."""
    what = f"needs packages that are not installed ({error})"
    return ConfigError([Problem(config.source, "web", what, INSTALL)])
