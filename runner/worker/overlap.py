"""How a call that waits for the brokers is waited for: something else is done beside it, or after it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

Step: TypeAlias = Callable[[], bool]
"""Does a little of something that can wait; whether any of it is left. It must not raise."""

Overlap: TypeAlias = Callable[[Callable[[], None], Step], None]
"""Makes a call, and does more meanwhile; returns, or raises what the call raised, once the call is over."""


def no_step() -> bool:
    """Only wait."""
    return False


def run_in_sequence(call: Callable[[], None], more: Step) -> None:
    """Make the call, then do all that is left: for one thread, and for tests, where order must be known."""
    call()
    while more():
        pass


class OverlapThread:
    """Makes the call in a thread of its own, for as long as it takes.

    Whoever owns what is called must not touch it meanwhile: it has two threads, one at a time.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside")

    def __call__(self, call: Callable[[], None], more: Step) -> None:
        """Do more until the call is over, or nothing is left of it."""
        if more is no_step:
            call()
            return
        waiting = self._thread.submit(call)
        try:
            while not waiting.done() and more():
                pass
        finally:
            try:
                waiting.result()
            finally:
                # Its error holds this frame, and this frame what waits: nobody looks for cycles here.
                del waiting, more
