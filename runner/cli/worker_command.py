"""``runner worker``: one worker process, until it is told to stop."""

from __future__ import annotations

import sys
from typing import Final

import typer

from runner import log
from runner.cli.options import ConfigFile, read_config
from runner.cli.wiring.worker import run_worker
from runner.errors import FatalError, RunnerError

_log: Final = log.get("runner")


def worker(config: ConfigFile = None) -> None:
    """Run one worker until SIGTERM or Ctrl-C.

    It joins the consumer group; start several, here or elsewhere, and they
    share the partitions. The first signal finishes the batch in hand, within
    worker.shutdownSeconds; a second one ends it at once. Nothing is lost.
    Logs go to standard error, /metrics and /health to http.port.

    [bold]Example[/bold]

      RUNNER_KAFKA__BROKERS=kafka-1:9092 runner worker --config config/runner.yaml
    """
    settings = read_config(config)
    log.configure(settings.log.format, settings.log.level)
    is_for_programs = settings.log.format == "json" or (
        settings.log.format == "auto" and not sys.stderr.isatty()
    )
    try:
        code = run_worker(settings)
    except RunnerError as error:
        if not is_for_programs:
            raise
        code = error.exit_code if isinstance(error, FatalError) else 1
        _log.error("exiting", label=error.label, reason=str(error), exit_code=code)
    except Exception:
        if not is_for_programs:
            raise
        code = 1
        _log.exception("crashed", exit_code=code)
    raise typer.Exit(code)
