"""Run a command that ends with its parent: ``-m runner.embedded.parent_watch TIE PARENT_PID COMMAND...``.

The child's half of subprocesses.py, run as a program of its own so that nothing has to happen between fork
and exec of a process that may have threads.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

BY_SIGNAL: Final = "signal"
PR_SET_PDEATHSIG: Final = 1


def main(arguments: Sequence[str]) -> NoReturn:
    """Become the command (``signal``), or run it until standard input closes (anything else)."""
    tie, parent_pid, *command = arguments
    if tie == BY_SIGNAL:
        _ask_for_death_signal(int(parent_pid))
        os.execv(command[0], command)  # noqa: S606 - the command line is the parent's own
    sys.exit(_run_until_stdin_closes(command))


def _ask_for_death_signal(parent_pid: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the signal was asked for
        sys.exit(1)


def _run_until_stdin_closes(command: Sequence[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_child(_number: int, _frame: FrameType | None) -> None:
        child.terminate()

    signal.signal(signal.SIGTERM, end_child)
    threading.Thread(target=_kill_at_end_of_stdin, args=(child,), daemon=True).start()
    return child.wait()


def _kill_at_end_of_stdin(child: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    child.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
