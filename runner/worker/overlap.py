"""Overlapping a blocking call with short steps: in a second thread, or one after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

Step: TypeAlias = Callable[[], bool]
"""Does a little work and returns whether more is left; must not raise."""

Overlap: TypeAlias = Callable[[Callable[[], None], Step], None]
"""Makes a call and runs steps meanwhile; returns, or raises the error of the call, once the call is over."""


def no_step() -> bool:
    """Do nothing: there is no work to overlap."""
    return False


def run_in_sequence(call: Callable[[], None], more: Step) -> None:
    """Make the call, then run all steps: for one thread, and for tests that need a fixed order."""
    call()
    while more():
        pass


class OverlapThread:
    """Makes the call in a second thread while the steps run in the first.

    The steps must not touch the object that is called: two threads use it, one at a time.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="overlap")

    def __call__(self, call: Callable[[], None], more: Step) -> None:
        """Run steps until the call is over or no step is left; then wait for the call."""
        if more is no_step:
            call()
            return
        future = self._thread.submit(call)
        try:
            while not future.done() and more():
                pass
        finally:
            try:
                future.result()
            finally:
                # An error holds this frame, and the frame both names: a cycle, which is collected seldom.
                del future, more
