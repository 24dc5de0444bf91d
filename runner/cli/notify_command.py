"""``runner notify``: one process that turns notifications into mail and chat, until it is told to stop."""

from __future__ import annotations

from typing import Final

from runner.cli.options import ConfigFile, read_config
from runner.cli.service import run_service
from runner.config import Config, ConfigError, Problem

INSTALL: Final = "pip install 'saga-task-runner[notify]'"


def notify(config: ConfigFile = None) -> None:
    """Send notifications as mail and chat until SIGTERM or Ctrl-C.

    It reads topics.notifications and sends what notify.routes says, through
    the addresses of notify.channels (anything that Apprise knows), to channels
    or to the people themselves, whom notify.directory finds. Every
    notification is sent at least once. A channel that fails is tried again
    with growing pauses, while the others go on; then it goes to the dead
    letters ("runner dlq list", "runner dlq replay"). Start several, and they
    share the partitions. Needs the extra notify.

    [bold]Examples[/bold]

      runner notify --config runner.yaml
      RUNNER_HTTP__PORT=8081 runner notify --config runner.yaml
    """
    settings = read_config(config)
    run_service(settings, lambda: _run(settings))


def _run(config: Config) -> int:
    try:
        from runner.cli.wiring.notify import run_notify  # noqa: PLC0415 - only here is it installed for sure
    except ImportError as error:
        raise not_installed(config, error) from error
    return run_notify(config)


def not_installed(config: Config, error: ImportError) -> ConfigError:
    """Return the error for a package of the extra that is missing."""
    what = f"needs packages that are not installed ({error})"
    return ConfigError([Problem(config.source, "notify", what, INSTALL)])
