"""Worker processes: started, killed, stopped in their tracks and started again, each with its log.

A worker is the program itself, configured by its environment. It ends with the test process, however
that ends.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from runner.embedded.subprocesses import start_tethered
from tests.e2e.site import Site
from tests.waiting import WAIT_SECONDS, until

FAULTY: Final = Path(__file__).with_name("faulty_worker.py")
ENV: Final = shutil.which("env") or "/usr/bin/env"
LAST_LINES: Final = 12


class Worker:
    """One process. Its log is ``events``, one dict a line, in the order written."""

    def __init__(
        self,
        site: Site,
        name: str,
        settings: Mapping[str, str],
        *,
        script: Path | None = None,
        command: str = "worker",
    ) -> None:
        """``command``: what of the program it runs. ``script``: what is run instead of the program."""
        self.name = name
        self._log = site.folder / f"{site.name}-{name}.log"
        environment = {**site.environment(), **settings}
        program = _program(command) if script is None else [sys.executable, str(script)]
        line = [ENV, *(f"{key}={value}" for key, value in environment.items()), *program]
        with self._log.open("wb") as log:
            self._child = start_tethered(line, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Process id of the worker itself."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended (-9: killed); None while it runs."""
        return self._child.poll()

    @property
    def log(self) -> str:
        """Everything it wrote so far."""
        return self._log.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log events of that name."""
        return [event for event in _parsed(self.log) if event.get("event") == name]

    def wait_for(self, name: str, **fields: Any) -> dict[str, Any]:
        """Return the first log event with that name and these fields."""

        def found() -> dict[str, Any] | None:
            for event in self.events(name):
                if fields.items() <= event.items():
                    return event
            if self.exit_code is not None:
                raise AssertionError(f"{self.name} ended with {self.exit_code} before {name}:\n{self.log}")
            return None

        return until(found, f"{name} {fields or ''} in the log of {self.name}:\n{self.last_lines()}")

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """Return the exit code, once it has ended."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} has not ended after {seconds} s:\n{self.last_lines()}") from None

    def kill(self) -> None:
        """End it as ``kill -9`` does, and wait for that; nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        self._child.wait(WAIT_SECONDS)

    def terminate(self) -> None:
        """Ask it to stop, as an orchestrator does; does not wait."""
        self._child.terminate()

    def suspend(self) -> None:
        """Stop it in its tracks; returns when it stands still."""
        self._child.send_signal(signal.SIGSTOP)
        until(self.is_suspended, f"{self.name} to stand still")

    def is_suspended(self) -> bool:
        """Whether it stands still, whoever stopped it."""
        if self.exit_code is not None:
            return False
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def resume(self) -> None:
        """Let it go on."""
        self._child.send_signal(signal.SIGCONT)

    def last_lines(self) -> str:
        """Return the end of its log, for the message of a failing test."""
        return "\n".join(self.log.splitlines()[-LAST_LINES:])

    def close(self) -> None:
        """Make sure that it has ended."""
        self.kill()
        if self._child.stdin is not None:
            self._child.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = "none yet" if self.exit_code is None else self.exit_code
        self.close()
        # Shown by pytest where the test fails.
        said = f"--- {self.name} (exit code {ended})\n{self.last_lines()}"
        print(said)
        if error is not None:
            error.add_note(said)


class Fleet:
    """The workers of one site, as an orchestrator keeps them: who ends by itself is started again."""

    def __init__(self, site: Site, forgiven: frozenset[int] = frozenset()) -> None:
        """``forgiven``: exit codes after which a worker is started again; any other fails the test."""
        self._site = site
        self._forgiven = forgiven
        self._running = contextlib.ExitStack()
        self.slots: list[Worker] = []
        self.started = 0
        self.faulty: dict[int, Mapping[str, str]] = {}
        """Slots whose workers are faulty ones with settings of their own, whenever they are started."""
        self.ended: list[int] = []
        """Exit codes of the workers that ended by themselves."""

    def start(self) -> Worker:
        """Start one more worker."""
        worker = self._for_slot(len(self.slots))
        self.slots.append(worker)
        return worker

    def one(self, settings: Mapping[str, str] | None = None, *, faulty: bool = False) -> Worker:
        """Start a worker that is not kept running."""
        self.started += 1
        worker = Worker(
            self._site, f"worker-{self.started}", settings or {}, script=FAULTY if faulty else None
        )
        return self._running.enter_context(worker)

    def replace(self, slot: int) -> Worker:
        """Kill the worker in a slot, and start another in its place."""
        self.slots[slot].kill()
        self.slots[slot] = self._for_slot(slot)
        return self.slots[slot]

    def tend(self) -> None:
        """Start again what ended by itself, where that is forgiven."""
        for slot, worker in enumerate(self.slots):
            code = worker.exit_code
            if code is None:
                continue
            if code not in self._forgiven:
                raise AssertionError(f"{worker.name} ended with {code}:\n{worker.last_lines()}")
            self.ended.append(code)
            self.slots[slot] = self._for_slot(slot)

    def wait_until_shared(self) -> None:
        """Return once every worker has homes open."""

        def are_shared() -> bool:
            told = (worker.events("homes") for worker in self.slots)
            return all(events and events[-1]["open"] for events in told)

        until(are_shared, "every worker to have homes")

    def _for_slot(self, slot: int) -> Worker:
        settings = self.faulty.get(slot)
        return self.one(settings, faulty=settings is not None)

    def stop(self) -> list[int]:
        """Ask all to stop; return their exit codes.

        One that has just been started again is waited for: until it listens to signals, it would end
        by the signal itself.
        """
        for worker in self.slots:
            worker.wait_for("started")
        for worker in self.slots:
            worker.terminate()
        return [worker.wait() for worker in self.slots]

    def __enter__(self) -> Self:
        self._running.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)


def _program(command: str) -> list[str]:
    return [sys.executable, "-P", "-m", "runner.cli", command]


def _parsed(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event
