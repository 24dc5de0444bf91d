"""A terminal: the ``runner`` program as a person starts it, with the environment and folder of their own."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.embedded.subprocesses import start_tethered
from tests.waiting import WAIT_SECONDS, until

PROGRAM: Final = (sys.executable, "-m", "runner.cli")
ENV: Final = shutil.which("env") or "/usr/bin/env"


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a command."""

    code: int
    out: str
    err: str


class Running:
    """A command that goes on; what it has written so far can be read."""

    def __init__(self, child: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.child = child
        self._out = out
        self._err = err

    @property
    def out(self) -> str:
        """Its standard output so far."""
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        """Its standard error so far."""
        return self._err.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Return once this text is on standard output or error; AssertionError if it ended before."""

        def is_there() -> bool:
            if text in self.out + self.err:
                return True
            assert self.child.poll() is None, f"ended with {self.child.returncode}: {self.out}{self.err}"
            return False

        until(is_there, lambda: f"{text!r} in: {self.out}{self.err}")

    def signalled(self, number: int) -> Finished:
        """Send a signal and return what became of it."""
        self.child.send_signal(number)
        return self.finished()

    def finished(self, seconds: float = WAIT_SECONDS) -> Finished:
        """Return what became of it once it has ended."""
        return Finished(self.child.wait(seconds), self.out, self.err)


class Terminal:
    """Where commands are typed: one folder, and an environment with no RUNNER_ variable but these.

    No configuration file is found by chance: RUNNER_CONFIG names an empty one.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        empty = folder / "empty.yaml"
        empty.touch()
        self._given = {"RUNNER_CONFIG": str(empty), **environment}
        self._started = 0

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Finished:
        """Run a command to its end."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            env=self.environment(environment),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def shell(self, script: str, **environment: str) -> Finished:
        """Run lines of a shell in which ``runner`` is the program."""
        program = f'runner() {{ "{PROGRAM[0]}" {" ".join(PROGRAM[1:])} "$@"; }}'
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail\n{program}\n{script}"],
            env=self.environment(environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def start(self, *arguments: str, **environment: str) -> Iterator[Running]:
        """Run a command for the length of the block; it is killed if it has not ended by then."""
        self._started += 1
        out, err = (self.folder / f"{self._started}.{name}" for name in ("out", "err"))
        cleared = [part for name in os.environ for part in ("-u", name) if name.startswith("RUNNER_")]
        given = [f"{name}={value}" for name, value in (self._given | environment).items()]
        command = [ENV, *cleared, *given, *PROGRAM, *arguments]
        with out.open("wb") as out_file, err.open("wb") as err_file:
            child = start_tethered(command, stdout=out_file, stderr=err_file)
        try:
            yield Running(child, out, err)
        finally:
            child.kill()
            child.wait(WAIT_SECONDS)
            if child.stdin is not None:
                child.stdin.close()

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of a command."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("RUNNER_")}
        return outside | self._given | dict(more)
