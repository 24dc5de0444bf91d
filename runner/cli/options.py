"""What commands have in common: where the configuration comes from."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from runner.cli.screen import plain
from runner.cli.times import read_moment
from runner.config import Config, load

DEFAULT_FILE: Final = Path("config/runner.yaml")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="RUNNER_CONFIG",
        help="Configuration file.",
        show_default=f"{DEFAULT_FILE} if there is one",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


def read_config(file: Path | None) -> Config:
    """Return the configuration of a file under the environment; ConfigError with every problem.

    Without a file: config/runner.yaml below the current folder if there is one, else the defaults.
    """
    return load(config_file(file), os.environ)


def config_file(file: Path | None) -> Path | None:
    """Return the file that is read; None where there is none and the defaults hold."""
    if file is None and DEFAULT_FILE.is_file():
        return DEFAULT_FILE
    return file


def moment_option(name: str, text: str) -> int:
    """Return the epoch ms that an option says; wrong usage where it is no time."""
    try:
        return read_moment(text, time.time_ns() // 1_000_000)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{name} {plain(text, 60)} is no time; write 15min, 2h or 3d for so long ago, "
            "2026-11-22T08:30 for a local time (with Z for UTC), or epoch ms"
        ) from error
