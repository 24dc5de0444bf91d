"""What commands that run until a signal have in common: their logs, and their exit codes.

Where people read, an error is shown as by any command; where programs read, it is the last line of the log.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import typer

from runner import log
from runner.config import Config
from runner.errors import FatalError, RunnerError

_log: Final = log.get("runner")


def run_service(config: Config, run: Callable[[], int]) -> None:
    """Configure the log, run until the end, and exit with the code."""
    log.configure(config.log.format, config.log.level)
    is_for_programs = config.log.format == "json" or (config.log.format == "auto" and not sys.stderr.isatty())
    try:
        code = run()
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
