"""What commands have in common: where the configuration comes from, who does it, and values as typed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runner.cli.screen import plain
from runner.cli.times import read_moment, read_span
from runner.config import Config, load
from runner.envelope.plain import BYTE_ORDER_MARK, decode
from runner.envelope.values import names_in

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

User = Annotated[str | None, typer.Option("--as", "--user", metavar="USER", help="Who does it.")]
Roles = Annotated[str | None, typer.Option(metavar="ROLE,ROLE", help="The roles of the user.")]
Patience = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long to wait for the reply.")
]


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


def moment_option(name: str, text: str, *, is_ahead: bool = False) -> int:
    """Return the epoch ms that an option says; wrong usage where it is no time.

    ``is_ahead``: a span is one from now on, else so long ago.
    """
    try:
        return read_moment(text, time.time_ns() // 1_000_000, is_ahead=is_ahead)
    except (ValueError, OverflowError) as error:
        span = "from now on" if is_ahead else "for so long ago"
        raise typer.BadParameter(
            f"{name} {plain(text, 60)} is no time; write 15min, 2h or 3d {span}, "
            "2026-11-22T08:30 for a local time (with Z for UTC), or epoch ms"
        ) from error


def span_option(name: str, text: str) -> int:
    """Return the ms of the span that an option says; wrong usage where it is none."""
    try:
        return read_span(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{name} {plain(text, 60)} is no span; write 90s, 15min, 2h or 3d"
        ) from error


def object_option(name: str, text: str) -> dict[str, Any]:
    """Return the JSON object that an option gives, or names (``@FILE``, ``-``); else wrong usage."""
    try:
        if text == "-":
            data = sys.stdin.buffer.read()
        elif text.startswith("@"):
            data = Path(text[1:]).read_bytes()
        else:
            data = text.encode()
        value = decode(data.removeprefix(BYTE_ORDER_MARK))
    except OSError as error:
        raise typer.BadParameter(f"{name} {text} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{name} must be a JSON object")
    return value


def roles_option(roles: str | None, name: str = "--roles") -> list[str] | None:
    """Return the roles that an option names; None where it is not given. Wrong usage for a blank."""
    names = None if roles is None else names_in(roles)
    if roles and not names:
        raise typer.BadParameter(f"{name} names nobody; write manager,director, or leave it out")
    return names
