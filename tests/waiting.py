"""Waiting for facts: the one place where the tests let time pass."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

WAIT_SECONDS: Final = 180
"""Ends the wait for what never comes; far above what a slow machine takes, so it says nothing of speed."""

PAUSE_SECONDS: Final = 0.02

Found = TypeVar("Found")


def until(fact: Callable[[], Found | None], what: str | Callable[[], str]) -> Found:
    """Return what ``fact`` finds as soon as it finds something true; TimeoutError naming it otherwise."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := fact()):
        if time.monotonic() > deadline:
            name = what if isinstance(what, str) else what()
            raise TimeoutError(f"not seen within {WAIT_SECONDS} s: {name}")
        time.sleep(PAUSE_SECONDS)
    return found
