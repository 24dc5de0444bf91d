"""What only a terminal shows: completion, progress, a Ctrl-C, and rows that fit."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e.pseudo_terminal import CTRL_C, TAB, PseudoTerminal, pseudo_terminal
from tests.e2e.site import Site
from tests.e2e.terminal import PROGRAM, Terminal
from tests.e2e.typed import lines, start

pytestmark = pytest.mark.thorough("what a command does with real servers; what it decides has unit tests")

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
    bash.type('eval "$(runner --show-completion)"; echo "complete"d\n')
    bash.wait_for("completed")

    bash.type(f"runner task l{TAB}")
    bash.wait_for("runner task list")
    bash.type(f"--over{TAB}")
    bash.wait_for("runner task list --overdue")
    bash.type(f"--status tim{TAB}")
    bash.wait_for("--status timed-out")


def at_terminal(terminal: Terminal, *arguments: str, **more: str) -> AbstractContextManager[PseudoTerminal]:
    """A command at a terminal."""
    return pseudo_terminal([*PROGRAM, *arguments], terminal.folder, terminal.environment(more))


def events(folder: Path, name: str, count: int, **meta: str) -> Path:
    """A file with a StartTask on each line."""
    file = folder / f"{name}.jsonl"
    told = [start(f"{name}-{number}") for number in range(count)]
    for each in told:
        each["eventMeta"].update(meta)
    file.write_text(lines(*told))
    return file


def test_many_events_show_how_far_they_are_and_the_sum(terminal_and_site: tuple[Terminal, Site]) -> None:
    terminal, _ = terminal_and_site
    file = events(terminal.folder, "many", 300, domain="quiet")
    file.write_text(file.read_text().replace('"domain": "quiet"', '"domain": "lost"', 1))

    with at_terminal(terminal, "send", "--wait", str(file)) as shown:
        assert shown.ended() == 1

    assert "sending" in shown.drawn
    assert "replies" in shown.drawn
    assert "300/300" in shown.drawn
    assert "300 of 300 events sent in" in shown.drawn
    assert "replies: 299 ACK, 1 FAIL" in shown.drawn
    assert [row.split()[2:4] for row in shown.drawn.splitlines() if "FAIL 10027" in row] == [
        ["start-many-0", "reply"]
    ]


def test_ctrl_c_says_what_was_sent(terminal_and_site: tuple[Terminal, Site]) -> None:
    """The producer keeps everything to itself for minutes, and has room for half of it."""
    terminal, _ = terminal_and_site
    file = events(terminal.folder, "halted", 2000)
    slow = {"RUNNER_KAFKA__PROPERTIES": '{"linger.ms": 200000, "queue.buffering.max.messages": 1000}'}

    with at_terminal(terminal, "send", str(file), **slow) as shown:
        shown.wait_for("sending")
        shown.type(CTRL_C)
        assert shown.ended() == 130

    assert "interrupted: 0 of 2000 events were sent; the first that was not is in line 1" in shown.drawn
    assert "Traceback" not in shown.drawn


def test_rows_fit_into_eighty_columns(terminal_and_site: tuple[Terminal, Site]) -> None:
    terminal, _ = terminal_and_site
    file = events(terminal.folder, "wide-with-a-very-long-name-for-a-task", 2, domain="quiet")
    assert terminal.run("send", "--wait", str(file)).code == 0

    with at_terminal(terminal, "task", "list", "--domain", "quiet", "--limit", "2") as shown:
        assert shown.ended() == 0

    rows = [row for row in shown.drawn.splitlines() if "ASSIGNED" in row]
    assert len(rows) == 2
    assert all(len(row) <= 80 for row in rows)
