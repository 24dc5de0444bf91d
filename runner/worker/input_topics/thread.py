"""The thread of an input topic: the topic is read by a thread and clients of its own.

A call into the Kafka client may block for seconds because of this topic or its group alone, and the tasks
must not wait for that. Only metrics and health are shared with the worker's loop. An error ends neither the
worker nor the thread: the clients are closed and, after a pause, made again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from runner.errors import RunnerError
from runner.worker.input_topics.reporter import InputReporter
from runner.worker.loop import Loop

AGAIN_SECONDS: Final = 5.0
"""Between two attempts to read a topic."""

CLOSE_SECONDS: Final = 10.0
"""Time for the last batch at the end; one that is not committed then is redelivered."""

Opening = Callable[[], AbstractContextManager[Loop]]
"""Makes the clients and their loop, for the length of a ``with`` statement. Raises a RunnerError."""


class InputThread:
    """Reads one input topic from ``start`` to ``close``."""

    def __init__(
        self,
        name: str,
        opening: Opening,
        is_stale: Callable[[], bool],
        reporter: InputReporter,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        """``is_stale``: whether the topic was deleted or made again since it was opened."""
        self.name = name
        self.alive = reporter.alive
        self._opening = opening
        self._is_stale = is_stale
        self._reporter = reporter
        self._again_seconds = again_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"input-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to finish the current batch; does not wait."""
        self._closing.set()

    def close(self) -> None:
        """Stop the thread, and wait until it has left the group."""
        self.stop()
        self._thread.join(CLOSE_SECONDS)

    @property
    def has_died(self) -> bool:
        """Whether the thread ended without ``stop``: a defect of the runner, shown by a restart."""
        return not self._thread.is_alive() and not self._closing.is_set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._reporter.tick()
            try:
                with self._opening() as loop:
                    loop.run(lambda: self._closing.is_set() or self._is_stale())
            except RunnerError as error:
                self._reporter.failed(error)
                self._closing.wait(self._again_seconds)
