"""A target: what is done with the bytes of the fuzzer, and what must hold whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import process_time
from typing import Final

LIMIT_SECONDS: Final = 2.0
"""Of the processor, for one input of up to ``MAX_BYTES``."""

MAX_BYTES: Final = 4096


class TooSlow(AssertionError):
    """An input took longer than any input may."""


@dataclass(frozen=True)
class Target:
    """Something that reads bytes which others wrote."""

    name: str
    reads: str
    """What is tried, in a few words."""
    check: Callable[[bytes], None]
    """Raises, whatever it is, where the input does what no input may do."""
    seeds: Callable[[], Iterable[bytes]]
    """Inputs to begin with, each doing something else."""
    words: str = ""
    """What the fuzzer would hardly come upon, parted by white space."""

    def run(self, data: bytes, patience: float = 1.0) -> None:
        """Check one input, and that it took no longer than ``patience`` times the limit."""
        began = process_time()
        self.check(data)
        seconds = process_time() - began
        if seconds > LIMIT_SECONDS * patience:
            raise TooSlow(f"{len(data)} bytes took {seconds:.1f} s")
