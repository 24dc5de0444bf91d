"""The senders: threads that try jobs, so that a service that hangs holds up nobody but itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from runner.clock import Ticker
from runner.notify.dispatcher import Dispatcher, Job

_LONGEST_WAIT_SECONDS: Final = 60.0


class Attempt(NamedTuple):
    """How an attempt at a job went."""

    job: Job
    reason: str
    """Why it failed; empty: it did not."""
    failures: int
    is_over: bool
    """Whether it is not tried again: done, or given up."""


class Senders:
    """Some threads at work on a dispatcher, from ``start`` to ``close``."""

    def __init__(self, dispatcher: Dispatcher, threads: int, ticker: Ticker) -> None:
        self._dispatcher = dispatcher
        self._ticker = ticker
        self._changed = threading.Condition()
        self._closing = False
        self._finished: SimpleQueue[Attempt] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"sender-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Begin nothing any more; what has begun goes on, for as long as the process lasts."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def add(self, job: Job) -> None:
        with self._changed:
            self._dispatcher.add(job, self._ticker())
            self._changed.notify()

    def finished(self) -> list[Attempt]:
        """Return the attempts that ended since the last call, in their order."""
        found = []
        while True:
            try:
                found.append(self._finished.get_nowait())
            except Empty:
                return found

    def pause(self, seconds: float) -> None:
        """Return once an attempt has ended, or after that time."""
        with self._changed:
            self._changed.wait(seconds)

    def expired(self) -> list[Job]:
        """Remove and return what has waited too long."""
        with self._changed:
            return self._dispatcher.expired(self._ticker())

    def stuck(self, most: int) -> list[Job]:
        """Remove and return the oldest that do not get on."""
        with self._changed:
            return self._dispatcher.stuck(most)

    def withdraw(self, is_unwanted: Callable[[Job], bool]) -> list[Job]:
        """Remove and return what is not wanted any more and has not begun."""
        with self._changed:
            return self._dispatcher.withdraw(is_unwanted)

    def is_busy(self, is_meant: Callable[[Job], bool]) -> bool:
        with self._changed:
            return self._dispatcher.is_busy(is_meant)

    def gets_on(self) -> bool:
        """Whether anything is left but what failed before."""
        with self._changed:
            return self._dispatcher.gets_on()

    def down(self) -> dict[str, str]:
        """Return the channels that are down, each with its last reason."""
        with self._changed:
            return self._dispatcher.down()

    def attempt_due(self) -> bool:
        """Try one job that is due, in the calling thread; return whether there was any."""
        with self._changed:
            job = self._dispatcher.take(self._ticker())
        if job is not None:
            self._attempt(job)
        return job is not None

    def _run(self) -> None:
        while True:
            job = self._next()
            if job is None:
                return
            self._attempt(job)

    def _attempt(self, job: Job) -> None:
        reason = _tried(job)
        with self._changed:
            is_over = self._dispatcher.finish(job, reason, self._ticker())
            # In this order: who sees that nothing is busy any more finds all that has ended.
            self._finished.put(Attempt(job, reason, job.failures, is_over))
            self._changed.notify_all()

    def _next(self) -> Job | None:
        """Return the next job, waiting for it; None once closed."""
        with self._changed:
            while not self._closing:
                now = self._ticker()
                job = self._dispatcher.take(now)
                if job is not None:
                    # Another thread may wait for the next one.
                    self._changed.notify()
                    return job
                self._changed.wait(min(_LONGEST_WAIT_SECONDS, self._dispatcher.wait_seconds(now)))
        return None


def _tried(job: Job) -> str:
    try:
        return job.attempt()
    except Exception as error:  # noqa: BLE001 - what a service's own code raises is a failure of that service
        return f"{type(error).__name__}: {next(iter(str(error).splitlines()), 'no text')[:200]}"
