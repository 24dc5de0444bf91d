"""``runner config check``: says what is configured, or everything that is wrong with it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import typer

from runner.cli.notify_command import INSTALL
from runner.cli.options import AsJson, ConfigFile, config_file, read_config
from runner.cli.screen import note, print_json, say, stdout
from runner.cli.wiring.events import check_event_settings
from runner.cli.wiring.traces import open_traces
from runner.config import Config, ConfigError, Problem, check_properties
from runner.config.clients import check_tls_files
from runner.config.yaml_file import dump
from runner.kafka.codecs import build_codecs
from runner.metrics import Metrics


def check(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Print the effective configuration, secrets masked, or every problem.

    Defaults under the file under the environment, as a worker would take
    them. Nothing is started and nobody is asked. Problems: exit code 3.

    [bold]Examples[/bold]

      runner config check
      RUNNER_KAFKA__BROKERS=kafka-1:9092 runner config check --json
    """
    try:
        settings = read_config(config)
        check_properties(settings)
        check_event_settings(settings)
        build_codecs(settings).close()
        check_tls_files(settings)
        with ExitStack() as stack:
            open_traces(settings, Metrics(), stack)
        _check_notify(settings)
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"problems": [_described(problem) for problem in error.problems]})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        print_json(settings.describe())
    else:
        _print_yaml(settings, config)


def _check_notify(config: Config) -> None:
    """Try the settings of ``runner notify`` where it is configured and installed."""
    if not config.notify.routes:
        return
    try:
        from runner.cli.wiring.notify import prepare  # noqa: PLC0415 - only where it is used
    except ImportError as error:
        note(f"note: notify was not checked: {error}; {INSTALL}")
        return
    prepare(config)


def _described(problem: Problem) -> dict[str, str]:
    return {"where": problem.where, "key": problem.key, "what": problem.what, "remedy": problem.remedy}


def _print_yaml(settings: Config, file: Path | None) -> None:
    source = config_file(file)
    origin = "the defaults" if source is None else str(source)
    say(stdout(), f"# {origin}, under the environment; secrets are masked", "dim")
    say(stdout(), dump(settings.describe()).rstrip())
    if not settings.kafka.brokers.strip():
        note("note: kafka.brokers is empty; a worker does not start without")
