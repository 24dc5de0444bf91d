"""Standard input, output and error of this process, whatever they are: closed, full, or for ASCII only.

What a stream cannot show is shown as escapes, and an output that fails is one line and an exit code.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from runner.errors import FatalError

_CLOSED: Final = {"stdin": os.O_WRONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
"""Mode in which a closed stream is opened on nothing: reading or writing it then fails as it should."""


class OutputFailed(FatalError):
    """Standard output does not take what is written to it."""

    label = "OUTPUT_FAILED"


class _Output(io.TextIOWrapper):
    """Standard output, whose failures cannot be taken for those of any other file."""

    def write(self, text: str, /) -> int:
        with _named():
            return super().write(text)

    def flush(self) -> None:
        with _named():
            super().flush()


class _Errors(io.TextIOWrapper):
    """Standard error: a failure to write is ignored, since only the exit code can still tell of it."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def prepare() -> None:
    """Open closed streams on nothing, so that no other file gets their numbers, and let all show any text."""
    for number, (name, mode) in enumerate(_CLOSED.items()):
        if getattr(sys, name) is None:
            _put_nothing_at(number, mode)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - kept open
    for name, kind in (("stdout", _Output), ("stderr", _Errors)):
        stream = getattr(sys, name)
        how = (stream.encoding, "backslashreplace", None, stream.line_buffering, stream.write_through)
        setattr(sys, name, kind(stream.detach(), *how))


def finish(code: int) -> int:
    """Return the exit code of the process.

    An output that does not take what is left is given up: it would fail once more when the interpreter ends.
    """
    try:
        sys.stdout.flush()
    except (OutputFailed, OSError):
        _put_nothing_at(sys.stdout.fileno(), os.O_WRONLY)
        return code or OutputFailed.exit_code
    return code


def write_bytes(data: bytes) -> None:
    """Write bytes to standard output as they are."""
    with _named():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # Whoever reads a pipe may have seen enough: nothing is said of it.
        why = "it is closed" if error.errno == errno.EBADF else (error.strerror or str(error))
        raise OutputFailed(f"standard output cannot be written: {why}") from error


def _put_nothing_at(number: int, mode: int) -> None:
    nothing = os.open(os.devnull, mode)
    if nothing != number:
        os.dup2(nothing, number)
        os.close(nothing)
