"""A terminal as a program sees it: keys go in, what is drawn comes out, and Ctrl-C is a signal."""

import contextlib
import fcntl
import os
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.waiting import WAIT_SECONDS

CTRL_C: Final = "\x03"
TAB: Final = "\t"
_DRAWING: Final = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])|\x1b\][^\x07]*\x07")


class PseudoTerminal:
    """A program at a terminal of 80 columns; ``drawn`` is all it has written so far."""

    def __init__(self, master: int, child: subprocess.Popen[bytes]) -> None:
        self._master = master
        self.child = child
        self.raw = b""

    @property
    def drawn(self) -> str:
        """What has been written, without colours and movements of the cursor."""
        return _DRAWING.sub("", self.raw.decode(errors="replace"))

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str) -> None:
        """Return once this has been drawn; AssertionError if it is not."""
        deadline = time.monotonic() + WAIT_SECONDS
        while text not in self.drawn:
            assert time.monotonic() < deadline, f"{text!r} in: {self.drawn}"
            assert self._read(0.2) or self.child.poll() is None, f"{text!r} in: {self.drawn}"

    def ended(self) -> int:
        """Return the exit code, with everything drawn."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.child.poll() is None:
            assert time.monotonic() < deadline, f"it goes on: {self.drawn}"
            self._read(0.2)
        while self._read(0.1):
            pass
        return self.child.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            part = os.read(self._master, 65_536)
        except OSError:  # Linux: nobody is at the other end any more
            return False
        self.raw += part
        return bool(part)


@contextlib.contextmanager
def pseudo_terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], columns: int = 80
) -> Iterator[PseudoTerminal]:
    """Run a program at a terminal of its own for the length of the block."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    outside = {
        name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}
    }
    setsid = shutil.which("setsid")
    assert setsid is not None, "setsid is missing (util-linux)"
    child = subprocess.Popen(
        [setsid, "--ctty", *command],
        cwd=folder,
        env={**outside, "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        yield PseudoTerminal(master, child)
    finally:
        child.kill()
        child.wait(WAIT_SECONDS)
        os.close(master)
