"""Commands whose standard streams are closed, full, or for ASCII only: one line and an exit code."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.app import run
from tests.unit.cli.test_app import COMMANDS

FULL = Path("/dev/full")
CONFIG = 'handler: "ü€𝄞"\n'
NO_SPACE = "error: standard output cannot be written: No space left on device\n"
CLOSED = "error: standard output cannot be written: it is closed\n"
RESULTS = (
    "config check --json",
    "--show-completion",
    "task list --help",
)


def shell(tmp_path: Path, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which ``runner`` is the program, with a configuration that is not ASCII."""
    file = tmp_path / "runner.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    program = shlex.join([sys.executable, "-m", "runner.cli"])
    script = f'set -o pipefail\nrunner() {{ {program} "$@"; }}\n{line}'
    outside = {name: value for name, value in os.environ.items() if not name.startswith("RUNNER_")}
    environment = {**outside, "RUNNER_CONFIG": str(file), "RUNNER_KAFKA__BROKERS": "127.0.0.1:1", **env}
    return subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("command", "unbuffered"), [*((command, "") for command in RESULTS), ("--show-completion", "1")]
)
def test_an_output_that_is_full_is_said_in_one_line(tmp_path: Path, command: str, unbuffered: str) -> None:
    done = shell(tmp_path, f"runner {command} > {FULL}", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (1, NO_SPACE)


@pytest.mark.parametrize("command", RESULTS)
def test_an_output_that_is_closed_is_said_in_one_line(tmp_path: Path, command: str) -> None:
    done = shell(tmp_path, f"runner {command} >&-")
    assert (done.returncode, done.stderr) == (1, CLOSED)


@pytest.mark.parametrize("command", RESULTS)
def test_a_reader_that_has_seen_enough_is_not_spoken_of(tmp_path: Path, command: str) -> None:
    assert shell(tmp_path, f"runner {command} | true").stderr == ""


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "the locale C"],
)
def test_what_an_output_cannot_show_is_escaped(tmp_path: Path, env: dict[str, str]) -> None:
    shown = shell(tmp_path, "runner config check", **env)
    assert shown.returncode == 0
    assert r"\u20ac\U0001d11e" in shown.stdout
    told = shell(tmp_path, "runner config check --json", **env)
    assert told.returncode == 0
    assert json.loads(told.stdout)["handler"] == "ü€𝄞"
    assert told.stdout.isascii()
    assert shell(tmp_path, "runner worker --help", **env).returncode == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("runner send - <&-", "standard input cannot be read"),
        ("runner task proceed t --payload - <&-", "--payload - cannot be read"),
    ],
)
def test_an_input_that_is_closed_is_said(tmp_path: Path, line: str, said: str) -> None:
    done = shell(tmp_path, line, COLUMNS="200")
    assert done.returncode == 2
    assert f"{said}: Bad file descriptor" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["2>&-", f"2>{FULL}"])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("config check -c /nowhere.yaml", 3),
        ("worker", 1),
        ("nonsense", 2),
    ],
)
def test_the_exit_code_is_the_same_where_nothing_can_be_said(
    tmp_path: Path, command: str, code: int, where: str
) -> None:
    env = {"RUNNER_WORKER__STARTSECONDS": "0", "RUNNER_HTTP__PORT": "0"}
    assert shell(tmp_path, f"runner {command} {where}", **env).returncode == code


def test_no_connection_takes_the_place_of_a_stream_that_is_closed(tmp_path: Path) -> None:
    """What somebody writes to standard output or error may not end up in it."""
    code = "import os; from runner.cli import streams; streams.prepare(); "
    code += "print(min(os.pipe()), file=open(3, 'w'))"
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} 3>&1 <&- >&- 2>&-"
    assert int(shell(tmp_path, line).stdout) > 2


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_can_be_shown_in_ascii(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.BytesIO()
    out = io.TextIOWrapper(shown, encoding="ascii", errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", out)
    assert run([*command, "--help"]) == 0
    assert b"Usage" in shown.getvalue()
