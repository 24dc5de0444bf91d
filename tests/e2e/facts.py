"""Waiting for facts: the one place where the end-to-end tests let time pass."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

PAUSE_SECONDS: Final = 0.02

Found = TypeVar("Found")


def until(fact: Callable[[], Found | None], seconds: float, what: str | Callable[[], str]) -> Found:
    """Return what ``fact`` finds as soon as it finds something true; TimeoutError naming it otherwise."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        if time.monotonic() > deadline:
            name = what if isinstance(what, str) else what()
            raise TimeoutError(f"not seen within {seconds:g} s: {name}")
        time.sleep(PAUSE_SECONDS)
    return found
