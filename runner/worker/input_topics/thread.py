"""An input topic is read by a thread of its own, with clients of its own.

A call into the Kafka client may block for seconds, for what is wrong with this topic or its group
alone; the tasks must not wait for that. Nothing is shared with the worker's loop but numbers. And
whatever goes wrong here ends neither: the clients are closed, and after a pause made anew.
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
"""Between two tries to read a topic."""

CLOSE_SECONDS: Final = 10.0
"""How long the batch in hand may take at the end; what is not committed then comes again."""

Opening = Callable[[], AbstractContextManager[Loop]]
"""Makes clients and the loop over them, for the length of a block. Raises a RunnerError."""


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
        """``is_stale``: whether the topic is another than the one that was opened."""
        self.name = name
        self.alive = reporter.alive
        self._opening = opening
        self._is_stale = is_stale
        self._reporter = reporter
        self._again_seconds = again_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"input-{name}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to finish the batch in hand; does not wait."""
        self._closing.set()

    def close(self) -> None:
        """Stop, and wait until the group has been left."""
        self.stop()
        self._thread.join(CLOSE_SECONDS)

    @property
    def has_died(self) -> bool:
        """Whether it ended although nobody asked it to: a mistake of ours, which a restart shows."""
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
