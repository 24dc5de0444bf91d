"""What only a terminal shows: completion, progress, a Ctrl-C, and rows that fit."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pseudo_terminal import TAB, PseudoTerminal, pseudo_terminal
from tests.e2e.terminal import Terminal

BASH = ["bash", "--norc", "--noprofile", "-i"]


@pytest.fixture
def bash(tmp_path: Path) -> Iterator[PseudoTerminal]:
    """A shell at a terminal that finds the program by its name."""
    program = tmp_path / "runner"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m runner.cli "$@"\n')
    program.chmod(0o755)
    environment = Terminal(tmp_path, {}).environment({"PS1": "ready> "})
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    with pseudo_terminal(BASH, tmp_path, environment) as shell:
        shell.type("bind 'set bell-style none'; bind 'set enable-bracketed-paste off'\n")
        shell.wait_for("ready> ")
        yield shell


def test_bash_completes_commands_and_options(bash: PseudoTerminal) -> None:
    bash.type('eval "$(runner completion bash)"; echo "complete"d\n')
    bash.wait_for("completed")

    bash.type(f"runner task l{TAB}")
    bash.wait_for("runner task list")
    bash.type(f"--over{TAB}")
    bash.wait_for("runner task list --overdue")
    bash.type(f"--status tim{TAB}")
    bash.wait_for("--status timed-out")


@pytest.mark.parametrize(("shell", "word"), [("zsh", "compdef"), ("fish", "complete --command runner")])
def test_other_shells_get_their_script(tmp_path: Path, shell: str, word: str) -> None:
    told = Terminal(tmp_path, {}).run("completion", shell)

    assert (told.code, told.err) == (0, "")
    assert word in told.out
