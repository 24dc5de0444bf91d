"""``runner completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Final

import typer
from typer.completion import (  # type: ignore[attr-defined]  # it has no other public place
    get_completion_inspect_parameters,
    get_completion_script,
)

PROGRAM: Final = "runner"
VARIABLE: Final = "_RUNNER_COMPLETE"
"""By it the shell says, in a call of the program, that it wants to know what may come next."""


class Shell(StrEnum):
    """A shell that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell that is to complete.")]) -> None:
    """Print the lines that make a shell complete commands and options.

    bash: put the first example into ~/.bashrc; zsh: the second into ~/.zshrc,
    after compinit; fish: the third once.

    [bold]Examples[/bold]

      eval "$(runner completion bash)"
      eval "$(runner completion zsh)"
      runner completion fish > ~/.config/fish/completions/runner.fish
    """
    script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value)
    sys.stdout.write(script + "\n")


def prepare() -> None:
    """Make the shells known to those who answer; the usual commands do without."""
    get_completion_inspect_parameters()
