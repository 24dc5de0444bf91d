"""SIGTERM and Ctrl-C of a worker: what has begun is finished, what has not begun ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from runner import log

STOPPED_LATE: Final = 7
"""Exit code where the shutdown deadline passed or a second signal came."""

_log: Final = log.get("worker")


class EndedEarly(BaseException):
    """A signal came before the worker had anything in hand; not an error that anybody may handle."""


class Stopping:
    """Whether a signal has come. Until ``begun``, it interrupts whatever the main thread waits for."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._has_begun = False

    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._asked.is_set()

    def begun(self) -> None:
        """From now on a signal is only noted: there is something to finish."""
        self._has_begun = True

    def pause(self, seconds: float) -> None:
        """Wait. EndedEarly if a signal has come, also one whose interruption somebody has swallowed."""
        if self._asked.wait(seconds):
            raise EndedEarly

    def wait(self, seconds: float) -> None:
        """Wait, at most until a signal comes; for threads beside the main one."""
        self._asked.wait(seconds)

    def note(self) -> None:
        """A signal has come: from now on another one is the second."""
        self._asked.set()

    def interrupt(self) -> None:
        """End what has not begun: called in the main thread, between two of its steps."""
        if not self._has_begun:
            raise EndedEarly


@contextmanager
def stopping_by_signal(shutdown_seconds: float) -> Iterator[Stopping]:
    """Note the first SIGTERM or SIGINT; the second, or the deadline, ends the process.

    The block ends without an error where a signal came before the worker had begun.
    """
    stopping = Stopping()

    def late() -> None:
        log.last_words(lambda: _log.error("stopped_late", seconds=shutdown_seconds))
        os._exit(STOPPED_LATE)

    deadline = threading.Timer(shutdown_seconds, late)
    deadline.daemon = True

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        if stopping.asked():
            os._exit(STOPPED_LATE)
        # First of all: what follows may block, and the second signal must count all the same.
        stopping.note()
        deadline.start()
        _log.info("stopping", signal=signal.Signals(number).name)
        stopping.interrupt()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    except EndedEarly:
        pass
    finally:
        deadline.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
